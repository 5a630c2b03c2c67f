"""Studies from end to end: what raters get, what they send back, and what is made of it."""

import json
import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.cli import main
from evaluation.generate import video_of
from evaluation.results import build
from evaluation.video import probe, read_audio
from leaderboards.study.answers import fingerprint, read_answers
from leaderboards.study.key import Key
from leaderboards.study.make import Wish, make
from leaderboards.study.outcome import read as read_of
from leaderboards.study.proxies import LEVEL, RATE
from leaderboards.study.screening import screen

pytestmark = [pytest.mark.data, pytest.mark.assets]

RATERS = 12


def invoke(*words):
    return CliRunner().invoke(main, [str(w) for w in words])


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """A study of two systems on three samples, with pairs."""
    root = tmp_path_factory.mktemp("made") / "study"
    words = ("study", "make", run, "-o", root, "--raters", RATERS, "--pairs", 2, "--seed", 11)
    done = invoke(*words, "--question", "lip-sync", "--question", "identity")
    assert done.exit_code == 0, done.output
    return root


@pytest.fixture(scope="module")
def key(made):
    return Key.read(made)


def answered(key, number, rater, score, choice=lambda left, right: "left", /, **fields):
    """A result file as the page writes it."""
    trials = []
    for trial in key.assignments[number - 1]:
        clips = [key.clips[name] for name in trial.clips]
        if trial.kind == "rate":
            answers = {q: score(clips[0], q) for q in key.questions}
        else:
            answers = {"choice": choice(*clips)}
        length = int(sum(c.seconds for c in clips) * 1000)
        trials.append(
            {
                "kind": trial.kind,
                "clips": list(trial.clips),
                "answers": answers,
                "plays": [1] * len(clips),
                "problem": False,
                "ms": length + 3000,
                "after_ms": 3000,
            }
        )
    body = {
        "schema": 1,
        "study": key.study,
        "rater": rater,
        "number": number,
        "sound": "headphones",
        "started": "2025-01-01T00:00:00.000Z",
        "trials": trials,
    } | fields
    return signed(body)


def signed(body):
    return body | {"check": fingerprint(json.dumps(body, separators=(",", ":")))}


def put(folder, name, body):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(body, indent=1))
    return path


def honest(clip, question):
    if clip.role == "instruction":
        return clip.answer
    if clip.role == "shifted":
        return 1
    return 4 if clip.generator == "diffdub" else 2


@pytest.fixture(scope="module")
def crowd(key):
    """Raters with tastes and noise who hold diffdub better, and one of each kind of bad one."""
    rng = np.random.default_rng(5)
    files = {}
    for number in range(1, RATERS + 1):
        taste = rng.normal(0, 0.5)

        def score(clip, question, taste=taste):
            if clip.role:
                return honest(clip, question)
            value = honest(clip, question) + taste + rng.normal(0, 0.6)
            return int(np.clip(round(value), 1, 5))

        def choice(left, right):
            draw = rng.random()
            better = "left" if left.generator == "diffdub" else "right"
            worse = "right" if better == "left" else "left"
            return better if draw < 0.7 else "none" if draw < 0.85 else worse

        files[f"r{number}"] = answered(key, number, f"r{number}", score, choice)
    ignores = answered(key, 1, "ignores", lambda c, q: 4 if c.role == "shifted" else 3)
    files["ignores"] = ignores
    files["straight"] = answered(key, 2, "straight", lambda c, q: 3 if not c.role else honest(c, q))
    hasty = answered(key, 3, "hasty", honest)
    for trial in hasty["trials"]:
        trial["after_ms"] = 90
    files["hasty"] = signed({k: v for k, v in hasty.items() if k != "check"})
    forged = answered(key, 4, "forged", honest)
    forged["trials"][0]["ms"] = 5
    files["forged"] = signed({k: v for k, v in forged.items() if k != "check"})
    return files


class TestSite:
    def test_nothing_that_raters_get_names_a_system_or_a_sample(self, made, key, run):
        manifest = json.loads((run / "run.json").read_text())
        secret = {*key.systems, *manifest["samples"], "key.json", str(run), "hdtf"}
        secret |= {s["speaker"] for s in manifest["samples"].values()}
        for path in (made / "site").rglob("*"):
            content = path.read_bytes().lower() if path.is_file() else b""
            for word in secret:
                assert word.lower() not in path.name.lower()
                assert word.lower().encode() not in content, (path.name, word)
        assert not list((made / "site").rglob("key*"))
        page = (made / "site" / "index.html").read_text()
        for role in ("shifted", "instruction", "repeat"):
            assert f'"{role}"' not in page

    def test_files_betray_nothing_else(self, made, key):
        media = list((made / "site" / "media").iterdir())
        assert all(re.fullmatch(r"[0-9a-f]{16}\.(mp4|png)", p.name) for p in media)
        assert {p.stat().st_mtime for p in media} == {0}
        used = {name for row in key.assignments for t in row for name in t.clips}
        assert used <= key.clips.keys() <= {p.stem for p in media}
        for path in media:
            if path.suffix == ".mp4":
                with av.open(str(path)) as container:
                    assert set(container.metadata) <= {
                        *("major_brand", "minor_version", "compatible_brands", "encoder")
                    }

    def test_any_browser_plays_them_at_one_loudness(self, made, key, run):
        for name, clip in key.clips.items():
            path = made / "site" / "media" / f"{name}.mp4"
            with av.open(str(path)) as container:
                video, sound = container.streams.video[0], container.streams.audio[0]
                assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
                assert sound.codec_context.name == "aac"
            if clip.role != "instruction":
                original = probe(video_of(run, clip.generator, clip.sample))
                assert probe(path).size == original.size
                assert clip.seconds == float(original.declared_frames / original.fps)
            level = np.sqrt(np.mean(read_audio(path, RATE).samples ** 2))
            assert level == pytest.approx(LEVEL, rel=0.1)

    def test_the_planted_clip_is_late(self, made, key):
        shifted = next(n for n, c in key.clips.items() if c.role == "shifted")
        same = next(
            n
            for n, c in key.clips.items()
            if not c.role
            and (c.generator, c.sample) == (key.clips[shifted].generator, key.clips[shifted].sample)
        )
        length = round(key.clips[shifted].seconds * RATE)
        one, other = (
            read_audio(made / "site" / "media" / f"{n}.mp4", RATE, mono=True).samples[:length, 0]
            for n in (same, shifted)
        )
        half = length // 2
        assert np.corrcoef(np.roll(one, half), other)[0, 1] > 0.7
        assert np.corrcoef(one, other)[0, 1] < 0.5

    def test_a_seed_makes_it_again_and_another_names_all_anew(self, run, made, tmp_path):
        small = tmp_path / "small"
        shutil.copytree(run, small)
        for note in (small / "videos").rglob("RD_*.json"):
            note.unlink()
        run = small  # one sample is enough
        wish = Wish(questions=("realism",), raters=2, ratings=2, checks=False)
        one, two = (tmp_path / name for name in ("one", "two"))
        seeds = [make(run, root, wish) for root in (one, two)]
        names = [{p.name for p in (root / "site" / "media").iterdir()} for root in (one, two)]
        assert not names[0] & names[1]
        assert seeds[0].study != seeds[1].study
        again = tmp_path / "again"
        done = invoke(
            *("study", "make", run, "-o", again, "--raters", 2, "--ratings", 2, "--no-checks"),
            *("--question", "realism", "--seed", seeds[0].seed),
        )
        assert done.exit_code == 0, done.output
        for path in one.rglob("*"):
            if path.is_file():
                assert path.read_bytes() == (again / path.relative_to(one)).read_bytes()

    def test_every_rater_gets_checks_and_the_same_clip_twice(self, key):
        for row in key.assignments:
            roles = [t.role for t in row if t.kind == "rate"]
            assert sorted(r for r in roles if r) == ["instruction", "repeat", "shifted"]
            again = next(t for t in row if t.role == "repeat")
            assert [t.clips for t in row].count(again.clips) == 2
            assert sum(t.kind == "pair" for t in row) == 2

    def test_what_cannot_be_asked_is_refused(self, run, made, tmp_path):
        for words, said in (
            (("--system", "nobody"), "'nobody' is not in this run; it has"),
            (("--system", "diffdub"), "one system"),
            (("--no-questions",), "asks nothing"),
        ):
            done = invoke("study", "make", run, "-o", tmp_path / "x", *words)
            assert (done.exit_code, said in done.output) == (2, True), done.output
            assert not (tmp_path / "x").exists()
        done = invoke("study", "make", run, "-o", made)
        assert done.exit_code == 2
        assert "not empty" in done.output

    def test_a_sample_that_a_system_lacks_is_left_out_for_all_and_said(self, run, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(run, copy)
        next((copy / "videos" / "wav2lip").glob("RD_Radio8*.json")).unlink()
        words = ("study", "make", copy, "-o", tmp_path / "s", "--question", "realism")
        done = invoke(*words, "--raters", 1)
        assert done.exit_code == 0, done.output
        assert "left out: RD_Radio8_000, no video of wav2lip" in done.output
        key = Key.read(tmp_path / "s")
        assert {c.sample for c in key.clips.values()} == {
            "",
            "RD_Radio42_000",
            "WRA_PeterRoskam0_000",
        }


class TestRead:
    @pytest.fixture
    def folder(self, crowd, tmp_path):
        for name, body in crowd.items():
            put(tmp_path / "results", f"{name}.json", body)
        return tmp_path / "results"

    def test_the_planted_order_is_found_again(self, key, folder, run):
        raters, refused = read_answers(key, [folder])
        assert not refused
        found = read_of(key, screen(key, raters), refused, build(run))
        assert found.kept.raters == RATERS
        assert found.everybody.raters == RATERS + 4
        for question in key.questions:
            by = {o.system: o for o in found.kept.opinions if o.question == question}
            assert by["diffdub"].score.lo > by["wav2lip"].score.hi
            assert by["diffdub"].answers == RATERS * 3  # neither checks nor repeats count
            assert (by["diffdub"].raters, by["diffdub"].clips) == (RATERS, 3)
        first, second = found.kept.strengths
        assert (first.system, second.system) == ("diffdub", "wav2lip")
        assert first.won > 3 * first.lost
        assert first.lo < first.value < first.hi
        assert found.kept.ties > 0
        assert all(0.2 < a.interval.value < 1 for a in found.kept.agreement)

    def test_bad_raters_are_named_with_the_rule(self, key, folder):
        few = answered(key, 5, "few", lambda c, q: 3)  # so few alike answers are no straight line
        few["trials"] = few["trials"][:3]
        put(folder, "few.json", signed({k: v for k, v in few.items() if k != "check"}))
        raters, _ = read_answers(key, [folder])
        broken = {s.rater.name: list(s.broken) for s in screen(key, raters) if s.broken}
        assert set(broken) == {"ignores", "straight", "hasty", "forged"}
        assert {"instruction", "shifted"} <= set(broken["ignores"])
        assert "few" in {r.name for r in raters}
        assert broken["straight"] == ["straight line"]
        assert broken["hasty"] == ["too fast"]
        assert broken["forged"] == ["impossible"]

    def test_metrics_are_held_against_people_with_their_direction(self, key, folder, run):
        raters, _ = read_answers(key, [folder])
        found = read_of(key, screen(key, raters), [], build(run)).kept.correlations
        clips = {(c.metric, c.question): c for c in found if c.over == "clips"}
        psnr = clips["psnr", "lip-sync"]
        assert psnr.count == 6
        assert psnr.spearman.value > 0.5  # diffdub has the better PSNR as well
        assert psnr.spearman.lo <= psnr.spearman.value <= psnr.spearman.hi
        assert "set" in clips["fid@pytorch-fid-64", "lip-sync"].note
        systems = [c for c in found if c.over == "systems"]
        assert {c.question for c in systems} == {"lip-sync", "identity", "preference"}
        assert all(c.note == "fewer than three systems have both" for c in systems)

    def test_the_command_prints_both_and_counts(self, made, folder, run):
        done = invoke("study", "read", made, folder, "--run", run)
        assert done.exit_code == 0, done.output
        text = " ".join(done.output.split())
        assert "16 raters, 4 left out by screening; 0 files do not count." in text
        assert "left out: straight (straight line)" in text
        assert "raters share a number" in text
        assert "with everybody: mean opinion, 1 to 5, 16 raters" in text
        content = json.loads(invoke("study", "read", made, folder, "--format", "json").output)
        assert content["without_screened"]["raters"] == RATERS
        assert "clips" not in content

    def test_partial_answers_count_and_are_said(self, key, tmp_path):
        body = answered(key, 5, "left", honest)
        body["trials"] = body["trials"][:4]
        body["trials"][1] |= {"problem": True, "answers": {}}
        put(tmp_path / "r", "a.json", signed({k: v for k, v in body.items() if k != "check"}))
        raters, refused = read_answers(key, [tmp_path / "r"])
        assert not refused
        found = read_of(key, screen(key, raters), [], None)
        assert any("did not finish" in r and "left (4 of 11)" in r for r in found.remarks)
        assert any("1 clips did not play" in r for r in found.remarks)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"study": "0" * 16}, "another study"),
            ({"number": 99}, "none of 1 to 12"),
            ({"number": True}, "none of 1 to 12"),
            ({"rater": "x" * 65}, "has no rater"),
            ({"trials": [{}] * 99}, "no list of up to"),
            ({"trials": "no"}, "no list"),
            ({"schema": 2}, "no result file"),
        ],
    )
    def test_files_that_do_not_count_say_why(self, key, tmp_path, change, said):
        path = put(tmp_path, "bad.json", answered(key, 1, "a", honest, **change))
        raters, (refused,) = read_answers(key, [path])
        assert not raters
        assert said in refused.reason

    @pytest.mark.parametrize(
        ("trial", "said"),
        [
            ({"answers": {"lip-sync": 6, "identity": 1}}, "none of 1 to 5"),
            ({"answers": {"lip-sync": 2.5, "identity": 1}}, "none of 1 to 5"),
            ({"answers": {"lip-sync": 3}}, "does not answer"),
            ({"answers": {"lip-sync": 3, "identity": 1, "x": 1}}, "does not answer"),
            ({"clips": ["0" * 16]}, "other clips"),
            ({"kind": "pair"}, "not the one"),
            ({"ms": -1}, "no times"),
            ({"problem": "yes"}, "no answers"),
        ],
    )
    def test_so_do_trials(self, key, tmp_path, trial, said):
        body = answered(key, 1, "a", honest)
        body["trials"][0] |= trial
        path = put(tmp_path, "bad.json", signed({k: v for k, v in body.items() if k != "check"}))
        _, (refused,) = read_answers(key, [path])
        assert said in refused.reason
        assert "trial 1" in refused.reason

    def test_edits_copies_and_two_answers_of_one_rater(self, made, key, tmp_path):
        folder = tmp_path / "r"
        edited = answered(key, 1, "edited", honest)
        edited["trials"][0]["answers"]["lip-sync"] ^= 1
        put(folder, "edited.json", edited)
        put(folder, "a1.json", answered(key, 1, "a", honest))
        put(folder, "a2.json", answered(key, 1, "a", honest))
        put(folder, "b1.json", answered(key, 2, "b", honest))
        put(folder, "b2.json", answered(key, 2, "b", lambda c, q: 5))
        (folder / "deep.json").write_text("[" * 100_000)
        (folder / "nan.json").write_text('{"schema": NaN}')
        (folder / "large.json").write_text(" " * (5 << 20))
        raters, refused = read_answers(key, [folder])
        assert [r.name for r in raters] == ["a"]
        why = {r.file: r.reason for r in refused}
        assert why["edited.json"] == "was changed after it was downloaded"
        assert why["a2.json"] == "is a copy of a1.json"
        assert "different answers" in why["b1.json"]
        assert "different answers" in why["b2.json"]
        assert "at most" in why["large.json"]
        assert {"deep.json", "nan.json"} <= why.keys()
        done = invoke("study", "read", made, folder)
        assert done.exit_code == 1
        assert "edited.json was changed" in done.output
        done = invoke("study", "read", made, folder / "edited.json")
        assert done.exit_code == 2
        assert "no result file of study" in done.output
        assert invoke("study", "read", tmp_path, folder).exit_code == 2

    def test_a_hostile_name_is_printed_as_text(self, made, key, tmp_path):
        body = answered(key, 1, "[red]x[/]\u202e\x1b[31m", honest)
        path = put(tmp_path, "h.json", body)
        raw = json.loads(path.read_text())
        raw.pop("check")
        check = fingerprint(json.dumps(raw, separators=(",", ":"), ensure_ascii=False))
        put(tmp_path, "h.json", raw | {"check": check})
        done = invoke("study", "read", made, path)
        assert done.exit_code == 0, done.output
        assert "\x1b" not in done.output
        assert "\u202e" not in done.output


class TestBrowser:
    def test_a_rater_takes_the_study_by_keyboard_and_it_is_read(
        self, visit, made, key, tmp_path: Path
    ):
        page = visit(made / "site" / "index.html", width=390, after="#4", accept_downloads=True)
        address = page.url

        def begin():
            page.locator("input[name=rater]").focus()
            page.keyboard.type("kim")
            for key_ in ("Tab", "Tab", "h", "Tab", "Enter"):
                page.keyboard.press(key_)

        begin()
        page.locator("[data-step=playback] .box button").focus()
        page.keyboard.press("Enter")
        page.locator("[data-step=playback] .box.seen").wait_for()
        _, digit, beeps = json.loads(page.locator("#data").text_content())["playback"]
        page.locator("input[name=digit]").fill(str(digit))
        page.locator("input[name=beeps]").fill(str(beeps + 1))
        page.keyboard.press("Enter")
        assert "not what the clip shows" in page.locator("#check .error").text_content()
        page.locator("input[name=beeps]").fill(str(beeps))
        page.keyboard.press("Enter")
        page.locator("#practice").focus()
        page.keyboard.press("Enter")
        plan = key.assignments[3]
        for place, trial in enumerate([plan[0], *plan]):
            button = page.locator("#trial button[type=submit]")
            page.keyboard.press("3")  # before the clip was seen nothing can be answered
            assert button.is_disabled()
            assert page.locator("#questions input:checked").count() == 0
            for number in range(len(trial.clips)):
                assert page.locator("#questions fieldset:enabled").count() == 0
                page.keyboard.press("p")
                page.locator("[data-step=trial] .box.seen").nth(number).wait_for()
            if trial.kind == "rate":
                wanted = [honest(key.clips[trial.clips[0]], q) for q in key.questions]
                for value in wanted:
                    page.keyboard.press(str(value))
            else:
                page.keyboard.press("ArrowLeft")
            assert button.is_enabled()
            page.keyboard.press("Enter")
            if place == 5:  # another day, the same browser
                page.goto("about:blank")
                page.goto(address)
                begin()
                assert page.locator("#place").text_content() == f"6 of {len(plan)}"
        page.locator("[data-step=done]:not([hidden])").wait_for()
        with page.expect_download() as download:
            page.locator("#json").focus()
            page.keyboard.press("Enter")
        download.value.save_as(tmp_path / "kim.json")
        with page.expect_download() as download:
            page.locator("#csv").click()
        download.value.save_as(tmp_path / "kim.csv")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert len((tmp_path / "kim.csv").read_text().splitlines()) == len(plan) + 1

        (rater,), refused = read_answers(key, [tmp_path / "kim.json"])
        assert not refused
        assert (rater.name, rater.number, rater.sound) == ("kim", 4, "headphones")
        assert rater.complete
        for answer in rater.answers:
            assert 0 < answer.after_ms < answer.ms
            if answer.trial.kind == "rate":
                clip = key.clips[answer.trial.clips[0]]
                assert answer.scores == {q: honest(clip, q) for q in key.questions}
            else:
                assert answer.choice == "left"
        (found,) = screen(key, [rater])
        assert set(found.broken) <= {"too fast"}  # nobody is as quick as a script
