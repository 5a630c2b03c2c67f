"""``run.json``: what a run is made of, so that its numbers can be understood later."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any

from evaluation.elsewhere.addresses import tell
from evaluation.environment import command_line, describe
from evaluation.json_form import Form, misfit
from evaluation.limits import parsed_json, text_of
from evaluation.plan import Plan
from evaluation.records import SCHEMA, RecordsError
from evaluation.store import write_json
from metrics import MetricSpec

MANIFEST = "run.json"
SPLIT = "split"
"""Setting: the hash of the data's own manifest (``split.jsonl``), where there is one."""

_FORM: Form = {
    "suite": {
        "id": str,
        "dataset?": str,
        "setting?": str,
        "about?": str,
        "notes?": [str],
        "protocol?": {"*": str},
    },
    "every": int,
    "seed": int,
    "limit": (int, NoneType),
    "whole?": int,
    "settings": {"*": str},
    "generators": {
        "*": {
            "kind": str,
            "version?": str,
            "about?": str,
            "licence?": str,
            "source?": str,
            "weights_sha256?": str,
            "trained_on?": [str],
            "optimises?": [str],
        }
    },
    "metrics": {"*": dict},
    "samples": {"*": {"speaker": str, "reference?": (str, NoneType)}},
    "environment": {"packages?": {"*": (str, NoneType)}},
    "commands": [{"at": str, "line": str}],
}


def read_manifest(path: Path) -> dict[str, Any]:
    """The content of ``run.json``.

    Raises:
        RecordsError: It is not there or not readable.
    """
    try:
        content: dict[str, Any] = parsed_json(text_of(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RecordsError(f"{path.parent} holds no run: there is no {path.name} in it") from error
    except ValueError as error:
        raise RecordsError(f"{path} is not readable: {error}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else content
        raise RecordsError(f"{path}: schema {found!r}, this talkbench reads {SCHEMA}")
    wrong = misfit(content, _FORM)
    if not wrong and not (content["generators"] and content["every"] > 0):
        wrong = "it names no generator, or no every-N-th frame"
    if wrong:
        raise RecordsError(f"{path} is damaged: {wrong}; restore it, or use a new folder")
    return content


def check_same_plan(plan: Plan, path: Path) -> str:
    """Why this plan cannot go on in that folder, or nothing.

    More generators, metrics or samples may be added to a run; the question may not change.
    """
    if not path.exists():
        return ""
    before = read_manifest(path)
    now = {"suite": plan.suite.id, "every": plan.every, "seed": plan.seed, **plan.settings}
    then = {
        "suite": before["suite"]["id"],
        "every": before["every"],
        "seed": before["seed"],
        **before["settings"],
    }
    for key in sorted(now.keys() | then.keys()):
        if key == SPLIT and None in (now.get(key), then.get(key)):
            continue  # to write down what the data are does not change them
        if now.get(key) != then.get(key):
            return (
                f"{path.parent} holds a run with {key} {then.get(key)!r}; this one has "
                f"{now.get(key)!r}. Numbers of two questions do not go into one table: "
                "choose another folder with -o"
            )
    return ""


def write_manifest(plan: Plan, path: Path) -> None:
    """Write ``run.json``; what an earlier call put there is kept and added to."""
    before = read_manifest(path) if path.exists() else {}
    suite = dataclasses.asdict(plan.suite) | {"id": plan.suite.id}
    generators = {g.spec.name: dataclasses.asdict(g.spec) for g in plan.generators}
    metrics = {m.spec.name: card(m.spec) for m in plan.metrics}
    samples = {
        s.id: {
            "speaker": s.speaker,
            "reference": tell(s.reference.absolute()) if s.reference else None,
            "audio": s.audio is not None,
        }
        for s in plan.samples
    }
    environment = describe()
    command: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "line": command_line(),
    }
    if before and before["environment"] != environment:
        command["environment"] = environment  # the top one is that of the first command
    if plan.limit is not None:  # the whole split replaces what was there, a part of it adds
        samples = before.get("samples", {}) | samples
    write_json(
        path,
        {
            "schema": SCHEMA,
            "suite": suite,
            "every": plan.every,
            "seed": plan.seed,
            "limit": _limit(plan.limit, before),
            "whole": plan.whole,
            "settings": _split_known(before) | dict(plan.settings),
            "generators": before.get("generators", {}) | generators,
            "metrics": before.get("metrics", {}) | metrics,
            "samples": samples,
            "environment": before.get("environment", environment),
            "commands": [*before.get("commands", []), command],
        },
    )


def _split_known(before: Mapping[str, Any]) -> dict[str, str]:
    """The data's manifest, which an earlier call may have seen and this one not."""
    settings: Mapping[str, str] = before.get("settings", {})
    return {key: settings[key] for key in settings if key == SPLIT}


def _limit(now: int | None, before: Mapping[str, Any]) -> int | None:
    """How much of the split the run holds by now."""
    if now is None or (before and before["limit"] is None):
        return None
    return max(now, before.get("limit") or 0)


def card(spec: MetricSpec) -> dict[str, Any]:
    """A protocol card as JSON: infinite bounds become null."""
    content = dataclasses.asdict(spec)
    content["bounds"] = [b if math.isfinite(b) else None for b in spec.bounds]
    content["protocol"] = dict(spec.protocol)
    return content
