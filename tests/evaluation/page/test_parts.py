"""What the page is made of: tiles, sounds, mouths, curves, lists, and the files it leaves."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.cli import main
from evaluation.plan import UnusableInputError
from evaluation.report import PageChoice, write_report
from evaluation.report.page import inlining, write
from evaluation.report.page.curves import CurveReader
from evaluation.report.page.mosaic import MOST_PIXELS, mosaic
from evaluation.report.page.mouths import mouth_track
from evaluation.report.page.proxy import Source, proxy_of
from evaluation.report.page.sounds import alike, sounds_of
from evaluation.report.page.worth import FIRST, MOST_LISTED, Apart, Look, Worst, chosen
from evaluation.results import build
from evaluation.store import TrackStore, ValueStore
from evaluation.video import FrameReader, read_audio
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.faces import FACE
from metrics.mouth_curves import LEFT_EYE, LOWER_LIP, RIGHT_EYE


@pytest.mark.parametrize("count", [1, 2, 5, 9, 30])
@pytest.mark.parametrize("size", [(256, 256), (1920, 1080), (1080, 1920), (63, 47)])
def test_tiles_lie_in_the_picture_and_never_on_each_other(count, size):
    picture = mosaic([size] * count)
    assert picture.width * picture.height <= MOST_PIXELS
    assert picture.width % 16 == picture.height % 16 == 0
    taken = np.zeros((picture.height, picture.width), dtype=int)
    for p in picture.places:
        assert p.x % 16 == p.y % 16 == p.width % 2 == p.height % 2 == 0
        assert p.width / p.height == pytest.approx(size[0] / size[1], rel=0.05)
        assert max(p.width, p.height) <= max(size) + 1
        taken[p.y : p.y + p.height, p.x : p.x + p.width] += 1
    assert taken.max() == 1
    assert taken.sum() == sum(p.width * p.height for p in picture.places)


def test_a_proxy_is_made_once_and_anew_when_a_video_changes(run, tmp_path):
    videos = [run / "videos" / name / "clip-c.mp4" for name in ("same", "voice")]
    sources = [Source(str(i), path) for i, path in enumerate(videos)]
    made = proxy_of(sources, tmp_path)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    assert proxy_of(sources, tmp_path) == made
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before
    swapped = [Source("0", videos[1]), Source("1", videos[1])]
    assert not set(proxy_of(swapped, tmp_path).files) & set(made.files)
    (tmp_path / made.files[0]).unlink()
    assert proxy_of(sources, tmp_path) == made
    assert (tmp_path / made.files[0]).is_file()


def test_a_proxy_is_what_browsers_play(run, tmp_path):
    import av

    videos = [run / "videos" / name / "clip-c.mp4" for name in ("same", "voice")]
    made = proxy_of([Source("a", videos[0]), Source("b", videos[1])], tmp_path)
    assert (made.fps, made.frames, len(made.files), made.sounds) == (25.0, 30, 2, (0, 1))
    pictures = []
    for name in made.files:
        with av.open(str(tmp_path / name)) as container:
            video, sound = container.streams.video[0], container.streams.audio[0]
            context = video.codec_context
            assert (context.name, context.pix_fmt, sound.codec_context.name) == (
                *("h264", "yuv420p"),
                "aac",
            )
            assert (context.colorspace, context.color_range) == (1, 1)
            packets = [p for p in container.demux(video) if p.pts is not None]
            assert [p.pts for p in packets] == [p.dts for p in packets]  # none out of order
            keys = [i for i, p in enumerate(packets) if p.is_keyframe]
            assert max(np.diff([*keys, len(packets)])) <= 12
        data = (tmp_path / name).read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")  # it starts before it is all there
        pictures.append(np.concatenate(list(FrameReader(tmp_path / name))))
    assert (pictures[0] == pictures[1]).all()
    first, second = (read_audio(tmp_path / f, 16000).samples[:16000, 0] for f in made.files)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


def test_another_rate_is_shown_by_time(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4", frames=10, fps=Fraction(25))
    write_clip(tmp_path / "b.mp4", frames=20, fps=Fraction(50))
    write_clip(tmp_path / "c.mp4", frames=5, fps=Fraction(25, 2))
    sources = [Source(n, tmp_path / f"{n}.mp4") for n in "abc"]
    made = proxy_of(sources, tmp_path)
    assert made.frames == 10
    assert [t.frames for t in made.tiles] == [10, 20, 5]
    shown = np.concatenate(list(FrameReader(tmp_path / made.files[0]))).astype(int)
    for tile, frame in zip(made.tiles[1:], (2, 0.5), strict=True):
        own = np.concatenate(list(FrameReader(tmp_path / f"{tile.key}.mp4"))).astype(int)
        p = tile.place
        for i in (1, 5, 9):
            cut = shown[i, p.y : p.y + p.height, p.x : p.x + p.width]
            apart = [np.abs(cut - other).mean() for other in own]
            assert int(np.argmin(apart)) == int(i * frame)


def test_what_cannot_be_read_has_no_place_and_a_reason(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_text("no video")
    cut = tmp_path / "c.mp4"
    cut.write_bytes((tmp_path / "a.mp4").read_bytes()[:3000])
    sources = [Source("b", tmp_path / "b.mp4"), Source("a", tmp_path / "a.mp4")]
    sources += [Source("c", cut), Source("d", None, "it failed")]
    made = proxy_of(sources, tmp_path / "out")
    assert [t.place is not None for t in made.tiles] == [False, True, False, False]
    assert made.tiles[3].problem == "it failed"
    assert all(t.problem and "/" not in t.problem for t in (made.tiles[0], made.tiles[2]))
    nothing = proxy_of([sources[0], sources[3]], tmp_path / "out")
    assert (nothing.files, nothing.frames) == ((), 0)


def test_videos_that_sound_alike_share_a_sound(data):
    home = data / "hdtf_mini"
    names = ("gt", "wav2lip", "iplap", "diffdub")
    videos = [home / n / "RD_Radio8_000.mp4" for n in names]
    other = home / "gt" / "RD_Radio42_000.mp4"
    mute = data / "clips" / "iplap_129_mute.mp4"
    found = sounds_of([*videos, other, None, mute])
    assert found.of == (0, 0, 0, 0, 1, None, None)
    assert found.first == (0, 4)
    assert found.silent == (5, 6)


def test_a_sound_cut_short_is_no_other_voice_but_a_snippet_is():
    whole = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    late = np.concatenate([np.zeros(640, np.float32), whole])
    assert alike(whole, 0.3 * whole[:9000])
    assert not alike(whole, whole[:7000])
    assert not alike(whole, late)
    assert alike(np.zeros(100, np.float32), np.zeros(100, np.float32))
    assert not alike(whole, np.zeros_like(whole))


def test_the_mouth_is_where_the_kept_mesh_has_it(tmp_path):
    store = TrackStore(tmp_path)
    landmarks = np.zeros((3, 468, 2), dtype=np.float32)
    landmarks[:] = (100, 60)
    landmarks[:, 61], landmarks[:, 291] = (90, 60), (110, 60)
    landmarks[:, list(RIGHT_EYE)], landmarks[:, list(LEFT_EYE)] = (80, 30), (120, 30)
    landmarks[:, list(LOWER_LIP)] = (100, 64)
    landmarks[2] += 20
    landmarks[1] *= 0.5  # a mesh that is not believed
    seen = np.array([True, False, True])
    boxes = np.tile(np.float32([40, 20, 100, 100]), (3, 1))
    store.save(
        "f0", FACE.id, "5", SimpleNamespace(track={"found": seen, "boxes": boxes}, frames=11)
    )
    coarse = mouth_track(store, "f0", 5, (200, 100), 25.0)
    assert (coarse.seen, coarse.every, coarse.opening) == ("face", 5, None)
    assert (coarse.x[0], coarse.y[0]) == pytest.approx((0.45, 0.98))
    track = {"found": seen, "landmarks": landmarks}
    store.save("f0", FACE_MESH.id, "5", SimpleNamespace(track=track, frames=11))
    found = mouth_track(store, "f0", 5, (200, 100), 25.0)
    assert found.seen == "landmarks"
    assert found.x.tolist() == pytest.approx([0.5, 0.55, 0.6])  # on its way where it is not seen
    assert found.y.tolist() == pytest.approx([0.6, 0.7, 0.8])
    assert found.side == pytest.approx(2 * 20 / 200)
    assert found.opening == pytest.approx(np.array([0.1, np.nan, 0.1]), nan_ok=True)
    assert mouth_track(store, "f1", 5, (200, 100), 25.0) is None


class Spec(SimpleNamespace):
    name, fps = "m", None


def reader(tmp_path, values, masks=(), fps=None):
    """A reader of one metric whose kept values and face tracks are these."""
    store, tracks = ValueStore(tmp_path), TrackStore(tmp_path)
    store.save("g", "s", "m", np.asarray(values, dtype=float))
    for sha256, mask in zip(("aa", "bb"), masks, strict=False):
        kept = SimpleNamespace(track={"found": np.array(mask)}, frames=len(mask))
        tracks.save(sha256, FACE.id, "2", kept)
    spec = Spec(fps=fps)
    metric = SimpleNamespace(spec=spec, extractors=(FACE,))
    record = SimpleNamespace(
        status="ok", sample="s", metric="m", every=2, generated_sha256="aa", reference_sha256="bb"
    )
    curves = CurveReader(SimpleNamespace(metrics=(metric,)), store, tracks)
    return curves.read(SimpleNamespace(spec=spec), {"g": record}, {"g": 10}, 25.0)


def test_values_stand_on_the_frames_that_were_scored(tmp_path):
    assert reader(tmp_path, range(5)).of["g"].frames.tolist() == [0, 2, 4, 6, 8]


def test_frames_without_a_face_are_left_out_by_the_tracks_of_both_sides(tmp_path):
    masks = ([True, False, True, True, True], [True, True, True, False, True])
    assert reader(tmp_path, range(3), masks).of["g"].frames.tolist() == [0, 4, 8]


def test_values_that_nothing_places_are_not_drawn(tmp_path):
    assert reader(tmp_path, range(3)).unplaced == ("g",)
    masks = ([True, False, True, True, True], [True, True, True, True, True])
    assert reader(tmp_path, range(3), masks).unplaced == ("g",)


def test_values_at_a_steady_rate_stand_on_the_clock(tmp_path):
    found = reader(tmp_path, range(20), fps=50)
    assert found.of["g"].frames.tolist() == [i // 2 for i in range(20)]
    assert reader(tmp_path, range(9), fps=50).unplaced == ("g",)


def look(*clips):
    row = SimpleNamespace()
    worst = tuple(Worst(clip, row, 0.0) for clip in clips)
    return Look(SimpleNamespace(), worst, (Apart(clips[0], row, row, 1.0, 0.0),))


def test_listed_clips_come_in_the_order_in_which_they_matter():
    looks = (look(40, 50), look(50, 60), look(50, 50))
    first = list(range(FIRST))
    assert chosen("listed", looks, [70], 99) == (*first, 70, 50, 40, 60)
    assert chosen("8", looks, [70], 99) == (*first, 70, 50)
    assert sorted(chosen("all", looks, [70], 99)) == list(range(99))
    assert chosen("listed", looks, [], 99)[:7] == (*first, 50)
    assert len(chosen("listed", tuple(look(i) for i in range(99)), [], 99)) == MOST_LISTED
    assert chosen("listed", (), [], 2) == (0, 1)


@pytest.mark.parametrize("clips", ["", "0", "-1", "some", "1.5", "ALL"])
def test_a_choice_that_is_none_is_refused(clips):
    with pytest.raises(ValueError, match="none of listed, all, none"):
        PageChoice(clips=clips)


def test_json_cannot_end_a_script():
    hostile = {"</script><!--&\u2028": ["<img>", "\ud800"]}
    text = inlining.json_text(hostile)
    assert not re.search(r"[<>&\u2028]", text)
    assert text.isascii()
    assert json.loads(text) == hostile
    with pytest.raises(ValueError, match="not JSON compliant"):
        inlining.json_text(float("nan"))


def test_every_file_of_the_room_is_shipped_and_named():
    """What the page inlines: all that lies there, and packed by pyproject's patterns."""
    import tomllib

    home = Path(inlining.__file__).parent
    named = {*inlining._STYLES, *(f"js/{n}" for n in inlining._SCRIPTS)}
    there = {p.relative_to(home).as_posix() for p in home.rglob("*") if p.suffix in (".css", ".js")}
    assert named == there
    settings = tomllib.loads((home.parents[2] / "pyproject.toml").read_text())["tool"]["setuptools"]
    packed = {p for g in settings["package-data"]["evaluation.report.page"] for p in home.glob(g)}
    others = {p for p in home.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert others <= packed


def test_a_smaller_page_takes_away_what_the_larger_one_left_and_nothing_else(run, tmp_path):
    results, clips = build(run), tmp_path / "clips"
    write_report(run, results, tmp_path, ["html"], PageChoice(clips="2"))
    more = {p.name for p in clips.iterdir()}
    (clips / "notes.js").write_text("mine")
    times = {p.name: p.stat().st_mtime_ns for p in clips.glob("*.mp4")}
    write_report(run, results, tmp_path, ["html"], PageChoice(clips="1"))
    less = {p.name for p in clips.iterdir()}
    assert less < more | {"notes.js"}
    assert {"0.js", "notes.js"} <= less
    assert "1.js" not in less
    assert all(times[p.name] == p.stat().st_mtime_ns for p in clips.glob("*.mp4"))
    text = (clips / "0.js").read_text()
    assert str(run) not in text + (tmp_path / "index.html").read_text()


def test_without_players_values_per_frame_are_still_there(run, tmp_path):
    write_report(run, build(run), tmp_path, ["html"], PageChoice(clips="none"))
    assert not list((tmp_path / "clips").glob("*.mp4"))
    content = json.loads((tmp_path / "clips" / "0.js").read_text().split(",", 1)[1].rstrip("\n;)"))
    assert content["curves"][0]["lines"]
    assert content["files"] == []
    assert "No clip has a player" in (tmp_path / "index.html").read_text()


def test_one_file_refuses_more_video_than_browsers_hold(run, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "SELF_CONTAINED_MB", 0.03)
    choice = PageChoice(clips="all", self_contained=True)
    with pytest.raises(UnusableInputError, match=r"clips take .* MB\. Ask for fewer \(--clips"):
        write_report(run, build(run), tmp_path, ["html"], choice)
    assert not (tmp_path / "index.html").exists()


def test_the_command_takes_clips_and_makes_one_file(run, tmp_path):
    from click.testing import CliRunner

    asked = ["report", str(run), "--format", "html", "-o", str(tmp_path), "--clips", "1"]
    answer = CliRunner().invoke(main, [*asked, "--self-contained"])
    assert answer.exit_code == 0, answer.output
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]
    wrong = CliRunner().invoke(main, [*asked[:-1], "few"])
    assert wrong.exit_code == 2
    assert "'few' is none of listed, all, none" in wrong.output


def test_a_clip_that_cannot_be_shown_costs_its_player_alone(run, tmp_path, monkeypatch):
    def broken(sources, folder):
        raise ValueError("30 videos do not fit one picture")

    monkeypatch.setattr("evaluation.report.page.clip_data.proxy_of", broken)
    write_report(run, build(run), tmp_path, ["html"], PageChoice(clips="1"))
    assert "30 videos do not fit one picture" in (tmp_path / "clips" / "0.js").read_text()


def test_browsers_are_not_given_what_they_cannot_play(tmp_path):
    from evaluation.video_writer import Encoding, VideoWriter

    for encoding, width in ((Encoding(None, web=True), 64), (Encoding(20, web=True), 63)):
        with pytest.raises(ValueError, match="browsers play lossy"):
            VideoWriter(tmp_path / "x.mp4", width=width, height=48, fps=Fraction(25),
                        encoding=encoding)  # fmt: skip
    assert not list(tmp_path.glob("*.mp4"))
