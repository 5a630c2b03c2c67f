"""Shards: dealt out without gaps or doubles, merged to the byte, refused where they do not fit."""

import dataclasses
import json
import shutil

import pytest

from evaluation.datasets.folder import FolderDataset
from evaluation.engines.shards import Shard, parse
from evaluation.folder_lock import writing
from evaluation.generator import GeneratorSpec
from evaluation.merge import merge, shards_in
from evaluation.plan import Plan, UnusableInputError
from evaluation.records import CHECK, RecordLog, RecordsError, checksum
from evaluation.registry import load_generator, load_metrics
from evaluation.results import build, write_results
from evaluation.run import execute
from evaluation.suite import Suite

SUITE = Suite(name="t", version="1", dataset="folder", setting="reconstruction", metrics=())


@pytest.mark.parametrize("of", [1, 2, 3, 7])
@pytest.mark.parametrize("samples", ["", "a", "abcde", "abcdefgh"])
def test_every_unit_is_in_one_shard(of, samples):
    generators = ["g", "h", "i"]
    dealt = [list(Shard(n, of).of_names(generators, samples)) for n in range(1, of + 1)]
    every = [unit for shard in dealt for unit in shard]
    assert sorted(every) == sorted((g, s) for g in generators for s in samples)
    sizes = [len(shard) for shard in dealt]
    assert max(sizes) - min(sizes) <= (3 if len(samples) >= of else 1)
    if len(samples) >= of:  # a reference is read in one of them
        assert all(sum(s in {x for _, x in shard} for shard in dealt) == 1 for s in samples)


def array(here, first, last, count):
    names = {"ID": here, "MIN": first, "MAX": last, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{k}": str(v) for k, v in names.items()}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        (array(0, 0, 7, 8), "1/8"),
        (array(7, 0, 7, 8), "8/8"),
        (array(1, 1, 8, 8), "1/8"),
        (array(8, 1, 8, 8), "8/8"),
        (array(4, 0, 14, 8), "3/8"),
        (array(5, 5, 5, 1), "1/1"),
    ],
)
def test_a_slurm_array_counts_from_anywhere(environment, shard):
    assert str(parse("slurm", environment)) == shard


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("slurm", {}, "sbatch --array=1-8"),
        ("slurm", array(2, 1, 7, 3), "no steady step"),
        ("slurm", array(3, 1, 9, 4), "no steady step"),
        ("0/3", {}, "numbered 1/N to N/N"),
        ("4/3", {}, "numbered 1/N to N/N"),
        ("1/0", {}, "numbered 1/N to N/N"),
        ("2", {}, "takes I/N"),
    ],
)
def test_what_is_no_shard_is_said(text, environment, words):
    with pytest.raises(UnusableInputError, match=words):
        parse(text, environment)


def plan_of(folder, metrics, generators=("ground-truth", "reencoded")):
    return Plan(
        suite=SUITE,
        metrics=tuple(load_metrics(metrics)),
        generators=tuple(map(load_generator, generators)),
        samples=tuple(FolderDataset().samples(folder)),
        every=12,
        settings={},
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory, write_clip):
    """Five clips of three speakers, a run on them, and the same run in three shards."""
    home = tmp_path_factory.mktemp("home")
    for seed, name in enumerate(["a_000", "a_001", "b_000", "c_000", "c_001"]):
        write_clip(home / "data" / f"{name}.mp4", seed=seed, frames=24)
    (home / "data" / "c_001.mp4").write_bytes(b"no video")
    plan = plan_of(home / "data", ["psnr", "ssim"])
    execute(plan, home / "whole")
    for number in (3, 1, 2):
        execute(plan, home / "shards" / str(number), shard=Shard(number, 3))
    return home


@pytest.fixture
def shards(home, tmp_path):
    """Copies of the shards, to be spoilt."""
    shutil.copytree(home / "shards", tmp_path / "shards")
    return [tmp_path / "shards" / str(n) for n in (1, 2, 3)]


def content(run):
    write_results(run, build(run))
    records = [dataclasses.replace(r, seconds=0) for r in RecordLog(run / "records.jsonl").read()]
    return (run / "results.json").read_bytes(), sorted(records, key=lambda r: r.cell)


def test_merged_shards_are_the_run_whatever_their_order(home, shards, tmp_path):
    for number, order in enumerate([(2, 0, 1), (1, 2, 0)]):
        merged = merge([shards[i] for i in order], tmp_path / f"merged{number}")
        assert (merged.missing, merged.remarks) == ((), ())
        assert content(tmp_path / f"merged{number}") == content(home / "whole")
    path = tmp_path / "merged0" / "records.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[::-1]))
    cells = [r.cell for r in build(tmp_path / "merged0").records]
    assert cells == sorted(cells)  # whoever sums or pools, does it in this order


def test_workers_are_the_run_too(home, tmp_path):
    execute(plan_of(home / "data", ["psnr", "ssim"]), tmp_path / "two", workers=2)
    assert content(tmp_path / "two") == content(home / "whole")


@pytest.mark.assets
def test_sets_are_pooled_in_one_order(home, tmp_path, asset):
    """FID is over the frames of all clips: their order must not be that of the work."""
    for name in load_metrics(["fid"])[0].spec.assets:
        asset(name)
    plan = plan_of(home / "data", ["fid"], ["reencoded"])
    execute(plan, tmp_path / "whole")
    parts = [tmp_path / "shards" / str(n) for n in (1, 2)]
    for number, folder in enumerate(parts, start=1):
        execute(plan, folder, shard=Shard(number, 2))
    merge(parts[::-1], tmp_path / "merged")
    whole = content(tmp_path / "whole")
    assert content(tmp_path / "merged") == whole
    assert json.loads(whole[0])["estimates"][0]["value"] is not None
    path = tmp_path / "whole" / "records.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[::-1]))
    assert content(tmp_path / "whole") == whole


class InPlace:
    """Another version of a row, which writes over the file that lies there."""

    spec = GeneratorSpec(name="reencoded", version="9", kind="anchor", about="writes over")

    def generate(self, sample, out, seed):
        out.write_bytes(sample.video.read_bytes())
        return out


def test_a_merged_run_is_gone_on_with_and_leaves_the_shards_alone(home, shards, tmp_path):
    merge(shards, tmp_path / "merged")
    before = {p: p.read_bytes() for s in shards for p in s.rglob("*") if p.is_file()}
    plan = plan_of(home / "data", ["psnr", "ssim"])
    assert execute(plan, tmp_path / "merged") == []
    shutil.rmtree(tmp_path / "merged" / "tracks", ignore_errors=True)
    again = dataclasses.replace(plan, generators=(InPlace(),))
    assert execute(again, tmp_path / "merged")
    assert before == {p: p.read_bytes() for s in shards for p in s.rglob("*") if p.is_file()}


def test_a_folder_of_shards_stands_for_them(shards):
    assert shards_in([shards[0].parent]) == shards
    assert shards_in([shards[0]]) == shards[:1]


def edited(folder, **changes):
    manifest = json.loads((folder / "run.json").read_text())
    for path, value in changes.items():
        *way, last = path.split("__")
        place = manifest
        for key in way:
            place = place[key]
        place[last] = value
    (folder / "run.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 7}, "seed is 0 in the first and 7"),
        ({"every": 3}, "every is 12 in the first and 3"),
        ({"suite__id": "t/2"}, "suite is 't/1' in the first and 't/2'"),
        ({"settings__shard": "2/4"}, "number of shards is 3 in the first and 4"),
        ({"settings__reference": "x"}, "setting reference"),
        ({"generators__reencoded__version": "9"}, "generator reencoded"),
        ({"metrics__psnr__version": "9"}, "metric psnr"),
        ({"samples__a_000__speaker": "z"}, "sample a_000"),
        ({"environment__packages__talkbench": "9"}, "talkbench is"),
    ],
)
def test_parts_of_other_runs_are_refused(shards, tmp_path, changes, words):
    edited(shards[1], **changes)
    with pytest.raises(UnusableInputError, match=words) as caught:
        merge(shards, tmp_path / "merged")
    assert str(shards[1]) in str(caught.value)
    assert not (tmp_path / "merged").exists()


def test_what_is_missing_is_named_and_merged_only_when_asked(shards, tmp_path):
    lines = (shards[0] / "records.jsonl").read_bytes().splitlines(keepends=True)
    (shards[0] / "records.jsonl").write_bytes(b"".join(lines[:-3]))
    given = shards[:2]
    with pytest.raises(UnusableInputError, match="shard 3 of 3 is missing") as caught:
        merge(given, tmp_path / "merged")
    assert f"{shards[0]} (shard 1/3) is not finished: 3 of 8 records" in str(caught.value)
    merged = merge(given, tmp_path / "merged", incomplete=True)
    assert len(merged.missing) == 2
    results = build(tmp_path / "merged")
    assert results.manifest["merged"]["missing"] == list(merged.missing)
    assert results.estimates["reencoded", "psnr"].n_attempted < 5


def rewritten(path, **changes):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0] |= changes
    rows[0][CHECK] = checksum(rows[0])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_shard_twice_is_taken_once_unless_it_contradicts_itself(home, shards, tmp_path):
    twin = tmp_path / "twin"
    shutil.copytree(shards[1], twin)
    rewritten(twin / "records.jsonl", seconds=99.0)
    merge([*shards, twin], tmp_path / "merged")
    assert content(tmp_path / "merged") == content(home / "whole")
    whole = (shards[1] / "records.jsonl").read_bytes()
    rewritten(shards[1] / "records.jsonl", status="unavailable", value=None, reason="no weights")
    merge([*shards, twin], tmp_path / "lacking")  # what one machine lacks, another may have
    assert content(tmp_path / "lacking") == content(home / "whole")
    (shards[1] / "records.jsonl").write_bytes(whole)
    rewritten(twin / "records.jsonl", frames=77)
    with pytest.raises(RecordsError, match="contradict each other about ground-truth") as caught:
        merge([*shards, twin], tmp_path / "other")
    assert str(twin) in str(caught.value)


def test_other_machines_are_remarked_on(shards, tmp_path):
    edited(shards[2], environment__packages__numpy="9.9")
    track = shards[1] / "tracks" / "aa" / "x.npz"
    for folder, text in ((shards[1], "one"), (shards[2], "two")):
        track = folder / "tracks" / "aa" / "x.npz"
        track.parent.mkdir(parents=True)
        track.write_text(text)
    remarks = " ".join(merge(shards[::-1], tmp_path / "merged").remarks)
    assert "numpy" in remarks
    assert "1 features of videos" in remarks
    assert (tmp_path / "merged" / "tracks" / "aa" / "x.npz").read_text() == "one"


def test_whole_runs_runs_at_work_and_full_folders_are_refused(home, shards, tmp_path):
    with pytest.raises(UnusableInputError, match="no shard but a whole run"):
        merge([home / "whole"], tmp_path / "merged")
    with writing(shards[0]), pytest.raises(UnusableInputError, match="is being written by process"):
        merge(shards, tmp_path / "merged")
    with pytest.raises(UnusableInputError, match="merge into a new folder"):
        merge(shards, shards[0])


def test_one_shard_does_not_go_into_anothers_folder(home, shards):
    with pytest.raises(UnusableInputError, match="shard '1/3'; this one has '2/3'"):
        execute(plan_of(home / "data", ["psnr", "ssim"]), shards[0], shard=Shard(2, 3))
    with pytest.raises(UnusableInputError, match="shard '1/3'; this one has None"):
        execute(plan_of(home / "data", ["psnr", "ssim"]), shards[0])
