"""Every suite as its user runs it: ``--data`` alone, on a copy laid out as the true one.

Real faces and speech, few frames a clip; the lists of HDTF are whole, two clips under many names.
"""

import itertools
import math
import shutil
from collections import Counter

import pytest
from click.testing import CliRunner

from evaluation import registry
from evaluation.cli import main
from evaluation.datasets.hdtf import read_lists
from evaluation.datasets.portraits import PEOPLE, cut_tests
from evaluation.registry import load_dataset, load_metrics, load_suite

WOMAN, MAN = "hdtf_WDA_AlexandriaOcasioCortez_000.mp4", "vretalk_1.mp4"

# Who speaks when needs two seconds, and may not be known in these clips.
SHORT = {"lipsync@correlation": "2 frames at 25 fps, 50 are needed"}


def hdtf(root, woman, man):
    return [(root / "RD_Radio1_000.mp4", man), (root / "WDA_AmyKlobuchar1_001.mp4", woman)], {}


def hdtf_lists(root, woman, man):
    names = sorted({clip for split in read_lists().values() for clip in split.clips})
    return [(root / f"{name}.mp4", (woman, man)[i % 2]) for i, name in enumerate(names)], {}


def lrs2(root, woman, man):
    a, b = "6330311066473698535/00011", "6331559613336179781/00002"
    lists = {"test.txt": f"{a} NF\n{b} MV\n", "lrs2.txt": f"{b} {a}\n{a} {b}\n"}
    return [(root / "main" / f"{a}.mp4", woman), (root / "main" / f"{b}.mp4", man)], lists


def lrs3(root, woman, man):
    a, b = "0Fi83BHQsMA/00002", "1yGFXWQLQDc/00004"
    clips = [(root / "test" / f"{a}.mp4", woman), (root / "test" / f"{b}.mp4", man)]
    return clips, {"lrs3.txt": f"{b} {a}\n"}


def lrw(root, woman, man):
    a, b = "BRING_00005", "WESTERN_00007"
    place = "lipread_mp4/{}/test/{}.mp4"
    clips = [
        (root / place.format(name.split("_")[0], name), clip)
        for name, clip in ((a, woman), (b, man))
    ]
    return clips, {"lrw.txt": f"{a} {b}\n"}


def resynced(root, woman, man):
    pairs = "sachin.mp4 emma_cropped.mp4\n"
    lists = {"random_pairs.txt": pairs, "tts_pairs.txt": pairs}
    return [(root / "sachin.mp4", man), (root / "emma_cropped.mp4", woman)], lists


def contextdub(root, woman, man):
    rows = (
        "id,speaker,video,audio\n"
        "first,anna,videos/a.mp4,videos/b.mp4\n"
        "second,bert,videos/b.mp4,videos/a.mp4\n"
    )
    return [(root / "videos/a.mp4", woman), (root / "videos/b.mp4", man)], {"contextdub.csv": rows}


def vfhq(root, woman, man):
    name = "Clip+-1eKufUP5XQ+P{0}+C{0}+F2193-2350.mp4"
    return [(root / name.format(0), woman), (root / name.format(1), man)], {}


def mead(root, woman, man):
    clips = []
    for actor, clip in (("W009", woman), ("M003", man)):
        clips += [
            (root / actor / "video/front/happy/level_1/001.mp4", clip),
            (root / actor / "audio/happy/level_1/001.m4a", clip),
        ]
    return clips, {}


def portraits(root, woman, man):
    return [(root / name / f"{name}.mp4", (woman, man)[i % 2]) for i, name in enumerate(PEOPLE)], {}


def folder(root, woman, man):
    return [(root / "a.mp4", woman), (root / "b.mp4", man)], {}


LAYOUTS = {
    "hdtf": hdtf,
    "hdtf-": hdtf_lists,
    "lrs2": lrs2,
    "lrs3": lrs3,
    "lrw": lrw,
    "resynced": resynced,
    "contextdubbench": contextdub,
    "vfhq": vfhq,
    "mead": mead,
    "portraits": portraits,
    "folder": folder,
}


def own_media() -> list[str]:
    """Ours that take their data from a folder; the others bring it themselves."""
    rows = [r.name for r in registry.listing("suites") if r.origin.startswith("talkbench ")]
    return [name for name in rows if load_suite(name).dataset not in ("sample-media", "hdtf-mini")]


@pytest.fixture(scope="module")
def copies(tmp_path_factory, real_clip):
    """A folder for every data set, laid out as the true one."""
    root = tmp_path_factory.mktemp("copies")
    woman, man, *longer = (
        real_clip(root / f"{clip}{frames}", clip, frames=frames, size=(176, 176))
        for frames in (2, 22)
        for clip in (WOMAN, MAN)
    )
    for name, layout in LAYOUTS.items():
        two = longer if name == "portraits" else (woman, man)
        clips, lists = layout(root / name, *two)
        for path, clip in clips:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(clip, path)
        for file, text in lists.items():
            (root / name / file).write_text(text)
    cut_tests(root / "portraits")
    return root


def copy_of(suite: str) -> str:
    dataset = load_suite(suite).dataset
    return max((name for name in LAYOUTS if dataset.startswith(name)), key=len)


@pytest.mark.assets
@pytest.mark.parametrize("name", own_media())
def test_a_copy_of_the_data_is_all_it_takes(name, copies, tmp_path, records_of):
    suite, out = load_suite(name), tmp_path / "run"
    command = ["run", name, "--data", str(copies / copy_of(name)), "-o", str(out)]
    if not suite.generators:
        refused = CliRunner().invoke(main, command)
        assert refused.exit_code == 2
        assert "-g mine=FOLDER" in refused.output
        command += ["-g", "still"]
    elif name == "folder":
        command += ["-g", "ground-truth"]  # the anchors run in the demo
    cards = suite.metrics
    if copy_of(name) == "hdtf-":
        cards = ("psnr",)  # many clips, and the cards of hdtf-reconstruction
        command += ["-m", "psnr"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code in (0, 1), done.output
    found = records_of(out)
    samples = load_dataset(suite.dataset).samples(copies / copy_of(name))
    assert Counter((r["sample"], r["metric"]) for r in found) == Counter(
        itertools.product((s.id for s in samples), (m.spec.name for m in load_metrics(cards)))
    )
    for record in found:
        if record["status"] == "ok":
            assert record["value"] is None or math.isfinite(record["value"])
        elif record["status"] == "failed":
            assert SHORT[record["metric"]] in record["reason"]
        else:
            assert record["status"] == "unavailable"
            assert "Run: talkbench assets get " in record["reason"]
    assert {r["status"] for r in found} & {"ok"} or name.startswith("may-")
    assert (out / "report" / "index.html").stat().st_size
