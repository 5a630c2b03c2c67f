"""Certificates: the arithmetic of floors, what is seen and ordered, and what tables make of it."""

import csv
import io
import json
import re
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from rich.console import Console

from evaluation.certificate import (
    BASE,
    INVISIBLE,
    LADDERS,
    TRUTH,
    VISIBLE,
    Floor,
    certify,
    plan_certificate,
    sees,
    step,
)
from evaluation.chain import Chain
from evaluation.floors import floors, read_certificate
from evaluation.generator import GenerationError, GeneratorSpec
from evaluation.manifest import read_manifest
from evaluation.plan import Plan, UnusableInputError
from evaluation.records import RecordLog, RecordsError
from evaluation.report import FORMATS, print_table, write_report
from evaluation.report.certified import certificate_markdown, print_certificate
from evaluation.results import build, write_results
from evaluation.run import execute
from evaluation.sample import Sample
from evaluation.store import write_json
from evaluation.suite import Suite
from evaluation.video import FrameReader, read_audio
from evaluation.video_writer import VideoWriter
from metrics import Measurement, MetricSpec, UnscorableError, mean_of_clips

SUITE = Suite(name="t", version="1", dataset="folder", setting="reconstruction", metrics=())
STACKED = tuple(f"{BASE}+{name}" for name in INVISIBLE)


def card(**changes):
    return MetricSpec(
        **{
            "name": "given",
            "version": "1",
            "title": "Given",
            "direction": "higher",
            "protocol": {"rule": "a test's"},
            "source": "a test",
        }
        | changes
    )


class Given:
    """The value that a test wrote into the first pixel of the generated video."""

    extractors = ()

    def __init__(self, **changes):
        self.spec = card(**changes)

    def measure(self, inputs):
        return Measurement.of_frames(inputs.generated.frames[:, 0, 0, 0].astype(np.float64))

    def aggregate(self, measurements):
        return mean_of_clips(measurements)


class Pixels:
    """First pixels of one video."""

    id = "pixels/1"
    uses = ()

    def extract(self, frames, tracks):
        return {"pixel": frames[:, 0, 0, 0].astype(np.float64)}


class Spread:
    """A metric over the set of all clips: the range of their first pixels."""

    spec = card(
        name="spread", title="Spread", needs_frames=False, per_clip=False, direction="lower"
    )
    extractors = (Pixels(),)

    def measure(self, inputs):
        rows = inputs.generated.tracks["pixels/1"]["pixel"]
        return Measurement(None, len(rows), features={"generated": rows[:, None]})

    def aggregate(self, measurements):
        if not measurements:
            raise UnscorableError("no clip")
        return float(np.ptp(np.concatenate([m.features["generated"] for m in measurements])))


@dataclass(frozen=True)
class Shows:
    """A generator whose clips have given values in their first pixels; None where it fails."""

    name: str
    values: tuple
    kind: str = "anchor"

    @property
    def spec(self):
        return GeneratorSpec(name=self.name, version="1", kind=self.kind, about="a test's")

    def generate(self, sample, out, seed):
        value = self.values[int(sample.id[1:])]
        if value is None:
            raise GenerationError("it does not want to")
        return shade(out, value)


def shade(path, value):
    with VideoWriter(path, width=32, height=32, fps=Fraction(25)) as writer:
        writer.add(np.full((2, 32, 32, 3), value, np.uint8))
    return path


INSTALLED = {}


@pytest.fixture(scope="module", autouse=True)
def _installed():
    """Cards of the tests are found by name, as if a package brought them."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("certificate", "results"):
            patch.setattr(
                f"evaluation.{module}.load_metrics", lambda names: [INSTALLED[n] for n in names]
            )
        yield


def run_in(folder, metrics, name="run", kinds=None, **rows):
    """Run generators (name -> values by clip) under metrics; returns the run's folder."""
    INSTALLED.update({m.spec.name: m for m in metrics})
    samples = []
    for i in range(len(next(iter(rows.values())))):
        path = folder / f"c{i}.mp4"
        if not path.exists():
            shade(path, 100 + i)
        samples.append(Sample(id=f"c{i}", speaker=f"p{i}", video=path, audio=None, reference=path))
    plan = Plan(
        suite=SUITE,
        metrics=tuple(metrics),
        generators=tuple(Shows(n, v, (kinds or {}).get(n, "anchor")) for n, v in rows.items()),
        samples=tuple(samples),
        every=1,
        settings={},
    )
    execute(plan, folder / name)
    return folder / name


@pytest.fixture
def run(tmp_path):
    """``run_in`` a folder of the test's own."""
    return lambda metrics, name="run", **more: run_in(tmp_path, metrics, name, **more)


# One clip each: ground truth 100; invisible changes of 1, 0, 2 and 5, on the base of 3 at most.
ROWS = {
    "ground-truth": (100,),
    "invisible-crf18": (101,),
    "invisible-aac": (100,),
    "invisible-remux": (98,),
    "invisible-crop1": (95,),
    "shifted-1": (94,),
    "shifted": (90,),
    "shifted-9": (88,),
    "mouth-blur-weak": (97,),
    "mouth-blur": (100,),
    "mouth-blur-strong": (120,),
    "reencoded-crf28": (93,),
    "reencoded": (80,),
    "reencoded-crf42": (70,),
    "mouth-frozen": (95,),
    "identity-swap": (10,),
    "swapped-audio": (100,),
    "reencoded+invisible-crf18": (79,),
    "reencoded+invisible-aac": (80,),
    "reencoded+invisible-remux": (83,),
    "reencoded+invisible-crop1": (78,),
}


def certified(run, metric, name="run", **changes):
    rows = ROWS | {k.replace("_", "-"): v for k, v in changes.items()}
    return certify(run([metric], name, **rows)).cards[0]


def test_the_floor_is_the_largest_invisible_change_of_the_truth(run):
    facts = certified(run, Given())
    assert facts.value == 100
    assert facts.floor == Floor(value=5, by="invisible-crop1")
    assert [c.change for c in facts.invisible] == [1, 0, -2, -5, -1, 0, 3, -2]
    assert [c.of for c in facts.invisible] == [TRUTH] * 4 + [BASE] * 4


@pytest.mark.parametrize(
    ("perfect", "gap"),
    [
        (None, Floor(value=5, by="invisible-crop1")),
        (100.0, Floor(value=3, by="reencoded+invisible-remux")),
    ],
)
def test_a_perfect_ground_truth_does_not_measure_gaps(run, perfect, gap):
    facts = certified(run, Given(perfect=perfect))
    assert facts.floor.value == 5
    assert facts.gap_floor == gap


@pytest.mark.parametrize(
    ("change", "direction", "seen"),
    [
        (-5.1, "higher", "yes"),
        (5.1, "higher", "wrong way"),
        (5.1, "lower", "yes"),
        (-5.1, "lower", "wrong way"),
        (-5.0, "higher", "within the floor"),
        (0.1, "lower", "within the floor"),
        (0.0, "higher", "no"),
        (None, "higher", ""),
    ],
)
def test_a_damage_is_seen_where_it_is_worse_by_more_than_the_floor(change, direction, seen):
    assert sees(change, Floor(value=5, by="x"), direction) == seen
    assert sees(change, None, direction) == ""


def test_a_step_within_the_floor_is_a_tie():
    floor = Floor(value=2, by="x")
    assert [step(c, floor, "higher") for c in (-3, -2, 0, 2, 3)] == [
        *("worse", "tie", "tie", "tie", "better")
    ]
    assert step(3, floor, "lower") == "worse"
    assert step(None, floor, "lower") == step(1, None, "lower") == ""


def test_every_damage_is_held_against_the_truth(run):
    seen = {c.perturbation: (c.change, c.sees) for c in certified(run, Given()).visible}
    assert tuple(seen) == VISIBLE
    assert seen["shifted-1"] == (-6, "yes")
    assert seen["mouth-blur-weak"] == (-3, "within the floor")
    assert seen["mouth-blur"] == (0, "no")
    assert seen["mouth-blur-strong"] == (20, "wrong way")
    assert seen["mouth-frozen"] == (-5, "within the floor")
    assert seen["swapped-audio"] == (0, "no")


def test_ladders_climb_from_the_truth_and_grades_are_told_apart_by_the_floor_of_gaps(run):
    """The first step is judged by 5, the others by 3."""
    ladders = certified(run, Given(perfect=100.0)).ladders
    assert {name: (ladder.steps, ladder.ordered) for name, ladder in ladders.items()} == {
        "shift": (("worse", "worse", "tie"), False),
        "mouth blur": (("tie", "tie", "better"), False),
        "codec": (("worse", "worse", "worse"), True),
    }
    assert ladders["shift"].changes == (-6, -4, -2)
    assert ladders["codec"].rungs == (TRUTH, *LADDERS["codec"])


def test_grades_may_be_in_order_where_the_weakest_is_not_seen(run):
    ladder = certified(run, Given(perfect=100.0), shifted_1=(96,), shifted_9=(80,)).ladders["shift"]
    assert ladder.steps == ("tie", "worse", "worse")
    assert ladder.ordered is True


def test_where_lower_is_better_the_same_numbers_are_the_wrong_way(run):
    facts = certified(run, Given(direction="lower"))
    assert facts.floor.value == 5
    assert {c.perturbation: c.sees for c in facts.visible}["identity-swap"] == "wrong way"
    assert facts.ladders["codec"].steps == ("better",) * 3


def test_a_change_is_taken_over_the_clips_that_both_have(run):
    rows = {name: (*values, 40) for name, values in ROWS.items()}
    rows["invisible-crf18"] = (101, None)
    facts = certify(run([Given()], **rows)).cards[0]
    assert facts.value == 70
    assert facts.n_clips == 2
    first = facts.invisible[0]
    assert (first.value, first.change, first.n_clips) == (101, 1, 1)
    assert first.reason == "generation failed: it does not want to"
    assert facts.invisible[1].reason == ""
    assert facts.invisible[3].change == -2.5


def test_what_is_not_there_has_a_reason_and_leaves_the_floor_to_the_rest(run):
    facts = certified(run, Given(), invisible_crop1=(None,), mouth_blur=(None,))
    assert facts.floor == Floor(value=2, by="invisible-remux")
    crop = facts.invisible[3]
    assert (crop.change, crop.reason) == (None, "generation failed: it does not want to")
    assert facts.ladders["mouth blur"].steps == ("worse", "", "")
    assert facts.ladders["mouth blur"].ordered is None
    blind = certified(run, Given(), "second", ground_truth=(None,))
    assert (blind.value, blind.floor, blind.gap_floor.value) == (None, None, 3)
    assert blind.reason == "generation failed: it does not want to"
    assert {c.sees for c in blind.visible} == {""}
    assert {c.reason for c in blind.visible} == {"generation failed: it does not want to"}


def test_a_metric_over_sets_is_certified_over_sets(run):
    """Ground truth spreads over 20; the crop over 26; the swap over 50; lower is better."""
    rows = {name: (values[0], values[0] + 20) for name, values in ROWS.items()}
    rows |= {"invisible-crop1": (95, 121), "identity-swap": (10, 60), "shifted": (90, None)}
    facts = certify(run([Spread()], **rows)).cards[0]
    assert facts.value == 20
    assert facts.floor == Floor(value=6, by="invisible-crop1")
    seen = {c.perturbation: c for c in facts.visible}
    assert (seen["identity-swap"].change, seen["identity-swap"].sees) == (30, "yes")
    assert seen["shifted"].n_clips == 1
    assert seen["shifted"].change == 0  # over the one clip that both have, neither spreads


# The plan.


def test_the_plan_perturbs_the_reference_and_stacks_on_the_base(tmp_path, write_clip):
    write_clip(tmp_path / "truth.mp4")
    driven = tmp_path / "driven.mp4"
    truth = Sample(
        id="a", speaker="a", video=driven, audio=driven, reference=tmp_path / "truth.mp4"
    )
    unknown = replace(truth, id="b", reference=None)
    plan = Plan(
        suite=SUITE, metrics=(), generators=(), samples=(truth, unknown), every=7, settings={}
    )
    made = plan_certificate(plan)
    assert [g.spec.name for g in made.generators] == [TRUTH, *INVISIBLE, *VISIBLE, *STACKED]
    assert made.samples[0].video == made.samples[0].audio == truth.reference
    assert made.samples[1] == unknown
    assert (made.every, made.suite) == (7, SUITE)
    with pytest.raises(UnusableInputError, match="t has no ground truth"):
        plan_certificate(replace(plan, samples=(unknown,)))


class Louder:
    """Adds to the picture and halves the sound of whatever video it is given."""

    def __init__(self, name, add):
        self.add = add
        self.spec = GeneratorSpec(
            name=name, version=f"v{add}", kind="anchor", about=name, assets=("x", name)
        )

    def generate(self, sample, out, seed):
        reader, audio = FrameReader(sample.video), None
        if sample.audio is not None:
            audio = read_audio(sample.audio)
            audio = replace(audio, samples=audio.samples / 2)
        info = reader.info
        with VideoWriter(
            out, width=info.width, height=info.height, fps=info.fps, audio=audio
        ) as writer:
            for piece in reader:
                writer.add(piece // 2 + self.add)
        return out


@pytest.mark.parametrize("audible", [True, False])
def test_a_chain_gives_the_first_ones_video_and_sound_to_the_next(tmp_path, write_clip, audible):
    pixels = write_clip(tmp_path / "a.mp4", audio=audible)
    clip = tmp_path / "a.mp4"
    sample = Sample(
        id="a", speaker="a", video=clip, audio=clip if audible else None, reference=clip
    )
    chain = Chain(Louder("one", 10), Louder("two", 30))
    path = chain.generate(sample, tmp_path / "out.mp4", 0).video
    shown = np.concatenate(list(FrameReader(path)))
    assert np.array_equal(shown, (pixels // 2 + 10) // 2 + 30)
    if audible:
        # 16-bit samples, halved twice.
        wanted = read_audio(clip).samples / 4
        assert np.abs(read_audio(path).samples - wanted).max() < 1 / 32768
    else:
        assert read_audio(path) is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "out.mp4"]
    spec = chain.spec
    assert (spec.name, spec.version, spec.assets) == ("one+two", "v10 + v30", ("x", "one", "two"))


# What tables make of it.


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A certificate of a card whose floor of gaps is 3, on one clip."""
    root = run_in(tmp_path_factory.mktemp("certified"), [Given(perfect=100.0)], **ROWS)
    return certify(root).as_json()


@pytest.fixture
def table(run, written, tmp_path):
    """A run of three systems between an anchor and the truth, and the certificate's file."""

    def make(**changes):
        rows = {"truth": (100,), "a": (90,), "b": (88,), "c": (87,), "d": (93,)} | changes
        kinds = {"truth": "reference", **dict.fromkeys("abc", "system")}
        write_json(tmp_path / "certificate.json", written)
        return run([Given(perfect=100.0)], kinds=kinds, **rows), tmp_path / "certificate.json"

    return make


def near(results):
    return {g for (g, _), e in results.estimates.items() if e.near_best}


def test_gaps_to_the_best_below_the_floor_are_near(table):
    root, certificate = table()
    found = build(root, certificate=certificate)
    rows = {g: e for (g, _), e in found.estimates.items()}
    assert {e.floor for e in rows.values()} == {3}
    assert rows["a"].mark == "best"
    # b is 2 behind; c and d are 3 away, which is not less; the second keeps its mark.
    assert near(found) == {"b"}
    assert rows["b"].mark == "second"
    assert found.floors.clips == 1
    assert found.floors.remarks == ()
    assert not near(build(root))


def test_rows_that_compete_with_nobody_are_near_too(table):
    root, certificate = table(truth=(91,), d=(92,))
    assert near(build(root, certificate=certificate)) == {"truth", "d", "b"}


def test_where_nobody_is_best_nobody_is_near(table):
    root, certificate = table(a=(90, None), b=(88, None), c=(87, None), d=(93, 1), truth=(90, 1))
    found = build(root, certificate=certificate)
    assert found.estimates["b", "given"].floor == 3
    assert near(found) == set()


def test_differences_below_the_floor_are_said_to_be(table):
    root, certificate = table()
    found = build(root, "a", certificate)
    assert {g: d.below_floor for (g, _), d in found.differences.items()} == {
        "truth": False,
        "b": True,
        "c": False,
        "d": False,
    }


def test_the_runs_own_certificate_is_used_and_another_one_before_it(table):
    root, certificate = table()
    content = json.loads(certificate.read_text())
    write_json(root / "certificate.json", content)
    assert near(build(root)) == {"b"}
    content["cards"][0]["gap_floor"]["value"] = 50
    write_json(certificate, content)
    assert near(build(root, certificate=certificate)) == {"truth", "b", "c", "d"}


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        ({"suite": "u/1", "dataset": "other"}, "measured on u/1, not on t/1"),
        ({"every": 5}, "scored one frame in 5, this run one in 1"),
        ({"clips": {"c0": {"reference_sha256": "0"}}}, "measured on other clips"),
        ({"clips": {"x": {"reference_sha256": "0"}}}, "measured on other clips"),
    ],
)
def test_a_certificate_of_something_else_is_left_out_and_said_to_be(table, change, remark):
    root, certificate = table()
    write_json(root / "certificate.json", json.loads(certificate.read_text()) | change)
    found = build(root)
    assert near(found) == set()
    assert {e.floor for e in found.estimates.values()} == {None}
    (said,) = found.floors.remarks
    assert said.startswith("certificate.json is not used")
    assert remark in said


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        ({"version": "2"}, "certificate.json knows another version of given/1"),
        ({"name": "taken"}, "certificate.json has no noise floor of given/1"),
        ({"gap_floor": None}, "certificate.json has no noise floor of given/1"),
    ],
)
def test_it_speaks_of_its_own_cards_alone(table, change, remark):
    root, certificate = table()
    content = json.loads(certificate.read_text())
    content["cards"][0] |= change
    write_json(root / "certificate.json", content)
    found = build(root)
    assert near(found) == set()
    assert found.floors.remarks == (remark,)


def test_another_suite_of_the_same_data_may_use_it(table):
    """``score`` on a folder that was certified as ``folder``."""
    root, certificate = table()
    write_json(
        root / "certificate.json", json.loads(certificate.read_text()) | {"suite": "folder/1"}
    )
    assert near(build(root)) == {"b"}


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 2}', '{"schema": 1}', "\xff"])
def test_a_damaged_certificate_is_named(table, text):
    root, _ = table()
    (root / "certificate.json").write_text(text, encoding="latin-1")
    with pytest.raises(RecordsError, match=r"certificate\.json"):
        build(root)
    with pytest.raises(RecordsError, match="nowhere"):
        read_certificate(root / "nowhere")


def test_floors_are_read_from_what_was_written(table):
    root, certificate = table()
    manifest = read_manifest(root / "run.json")
    records = RecordLog(root / "records.jsonl").read()
    known = floors(certificate, manifest, records, [card()])
    assert known.of == {"given": 3}
    content = json.loads(certificate.read_text(), parse_constant=pytest.fail)
    assert content["schema"] == 1
    assert content["cards"][0]["ladders"]["codec"]["ordered"] is True
    assert content["clips"]["c0"]["speaker"] == "p0"
    assert content["environment"]["packages"]["numpy"]


def terminal(results, width=100, **console):
    file = io.StringIO()
    print_table(results, Console(file=file, width=width, **console))
    return file.getvalue()


def test_every_format_greys_what_is_near(table, tmp_path):
    root, certificate = table()
    found = build(root, certificate=certificate)
    write_report(root, found, tmp_path / "out", FORMATS)
    files = {p.name: p.read_text() for p in (tmp_path / "out").iterdir() if p.is_file()}
    page = files["index.html"].split('id="results"')[1].split("</table>")[0]
    classes = re.findall(r'<td class="([^"]*)"[^>]*>\s*<span class="num">([^<]*)', page)
    assert classes == [("", "100.00"), ("best", "90.00"), ("second near", "≈88.00"), ("", "87.00"),
                       ("", "93.00")]  # fmt: skip
    assert "| b | <ins>≈88.00</ins> |" in files["results.md"]
    assert r"\textcolor{gray}{\underline{$\approx$88.00}}" in files["results.tex"]
    assert "booktabs, xcolor" in files["results.tex"]
    rows = {r["generator"]: r for r in csv.DictReader(files["results.csv"].splitlines())}
    assert {g for g, r in rows.items() if r["near_best"] == "True"} == {"b"}
    assert {r["floor"] for r in rows.values()} == {"3.0"}
    estimates = json.loads(files["results.json"])["estimates"]
    assert {e["generator"] for e in estimates if e["near_best"]} == {"b"}
    assert "≈88.00+" in terminal(found)
    assert "\x1b[2;4m≈88.00" in terminal(found, force_terminal=True, color_system="standard")
    legend = "closer to the best, or to the baseline, than the metric's noise floor (Given 3.00)"
    for text in (files["index.html"].replace("&#39;", "'"), files["results.md"], terminal(found)):
        assert legend in " ".join(text.split())
        assert text.count("≈") >= 2


def test_without_a_certificate_nothing_is_greyed(table, tmp_path):
    root, _ = table()
    write_report(root, build(root), tmp_path / "out", FORMATS)
    for path in (p for p in (tmp_path / "out").iterdir() if p.is_file()):
        assert "≈" not in path.read_text()
    assert "xcolor" not in (tmp_path / "out" / "results.tex").read_text()


def test_what_is_below_the_floor_is_neither_better_nor_worse(table, tmp_path):
    """Two speakers agree to the digit: certain, and within the metric's noise."""
    twice = {"truth": 100, "a": 80, "b": 82, "c": 88, "d": 93}
    root, certificate = table(**{name: (value, value) for name, value in twice.items()})
    write_report(root, build(root, "a", certificate), tmp_path / "out", ("html", "md"))
    changes = (tmp_path / "out" / "results.md").read_text().split("## Differences")[1]
    assert "| b | ≈+2.00 ±0.00 |" in changes
    assert "| c | +8.00 ±0.00 (better) |" in changes
    page = (tmp_path / "out" / "index.html").read_text().split('id="differences"')[1]
    assert re.search(r'<td class="open near"[^>]*><span class="num">≈\+2\.00', page)


@pytest.mark.parametrize(("second", "said"), [(88, False), (80, True)])
def test_the_headline_names_nobody_best_where_the_metric_cannot_tell(table, second, said):
    root, certificate = table(b=(second,), c=(79,))
    for given, expected in ((None, True), (certificate, said)):
        write_report(root, build(root, certificate=given), root / "out", ["md"])
        assert ("Best: a on Given" in (root / "out" / "results.md").read_text()) == expected


def test_a_left_out_certificate_is_said_in_the_tables(table):
    root, certificate = table()
    write_json(root / "certificate.json", json.loads(certificate.read_text()) | {"every": 5})
    found = build(root)
    write_results(root, found)
    said = "certificate.json is not used"
    assert said in terminal(found, 200)
    assert said in json.loads((root / "results.json").read_text())["certificate"]["remarks"][0]


# The certificate's own tables.


def printed(certificate, width=100, **console):
    file = io.StringIO()
    print_certificate(certificate, Console(file=file, width=width, **console))
    return file.getvalue()


def test_the_tables_say_floors_and_ladders(run):
    certificate = certify(run([Given(perfect=100.0, unit="dB")], **ROWS))
    text = printed(certificate)
    rows = [line.split() for line in text.splitlines() if line.startswith("given")]
    minus = "\N{MINUS SIGN}"
    assert rows[0] == [
        *("given", "↑", "100.00", "dB", "+1.00", "0.00", f"{minus}2.00", f"{minus}5.00"),
        *("5.00", "3.00"),
    ]
    assert rows[1] == ["given", "↑", "T>1>3≈9", "T≈w≈m<s", "T>28>35>42", "within", "yes", "no"]
    assert max(map(len, text.splitlines())) <= 100
    markdown = certificate_markdown(certificate)
    assert "| given ↑ | 100.00 dB | +1.00 | 0.00 |" in markdown
    assert "T&gt;28&gt;35&gt;42" in markdown
    for table in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_long_names_fit_a_hundred_columns(run):
    names = ["lse-d@syncnet-python@last", "ssim@skimage-wang@mouth@a-very-long-name-indeed"]
    cards = [Given(name=n, perfect=100.0, unit="dB") for n in names]
    rows = {name: (values[0] + 50,) for name, values in ROWS.items()}
    certificate = certify(run(cards, **rows))
    for width in (100, 80, 50):
        text = printed(certificate, width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text  # nothing is cut
        assert (text.count("T>28>35>42") == 2) == (width >= 80)
    assert names[0] in printed(certificate)


def test_missing_numbers_are_explained_once(run):
    rows = ROWS | {"invisible-crop1": (None,), "swapped-audio": (None,)}
    certificate = certify(run([Given(), Given(name="second")], **rows))
    text = " ".join(printed(certificate, 300).split())
    assert text.count("generation failed: it does not want to") == 1
    assert "given on invisible-crop1, given on swapped-audio, second on invisible-crop1" in text
    twice = {name: values * 2 for name, values in ROWS.items()} | {"shifted": (90, None)}
    text = " ".join(printed(certify(run([Given()], "twice", **twice)), 300).split())
    assert "it does not want to: given on shifted (1 of 2 clips left)" in text
