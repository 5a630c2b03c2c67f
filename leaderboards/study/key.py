"""The key of a study: which opaque clip is whose, and who was asked what. It stays at home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from evaluation.json_form import Form, misfit
from evaluation.limits import parsed_json, text_of
from evaluation.plan import UnusableInputError
from evaluation.store import write_json

SCHEMA = 1
KEY = "key.json"

Role = Literal["", "shifted", "instruction", "repeat"]
QUESTIONS = {
    "lip-sync": ("Do the lips fit the sound?", "not at all", "perfectly"),
    "realism": ("Does the person look real?", "clearly artificial", "like a real video"),
    "video-quality": ("How good is the picture?", "bad", "excellent"),
    "identity": ("Is it the person on the still?", "somebody else", "surely"),
}
"""Question -> its words, and those at 1 and at 5."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What an opaque name stands for.

    Attributes:
        generator: Whose; empty for an instruction.
        sample: Id.
        speaker: Of the sample.
        role: ``shifted`` sound or an ``instruction`` are attention checks.
        answer: What an instruction asks for, 0 otherwise.
        seconds: Its length.
    """

    generator: str
    sample: str
    speaker: str
    role: Role
    answer: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One screen of a rater.

    Attributes:
        kind: ``rate`` one clip, or choose of a ``pair``.
        clips: One opaque name, or left and right.
        role: Of a check; empty for what counts.
    """

    kind: Literal["rate", "pair"]
    clips: tuple[str, ...]
    role: Role = ""


_FORM: Form = {
    **dict.fromkeys(("study", "title", "suite", "pair_question"), str),
    "systems": [str],
    "questions": [str],
    "ties": bool,
    "clips": {
        "*": {
            **dict.fromkeys(("generator", "sample", "speaker", "role"), str),
            "answer": int,
            "seconds": (int, float),
        }
    },
    "assignments": [[{"kind": str, "clips": [str], "role": str}]],
    "left_out": {"*": str},
    "seed": int,
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """A study.

    Attributes:
        study: Its name, a hash.
        title: As raters see it.
        suite: ``name/version`` of the run.
        systems: Generators in it.
        questions: Names, in order; empty where nothing is rated.
        pair_question: Asked of pairs.
        ties: "No preference" may be chosen.
        clips: Opaque name -> what it is.
        assignments: A list of trials for every rater.
        left_out: Samples that some system has no video of, with the reason.
        seed: Everything random comes from it.
    """

    study: str
    title: str
    suite: str
    systems: Sequence[str]
    questions: Sequence[str]
    pair_question: str
    ties: bool
    clips: Mapping[str, Clip]
    assignments: Sequence[Sequence[Trial]]
    left_out: Mapping[str, str]
    seed: int

    def write(self, path: Path) -> None:
        """As JSON."""
        write_json(path, {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def read(cls, where: Path) -> Key:
        """Of a study's folder, or of the file itself.

        Raises:
            UnusableInputError: Not there, or no key.
        """
        path = where / KEY if where.is_dir() else where
        try:
            raw: dict[str, Any] = parsed_json(text_of(path))
            if raw.pop("schema") != SCHEMA:
                raise UnusableInputError(f"{path}: this talkbench reads schema {SCHEMA}")
            if wrong := misfit(raw, _FORM):
                raise UnusableInputError(f"{path} is no key of a study ({wrong})")
            raw["clips"] = {name: Clip(**clip) for name, clip in raw["clips"].items()}
            raw["assignments"] = [
                [Trial(**t | {"clips": tuple(t["clips"])}) for t in row]
                for row in raw["assignments"]
            ]
            key = cls(**raw)
        except FileNotFoundError as error:
            raise UnusableInputError(
                f"{path} is not there; name the folder that `talkbench study make` wrote"
            ) from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnusableInputError(f"{path} is no key of a study ({error})") from error
        if any(t.role not in get_args(Role) for row in key.assignments for t in row):
            raise UnusableInputError(f"{path} has a trial of an unknown role")
        shown = {name for row in key.assignments for t in row for name in t.clips}
        if lost := sorted(shown - key.clips.keys()):
            raise UnusableInputError(f"{path} has trials of clips that it does not name: {lost[0]}")
        return key
