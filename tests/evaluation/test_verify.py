"""``talkbench verify``: a table that was changed by hand does not pass."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from evaluation.datasets.folder import videos_in
from evaluation.records import RecordLog, checksum


@pytest.fixture(scope="module")
def whole(tmp_path_factory, write_clip):
    """A run of six speakers with all its tables, two systems."""
    folder = tmp_path_factory.mktemp("whole")
    for number in range(6):
        for side, seed in (("gt", 0), ("one", 1), ("two", 2)):
            write_clip(folder / side / f"{number}.mp4", frames=6, seed=10 * number + seed)
    systems = f"--generated one={folder}/one --generated two={folder}/two"
    score = f"score --reference {folder}/gt {systems} -m psnr -m ssim -o {folder}/run"
    for line in (score, f"report {folder}/run"):
        command = [sys.executable, "-m", "evaluation.cli", *line.split()]
        subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def run(whole, tmp_path):
    """A copy to spoil; the videos stay where they are."""
    return shutil.copytree(whole / "run", tmp_path / "run")


def told(talkbench, run):
    done = talkbench("verify", run, "--format", "json")
    return done.returncode, json.loads(done.stdout)


def test_an_honest_run_passes(talkbench, run):
    done = talkbench("verify", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every cell follows from the records." in done.stdout
    code, verdict = told(talkbench, run)
    assert (code, verdict["deviations"]) == (0, [])
    # 12 clips of systems and 6 references; psnr and ssim of each clip.
    assert (verdict["videos"], verdict["absent"], verdict["believed"]) == (18, 0, 24)
    present = {p.relative_to(run).as_posix() for p in (run / "report").iterdir()}
    present = {p for p in present if (run / p).is_file()} | {"results.json"}
    assert verdict["tables"].keys() == present
    assert "report/index.html" in present


def another_digit(match):
    return match[1] + str((int(match[2]) + 1) % 10)


def test_tables_with_another_baseline_and_ranked_anchors_pass(talkbench, whole, tmp_path):
    anchors = ("-g", "still", "-g", "reencoded")
    done = talkbench("run", "folder", "--data", whole / "gt", *anchors, "-m", "psnr", "-o", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    talkbench("report", "run", "--rank-anchors", "--baseline", "reencoded")
    content = json.loads((tmp_path / "run" / "results.json").read_text())
    assert content["rankings"][0]["standings"][0]["highest"] == 1
    assert content["baseline"] == "reencoded"
    code, verdict = told(talkbench, tmp_path / "run")
    assert (code, verdict["deviations"]) == (0, [])


def spoil(path, pattern, put):
    """Change the first match in a file, or fail."""
    text, count = re.subn(pattern, put or another_digit, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


@pytest.mark.parametrize(
    ("file", "pattern", "put", "cell"),
    [
        ("results.json", r'("value": )[0-9.]+', r"\g<1>31.5", "estimates · one · psnr · value"),
        ("results.json", r'("n_failed": )0', r"\g<1>1", "estimates · one · psnr · n_failed"),
        ("results.json", r'("highest": )\d', r"\g<1>9", "· highest"),
        ("report/results.json", r'("mark": )"[a-z]+"', r'\g<1>""', "· mark"),
        ("report/results.csv", r"(?m)^(.*,one,psnr[^,]*,\d+,[^,]*,)[0-9.]+", r"\g<1>31.5", "one"),
        ("report/clips.csv", r",two,", ",mine,", "0 · psnr"),
        ("report/pairs.csv", r"True|False", "maybe", "separated"),
        ("report/results.md", r"(?m)^(\| one \| [^0-9]*)(\d)", None, "one"),
        ("report/results.tex", r"(?m)^(one &[^0-9&]*)(\d)", None, "one"),
        ("report/ranks.tex", r"(?m)^(one &[^0-9&]*)(\d)", None, "one"),
        ("report/index.html", r'(<span class="num">)\d', r"\g<1>7", "results · "),
        ("report/index.html", r'(data-c="0"[^>]*data-v=")[0-9.]+', r"\g<1>99.5", "PSNR"),
        ("report/index.html", r'(class=")best', r"\g<1>second", "class"),
        ("report/index.html", r'("values":\[\[\[)[0-9.]+', r"\g<1>31.5", "clips · "),
        ("report/index.html", r'(?s)(id="ranks".*?<span class="num">)\d', r"\g<1>7", "ranks · "),
    ],
)
def test_a_changed_cell_is_named(talkbench, run, file, pattern, put, cell):
    spoil(run / file, pattern, put)
    code, verdict = told(talkbench, run)
    assert code == 1
    assert {d["file"] for d in verdict["deviations"]} == {file}
    assert all(cell in d["cell"] for d in verdict["deviations"]), verdict["deviations"]
    assert talkbench("verify", run).stdout.count(file) >= 2


def test_rows_that_were_added_or_taken_away_are_named(talkbench, run):
    table = run / "report" / "results.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:-1], lines[1]]) + "\n")
    code, verdict = told(talkbench, run)
    assert code == 1
    theirs = {d["there"] for d in verdict["deviations"]}
    assert "(absent)" in theirs
    assert any("line 2 of that name" in d["cell"] for d in verdict["deviations"])


def test_a_record_that_was_changed_no_longer_carries_the_tables(talkbench, run):
    """Whoever changes records and makes the tables again is found by the videos' hashes alone."""
    log = RecordLog(run / "records.jsonl")
    lines = log.path.read_text().splitlines()
    row = json.loads(lines[0]) | {"value": 99.0}
    log.path.write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")
    done = talkbench("verify", run)
    assert done.returncode == 2
    assert "line 1 is not a record (it does not agree with its own check" in done.stderr
    row["check"] = checksum({k: v for k, v in row.items() if k != "check"})  # a forger knows it
    log.path.write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")
    code, verdict = told(talkbench, run)
    assert code == 1
    assert {d["file"] for d in verdict["deviations"]} >= {"results.json", "report/results.md"}


def test_another_video_is_named_and_an_absent_one_counted(talkbench, whole, run, tmp_path):
    ours = shutil.copytree(whole, tmp_path / "moved")
    for note in (run / "videos").rglob("*.json"):
        content = json.loads(note.read_text())
        content["path"] = content["path"].replace(str(whole), str(ours))
        note.write_text(json.dumps(content))
    clips = videos_in(ours / "one")
    clips["0"].write_bytes(clips["1"].read_bytes())
    clips["2"].unlink()
    code, verdict = told(talkbench, run)
    assert code == 1
    assert [d["cell"] for d in verdict["deviations"]] == ["one · 0 · sha256"]
    assert verdict["absent"] == 1


def test_damaged_and_absent_tables(talkbench, run):
    (run / "results.json").write_text("[" * 100_000)
    code, verdict = told(talkbench, run)
    assert code == 1
    assert {(d["file"], d["cell"]) for d in verdict["deviations"]} == {("results.json", "all")}
    (run / "results.json").unlink()
    assert told(talkbench, run)[0] == 0  # the report is there
    spoil(run / "report" / "index.html", r'(id="data">\{)"rows', r'\g<1>"lines')
    found = told(talkbench, run)[1]["deviations"]
    assert [(d["file"], d["cell"]) for d in found] == [("report/index.html", "all")]
    shutil.rmtree(run / "report")
    done = talkbench("verify", run)
    assert done.returncode == 2
    assert f"talkbench report {run}" in done.stderr


@pytest.mark.parametrize(
    ("pattern", "put", "said"),
    [
        (r'"kind": "system"', '"kind": null', "generators.one.kind is a NoneType"),
        (r'"speaker": "0"', '"speaker": ["0"]', "samples.0.speaker is a list"),
        (r'"every": 1', '"every": true', "every is a bool"),
        (r'"line": ', '"lines": ', r"commands[0].line is not there"),
        (r'"notes": \[\]', '"notes": [7]', "suite.notes[0] is a int"),
        (r'"seed": 0', '"seed": 1e999', "1e999 is no number"),
        (r'"seed": 0', '"seed": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_manifest_of_another_form_is_refused_in_words(talkbench, run, pattern, put, said):
    text, count = re.subn(pattern, lambda _: put, (run / "run.json").read_text())
    assert count
    (run / "run.json").write_text(text)
    done = talkbench("report", run)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def test_a_certificate_of_another_form_is_refused_in_words(talkbench, run):
    content = {"schema": 1, "suite": "score/1", "dataset": "folder", "every": 1, "clips": {}}
    cards = [{"name": "psnr", "version": "1", "gap_floor": "=1+1"}]
    (run / "certificate.json").write_text(json.dumps(content | {"cards": cards}))
    done = talkbench("report", run)
    assert done.returncode == 2
    assert "cards[0].gap_floor is a str" in done.stderr


@pytest.mark.data
@pytest.mark.assets
def test_values_of_faces_are_measured_again(talkbench, tmp_path, real_clip, asset):
    for name in ("yunet", "sface"):
        asset(name)
    for folder, start in (("gt", 0), ("mine", 20)):
        real_clip(tmp_path / folder / "a.mp4", "person_May_5s.mp4", start=start, frames=4)
    done = talkbench(
        *("score", "--reference", "gt", "--generated", "mine=mine", "-m", "csim@sface", "-o", "run")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "run"
    code, verdict = told(talkbench, run)
    assert (code, verdict["again"], verdict["believed"]) == (0, 1, 0)
    row = json.loads((run / "records.jsonl").read_text()) | {"value": 0.999}
    del row["check"]
    (run / "records.jsonl").write_text(json.dumps(row) + "\n")
    talkbench("report", run)  # the tables follow from the record again
    code, verdict = told(talkbench, run)
    assert code == 1
    assert [(d["file"], d["there"]) for d in verdict["deviations"]] == [("records.jsonl", "0.999")]
