"""Make a study out of a run: proxies, the page, and the key that stays at home."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2

from evaluation.generate import video_of
from evaluation.manifest import MANIFEST, read_manifest
from evaluation.plan import UnusableInputError
from evaluation.report.page.inlining import look
from evaluation.store import write_atomically
from evaluation.video import VideoError
from leaderboards.study import design, proxies
from leaderboards.study.key import KEY, QUESTIONS, Clip, Key, Trial

_HERE = Path(__file__).parent
SITE = "site"
SHIFT = 1.0
"""s by which the sound of the planted clip is late; half its length if that is less."""
_ENOUGH = 6  # rated clips from which on checks are put in

Told = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a study is to be.

    Attributes:
        title: As raters see it.
        systems: Generators; empty for all of the run.
        questions: Of ``QUESTIONS``; empty where only pairs are compared.
        raters: How many numbers are given out.
        ratings: Clips a rater rates, None for all.
        pairs: Pairs a rater compares; 0 for none.
        pair_question: Asked of pairs.
        ties: "No preference" may be chosen.
        checks: Put attention checks and a repeated clip in.
        seed: Of all that is random; None for one that nobody can guess.
    """

    title: str = "Rating of talking faces"
    systems: tuple[str, ...] = ()
    questions: tuple[str, ...] = ("lip-sync", "realism", "video-quality", "identity")
    raters: int = 24
    ratings: int | None = None
    pairs: int = 0
    pair_question: str = "Which clip looks more like a real recording?"
    ties: bool = True
    checks: bool = True
    seed: int | None = None


def make(run: Path, root: Path, wish: Wish, told: Told = lambda *_: None) -> Key:
    """Write ``root/site`` (to be given to raters) and ``root/key.json`` (not to be).

    Args:
        run: Folder of the run; its videos must still be there.
        root: Folder of the study, new or empty.
        wish: What it is to be.
        told: Hears of progress.

    Returns:
        The key.

    Raises:
        UnusableInputError: Nothing to ask, unknown systems, too few clips, or ``root`` is in use.
        RecordsError: No run there.
    """
    manifest = read_manifest(run / MANIFEST)
    systems = _systems(manifest, wish)
    if root.exists() and any(root.iterdir()):
        raise UnusableInputError(f"{root} is not empty; a study gets a folder of its own")
    found, left_out = _videos(run, manifest, systems)
    samples = sorted({sample for sample, _ in found})
    if not samples:
        raise UnusableInputError(
            f"no sample of {run} has a video of all of {', '.join(systems)}: "
            + "; ".join(f"{s}: {why}" for s, why in list(left_out.items())[:3])
        )
    seed = secrets.randbits(63) if wish.seed is None else wish.seed
    media = root / SITE / "media"
    media.mkdir(parents=True)
    name_of = _Names(seed)
    clips: dict[str, Clip] = {}
    for done, ((sample, system), path) in enumerate(sorted(found.items()), start=1):
        name = name_of("clip", sample, system)
        speaker = str(manifest["samples"][sample]["speaker"])
        try:
            seconds = proxies.proxy(path, media / f"{name}.mp4")
        except VideoError as error:
            raise UnusableInputError(f"{system} on {sample} cannot be shown: {error}") from error
        clips[name] = Clip(
            generator=system, sample=sample, speaker=speaker, role="", answer=0, seconds=seconds
        )
        told(done, len(found), f"{system} · {sample}")
    stills = (
        _stills(manifest, found, samples, media, name_of) if "identity" in wish.questions else {}
    )
    planted = _planted(wish, manifest, found, clips, media, name_of, seed)
    if "shifted" in planted and stills:
        stills[planted["shifted"]] = stills[planted["original"]]
    assignments = _assignments(wish, samples, systems, seed, name_of, planted)
    proxies.playback(media / f"{name_of('playback')}.mp4", *_playback(seed))
    config: dict[str, Any] = {
        "title": wish.title,
        "questions": [[q, *QUESTIONS[q]] for q in wish.questions],
        "pairQuestion": wish.pair_question,
        "ties": wish.ties,
        "playback": [name_of("playback"), *_playback(seed)],
        "practice": [name_of("clip", samples[0], systems[-1])],
        "stills": stills,
        "assignments": [[[t.kind, *t.clips] for t in row] for row in assignments],
    }
    study = hashlib.sha256(json.dumps([config, seed], sort_keys=True).encode()).hexdigest()[:16]
    write_page(root / SITE / "index.html", config | {"study": study})
    key = Key(
        study=study,
        title=wish.title,
        suite=str(manifest["suite"]["id"]),
        systems=systems,
        questions=wish.questions,
        pair_question=wish.pair_question,
        ties=wish.ties,
        clips=clips,
        assignments=assignments,
        left_out=left_out,
        seed=seed,
    )
    key.write(root / KEY)
    for path in [*media.iterdir(), root / SITE / "index.html"]:
        os.utime(path, (0, 0))  # in which order they were written says whose they are
    return key


class _Names:
    """Opaque names: without the seed nobody can tell whose they are."""

    def __init__(self, seed: int) -> None:
        self._secret = f"talkbench study {seed}".encode()

    def __call__(self, *of: str) -> str:
        text = json.dumps(of).encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:16]


def _systems(manifest: Mapping[str, Any], wish: Wish) -> list[str]:
    if not wish.questions and not wish.pairs:
        raise UnusableInputError("a study without questions and without pairs asks nothing")
    unknown = [q for q in wish.questions if q not in QUESTIONS]
    if unknown:
        raise UnusableInputError(
            f"no question is called {unknown[0]!r}; there are {', '.join(QUESTIONS)}"
        )
    known = list(manifest["generators"])
    strange = [s for s in wish.systems if s not in known]
    if strange:
        raise UnusableInputError(f"{strange[0]!r} is not in this run; it has {', '.join(known)}")
    systems = list(dict.fromkeys(wish.systems)) or known
    if len(systems) < 2:
        raise UnusableInputError("one system cannot be compared; name two or more with --system")
    return systems


def _videos(
    run: Path, manifest: Mapping[str, Any], systems: Sequence[str]
) -> tuple[dict[tuple[str, str], Path], dict[str, str]]:
    """Videos by (sample, system); a sample that lacks one is left out for all, and why."""
    found: dict[tuple[str, str], Path] = {}
    left_out: dict[str, str] = {}
    for sample in manifest["samples"]:
        paths = {s: video_of(run, s, sample) for s in systems}
        missing = [s for s, path in paths.items() if path is None]
        if missing:
            left_out[sample] = f"no video of {', '.join(missing)}"
        else:
            found |= {(sample, s): path for s, path in paths.items() if path is not None}
    return found, left_out


def _stills(
    manifest: Mapping[str, Any],
    found: Mapping[tuple[str, str], Path],
    samples: Sequence[str],
    media: Path,
    name_of: _Names,
) -> dict[str, str]:
    """Opaque clip -> still of the real person, for the question of identity."""
    stills: dict[str, str] = {}
    for sample in samples:
        source = manifest["samples"][sample].get("reference")
        if source is None or not Path(source).is_file():
            raise UnusableInputError(
                f"the reference of {sample} is not where the run found it, and the question of "
                "identity shows its first frame; bring it back, or ask --question others"
            )
        name = name_of("still", sample)
        proxies.still(Path(source), media / f"{name}.png")
        stills |= {name_of("clip", *cell): name for cell in found if cell[0] == sample}
    return stills


def _planted(
    wish: Wish,
    manifest: Mapping[str, Any],
    found: Mapping[tuple[str, str], Path],
    clips: dict[str, Clip],
    media: Path,
    name_of: _Names,
    seed: int,
) -> dict[str, str]:
    """Clips of the attention checks, by role."""
    if not wish.checks:
        return {}
    kinds = {g: spec["kind"] for g, spec in manifest["generators"].items()}
    sample, system = min(found, key=lambda cell: (kinds[cell[1]] != "reference", cell))
    original = name_of("clip", sample, system)
    names = {r: name_of(r) for r in ("shifted", "instruction")} | {"original": original}
    length = clips[original].seconds
    proxies.proxy(
        found[sample, system], media / f"{names['shifted']}.mp4", shift=min(SHIFT, length / 2)
    )
    clips[names["shifted"]] = replace(clips[original], role="shifted")
    if wish.questions:
        answer = 1 + seed % 2 * 3  # 1 or 4: never the middle, which inattention gives as well
        seconds = proxies.instruction(media / f"{names['instruction']}.mp4", answer)
        clips[names["instruction"]] = Clip(
            generator="", sample="", speaker="", role="instruction", answer=answer, seconds=seconds
        )
    return names


def _playback(seed: int) -> tuple[int, int]:
    """The digit to be seen and the beeps to be heard."""
    return 2 + seed % 7, 2 + seed // 7 % 3


def _assignments(
    wish: Wish,
    samples: Sequence[str],
    systems: Sequence[str],
    seed: int,
    name_of: _Names,
    planted: Mapping[str, str],
) -> list[list[Trial]]:
    cells = len(samples) * len(systems)
    each = cells if wish.ratings is None else min(wish.ratings, cells)
    rated = design.ratings(samples, systems, wish.raters, each if wish.questions else 0, seed)
    compared = design.pairs(samples, systems, wish.raters, wish.pairs, seed)
    found = []
    for rater in range(wish.raters):
        row = [Trial(kind="rate", clips=(name_of("clip", *cell),)) for cell in rated[rater]]
        if planted and row:
            row = _with_checks(row, planted, rater)
        duels = [
            Trial(kind="pair", clips=tuple(name_of("clip", p.sample, s) for s in (p.left, p.right)))
            for p in compared[rater]
        ]
        if planted and duels and not wish.questions:
            duels.insert(len(duels) // 2, _planted_pair(planted, rater))
        found.append(row + duels)
    return found


def _with_checks(row: list[Trial], planted: Mapping[str, str], rater: int) -> list[Trial]:
    """A shifted clip in the first half, an instruction in the second, an early clip again late."""
    if len(row) < _ENOUGH:
        return [*row, Trial(kind="rate", clips=(planted["instruction"],), role="instruction")]
    again = replace(row[rater % 2], role="repeat")
    half = len(row) // 2
    return [
        *row[: half - rater % 2],
        Trial(kind="rate", clips=(planted["shifted"],), role="shifted"),
        *row[half - rater % 2 : half + 2],
        Trial(kind="rate", clips=(planted["instruction"],), role="instruction"),
        *row[half + 2 :],
        again,
    ]


def _planted_pair(planted: Mapping[str, str], rater: int) -> Trial:
    other = planted["original"]
    both = (planted["shifted"], other) if rater % 2 else (other, planted["shifted"])
    return Trial(kind="pair", clips=both, role="shifted")


def write_page(path: Path, config: Mapping[str, Any]) -> None:
    """The page of a study, with all it needs but the media."""
    style = look() + (_HERE / "study.css").read_text(encoding="utf-8")
    script = (_HERE / "study.js").read_text(encoding="utf-8")
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    data = json.dumps(config, ensure_ascii=True).replace("<", "\\u003c")
    page = templates.get_template("study.html.j2").render(
        title=config["title"],
        questions=config["questions"],
        pairs=any(t[0] == "pair" for row in config["assignments"] for t in row),
        raters=len(config["assignments"]),
        style=style,
        style_hash=_digest(style),
        script=script,
        script_hash=_digest(script),
        data=data,
    )
    write_atomically(path, lambda file: file.write(page.encode()))


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
