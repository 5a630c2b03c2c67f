"""Suites: whole forms, and a published one never changes."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from evaluation import registry
from evaluation.registry import load_dataset, load_generator, load_metrics, load_suite

# What was published: suite -> sha256 of all of it but its prose (about, notes).
RECORD = Path(__file__).parent / "published_suites.json"

# Their data sets are another room's, and may not be there yet.
HDTF = {
    f"hdtf{end}"
    for end in ("", "-musetalk20", "-lia20", "-dawn41", "-edtalk77", "-unnamed42", "-xdub10")
}


def ours() -> list[str]:
    return [row.name for row in registry.listing("suites") if row.origin.startswith("talkbench ")]


def content(suite) -> str:
    fields = dataclasses.asdict(suite)
    for prose in ("about", "notes"):
        del fields[prose]
    fields["protocol"] = dict(sorted(fields["protocol"].items()))
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def test_a_published_suite_never_changes():
    published = json.loads(RECORD.read_text())
    now = {s.id: content(s) for s in map(load_suite, ours())}
    changed = sorted(i for i, digest in now.items() if published.get(i, digest) != digest)
    assert not changed, f"{changed}: a changed suite is a new version"
    new = {i: digest for i, digest in now.items() if i not in published}
    assert not new, f"record what is published, and keep what was: {json.dumps(new, indent=4)}"


@pytest.mark.parametrize("name", ours())
def test_every_suite_is_a_whole_form(name):
    suite = load_suite(name)
    assert suite.name == name
    assert suite.setting in ("reconstruction", "dubbing", "cross-driven")
    assert suite.about.endswith(".")
    assert not any(note.endswith(".") for note in suite.notes)
    assert len(load_metrics(suite.metrics)) == len(suite.metrics)
    assert all(load_generator(g) for g in suite.generators)
    if name not in ("sample", "folder"):
        assert suite.protocol.keys() >= {"driven by", "held against", "crop", "frames", "rate"}
        assert suite.protocol["lengths"]
    if suite.dataset not in HDTF:
        spec = load_dataset(suite.dataset).spec
        assert spec.name == suite.dataset
        assert all((spec.version, spec.about, spec.licence, spec.source))
    if suite.setting != "reconstruction":
        paired = [m.spec.name for m in load_metrics(suite.metrics) if m.spec.paired]
        assert not paired, "nobody knows the right frames of dubbed speech"


def test_the_boards_of_ip_lap_have_suites():
    asked = {
        "hdtf-reconstruction": {"fid", "psnr", "ssim", "lpips", "csim", "lse-d", "lse-c"},
        "lrs2-reconstruction": {"ssim", "psnr", "lpips", "fid", "liplmd", "csim"},
        "lrs2-unpaired": {"lse-d", "lse-c"},
        "contextdubbench": {"fid"},
        "portraits-reconstruction": {"psnr", "lpips", "ms-ssim", "fid", "niqe", "lmd", "lse-c"},
        "may-shaheen": {"lse-d", "lse-c"},
        "may-lieu": {"lse-d", "lse-c"},
        "hdtf-51": {"ssim"},
        "hdtf-visual-dubbing": {"psnr"},
    }
    for name, families in asked.items():
        assert {m.split("@")[0] for m in load_suite(name).metrics} >= families, name
    assert "very likely the number of a citation" in load_suite("hdtf-51").notes[0]


def test_a_suite_whose_data_set_is_not_installed_says_so(talkbench, tmp_path, monkeypatch):
    """A stranger's suite of a data set that nobody brings: listed, and refused in words."""
    site = tmp_path / "site"
    (site / "lonely-1.dist-info").mkdir(parents=True)
    (site / "lonely-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lonely\nVersion: 1\n"
    )
    (site / "lonely-1.dist-info" / "entry_points.txt").write_text(
        "[talkbench.suites]\nlonely = lonely_suite:SUITE\n"
    )
    (site / "lonely_suite.py").write_text(
        "from evaluation.suite import Suite\n"
        "SUITE = Suite(name='lonely', version='7', dataset='nowhere', setting='dubbing',\n"
        "              metrics=('psnr',), about='Lonely.')\n"
    )
    listed = talkbench("list", "suites", PYTHONPATH=str(site))
    assert listed.returncode == 0, listed.stderr
    row = next(line for line in listed.stdout.splitlines() if line.startswith("lonely"))
    assert "7" in row
    assert "no dataset is called nowhere" in row
    done = talkbench("run", "lonely", "-g", "still", "-o", "run", PYTHONPATH=str(site))
    assert done.returncode == 2
    assert "no dataset is called 'nowhere'" in done.stderr
    assert not (tmp_path / "run").exists()


def test_one_suite_and_one_data_set_are_listed_in_full(talkbench):
    suite = " ".join(talkbench("list", "suites", "may-lieu").stdout.split())
    assert "setting cross-driven" in suite
    assert "driven by the sound of the last eleventh of Lieu's video" in suite
    assert "note One clip of one person" in suite
    form = " ".join(talkbench("list", "datasets", "lrs2").stdout.split())
    for words in ("clips 1,243", "licence BBC", "access by agreement", "speakers the folder"):
        assert words in form
    assert talkbench("list", "metrics", "psnr").returncode == 2
