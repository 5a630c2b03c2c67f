"""Comparison videos built anew out of their panels, cut apart again, and run as a suite."""

import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest

from evaluation.cli.run import plan_of
from evaluation.dataset import DatasetError
from evaluation.datasets import hdtf_mini
from evaluation.datasets.hdtf_mini import CLIPS, HDTF_MINI, PANELS, asset_of, panel_of
from evaluation.panels import Panel, cut_panel
from evaluation.run import execute
from evaluation.video import FrameReader, VideoError, read_audio
from metrics.assets import ASSETS, AssetMissingError, sha256_of

SHARED = {
    "ground-truth": "gt",
    "wav2lip": "wav2lip",
    "pcavs": "pcavs",
    "iplap": "iplap",
    "diffdub": "diffdub",
}
FRAMES = 6

# Read off the published videos, not off the code: the left edge of every panel.
EDGES = {"ground-truth": 10, "wav2lip": 286, "pcavs": 562, "iplap": 838, "diffdub": 1390}


def planes(path: Path) -> list[np.ndarray]:
    """Stored samples of the first frames, [384, 256] each: luma above colour."""
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [next(frames).to_ndarray(format="yuv420p") for _ in range(FRAMES)]


def put(canvas: list[np.ndarray], at: Panel, image: np.ndarray) -> None:
    y, u, v = np.split(image.ravel(), [256 * 256, 256 * 256 * 5 // 4])
    for part, plane, values in zip((1, 2, 2), canvas, (y, u, v), strict=True):
        rows = slice(at.y // part, (at.y + 256) // part)
        plane[rows, at.x // part : (at.x + 256) // part] = values.reshape(256 // part, -1)


def build_grid(data: Path, clip: str, out: Path) -> None:
    """1656x276 as DiffDub shows it, without loss, its sound as stored; the fifth panel empty."""
    source = data / "hdtf_mini" / "gt" / f"{clip}.mp4"
    shown = {name: planes(data / "hdtf_mini" / f / f"{clip}.mp4") for name, f in SHARED.items()}
    with av.open(str(source)) as sound, av.open(str(out), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 1656, 276, "yuv420p"
        copy = target.add_stream_from_template(sound.streams.audio[0])
        for number in range(FRAMES):
            canvas = [np.full((276 // p, 1656 // p), 235, np.uint8) for p in (1, 2, 2)]
            for name, images in shown.items():
                put(canvas, Panel(EDGES[name], 10, 256, 256), images[number])
            stacked = np.concatenate([plane.ravel() for plane in canvas]).reshape(-1, 1656)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(stacked, format="yuv420p")))
        target.mux(stream.encode(None))
        for packet in sound.demux(audio=0):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)


@pytest.fixture
def grids(data, tmp_path, monkeypatch):
    """The five comparison videos as assets; two of them stand in for those that are not shared."""
    shared = [p.stem for p in sorted((data / "hdtf_mini" / "gt").iterdir())]
    folder = tmp_path / "assets"
    folder.mkdir()
    for i, clip in enumerate(CLIPS):
        asset = ASSETS[asset_of(clip)]
        build_grid(data, clip if clip in shared else shared[i % 3], folder / asset.file)
        row = dataclasses.replace(
            asset,
            sha256=sha256_of(folder / asset.file),
            size=(folder / asset.file).stat().st_size,
        )
        monkeypatch.setitem(ASSETS, row.name, row)
    monkeypatch.setenv("TALKBENCH_ASSETS", str(folder))
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path / "cache"))
    return folder


def first_frames(path: Path) -> np.ndarray:
    return np.concatenate(list(FrameReader(path)))[:FRAMES]


@pytest.mark.parametrize("name", SHARED)
def test_panels_are_cut_to_the_last_bit(grids, data, name):
    clip = "RD_Radio42_000"
    cut, wanted = panel_of(clip, name), data / "hdtf_mini" / SHARED[name] / f"{clip}.mp4"
    assert np.array_equal(planes(cut), planes(wanted))
    assert np.array_equal(first_frames(cut), first_frames(wanted))
    assert np.array_equal(read_audio(cut).samples, read_audio(wanted).samples)


def test_a_panel_is_cut_once(grids):
    first = panel_of("RD_Radio8_000", "iplap")
    time = first.stat().st_mtime_ns
    assert panel_of("RD_Radio8_000", "iplap").stat().st_mtime_ns == time
    again = cut_panel(grids / "RD_Radio8_000_25fps.mp4", PANELS["iplap"], grids / "again.mp4")
    assert again.read_bytes() == first.read_bytes()


def test_the_suite_runs_its_published_systems(grids, tmp_path, data, write_clip):
    plan = plan_of("hdtf-mini", metric_names=("psnr",))
    assert [g.spec.name for g in plan.generators][1:5] == [
        f"hdtf-mini-{n}" for n in ("wav2lip", "pcavs", "iplap", "diffdub")
    ]
    records = {
        (r.generator, r.sample): r
        for r in execute(dataclasses.replace(plan, every=1), tmp_path / "run")
    }
    assert len(records) == 6 * 5
    assert {r.status for r in records.values()} == {"ok"}
    clip = "WRA_PeterRoskam0_000"
    made, truth = (
        first_frames(data / "hdtf_mini" / f / f"{clip}.mp4").astype(float) for f in ("iplap", "gt")
    )
    expected = np.mean(-10 * np.log10(((made - truth) ** 2).mean((1, 2, 3)) / 255**2))
    assert records["hdtf-mini-iplap", clip].value == pytest.approx(expected, abs=1e-3)
    # A clip of that name in another data set is not theirs to answer for.
    write_clip(tmp_path / "other" / f"{clip}.mp4")
    other = plan_of("folder", ("hdtf-mini-iplap",), ("psnr",), tmp_path / "other")
    (record,) = execute(other, tmp_path / "run2")
    assert record.status == "failed"
    assert "for the clips of hdtf-mini alone" in record.reason


def test_without_the_videos_the_way_to_them_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
    with pytest.raises(AssetMissingError, match="talkbench assets get comparison-RD_Radio8_000"):
        HDTF_MINI.samples(None)
    with pytest.raises(DatasetError, match="needs no --data"):
        hdtf_mini.HDTF_MINI.samples(tmp_path)


def test_a_video_that_has_no_such_panel_is_refused(tmp_path, write_clip, data):
    small = data / "hdtf_mini" / "gt" / "RD_Radio8_000.mp4"
    with pytest.raises(VideoError, match="256x256 has no Panel"):
        cut_panel(small, PANELS["iplap"], tmp_path / "out.mp4")
    write_clip(tmp_path / "rgb.mp4")
    with pytest.raises(VideoError, match="expected yuv420p"):
        cut_panel(tmp_path / "rgb.mp4", Panel(0, 0, 16, 16), tmp_path / "out.mp4")
    assert not list(tmp_path.glob("*out*"))
