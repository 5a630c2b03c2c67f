"""A paper's numbers beside a run's, and how many speakers a comparison needs."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import ttest_1samp

from evaluation.cli import main
from evaluation.results import build
from leaderboards.ledger import read_ledger
from leaderboards.planning import MOST, needed, sizes
from leaderboards.reproduce import NothingToCompareError, compare


def talkbench(*words, code=0):
    done = CliRunner().invoke(main, [str(w) for w in words])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """Two systems on three HDTF clips."""
    root = tmp_path_factory.mktemp("runs") / "mini"
    mini = data / "hdtf_mini"
    talkbench(
        *("score", "--reference", mini / "gt", "--every", 50, "-m", "psnr", "-m", "ssim@piq"),
        *("-m", "ssim@skimage-uniform", "--generated", f"IP_LAP={mini / 'iplap'}"),
        *("--generated", f"wav2lip={mini / 'wav2lip'}", "-o", root),
    )
    return root


@pytest.fixture
def published():
    """A number of IP-LAP's on HDTF, to be changed."""
    rows = [r for r in read_ledger() if r.system == "IP-LAP" and r.benchmark == "HDTF"]
    return next(r for r in rows if r.family == "psnr")


@pytest.mark.data
class TestReproduce:
    def test_every_published_number_of_the_families_is_there(self, run):
        found = compare(build(run), read_ledger(), "iplap", benchmark="hdtf")
        wanted = [
            r.value
            for family in ("psnr", "ssim")
            for r in read_ledger()
            if (r.system, r.benchmark, r.family) == ("IP-LAP", "HDTF", family)
        ]
        assert [c.published.value for c in found] == wanted
        assert {c.measured.generator for c in found} == {"IP_LAP"}
        assert [c.measured.metric for c in found][:2] == ["psnr", "ssim@piq"]

    def test_verdicts(self, run, published):
        results = build(run)
        measured = results.estimates["IP_LAP", "psnr"]
        cases = {
            round(measured.value, 2): "inside",
            round(measured.hi + 1, 2): "outside",
            round(measured.lo - 1, 2): "outside",
        }
        rows = [dataclasses.replace(published, value=v, decimals=2) for v in cases]
        found = compare(results, rows, "IP-LAP", benchmark="HDTF")
        assert [c.verdict for c in found] == list(cases.values())
        assert found[0].difference == pytest.approx(measured.value - found[0].published.value)

    def test_a_number_is_as_wide_as_its_digits(self, run, published):
        results = build(run)
        edge = results.estimates["IP_LAP", "psnr"].hi
        for value, decimals, verdict in (
            (edge + 0.4, 0, "inside"),
            (edge + 0.4, 1, "outside"),
            (edge + 0.6, 0, "outside"),
        ):
            rows = [dataclasses.replace(published, value=value, decimals=decimals)]
            (found,) = compare(results, rows, "iplap", benchmark="hdtf")
            assert found.verdict == verdict

    def test_the_nearest_card_is_named_where_the_first_is_off(self, run, published):
        results = build(run)
        names = ("ssim@piq", "ssim@skimage-uniform")
        first, other = (results.estimates["IP_LAP", n] for n in names)
        way = np.sign(other.value - first.value) * (first.hi - first.lo)
        beyond = first.value + way
        rows = [dataclasses.replace(published, family="ssim", value=beyond, decimals=6)]
        (found,) = compare(results, rows, "iplap", benchmark="hdtf")
        assert (found.measured, found.verdict, found.nearest) == (first, "outside", other)
        back = first.value - way
        rows = [dataclasses.replace(published, family="ssim", value=back, decimals=6)]
        (found,) = compare(results, rows, "iplap", benchmark="hdtf")
        assert (found.verdict, found.nearest) == ("outside", None)

    def test_one_speaker_gives_no_verdict(self, run, published):
        results = build(run)
        alone = dataclasses.replace(results.estimates["IP_LAP", "psnr"], lo=None, hi=None)
        estimates = {**results.estimates, ("IP_LAP", "psnr"): alone}
        changed = dataclasses.replace(results, estimates=estimates)
        found = compare(changed, [published], "iplap", benchmark="hdtf")
        assert found[0].verdict == "no interval"

    def test_a_row_may_have_a_name_before_the_systems(self, run):
        results = build(run)
        for rows, found in (
            (("hdtf-mini-iplap", "wav2lip"), "hdtf-mini-iplap"),
            (("a-iplap", "b-iplap"), None),
            (("a-iplap", "iplap"), "iplap"),
        ):
            names = dict(zip(results.generators, rows, strict=True))
            estimates = {
                (names[g], m): dataclasses.replace(e, generator=names[g])
                for (g, m), e in results.estimates.items()
            }
            changed = dataclasses.replace(results, generators=rows, estimates=estimates)
            if found is None:
                with pytest.raises(NothingToCompareError, match="has no row 'iplap'"):
                    compare(changed, read_ledger(), "iplap", benchmark="hdtf")
            else:
                made = compare(changed, read_ledger(), "iplap", benchmark="hdtf")
                assert {c.measured.generator for c in made} == {found}

    @pytest.mark.parametrize(
        ("system", "more", "said"),
        [
            ("nobody", {"generator": "wav2lip"}, "nothing is published of a system called"),
            ("diffdub", {}, "has no row 'diffdub'; give one with --row: IP_LAP, wav2lip"),
            ("iplap", {}, "on 'folder'; give one with --benchmark: AIGC-LipSync"),
            ("iplap", {"benchmark": "speed"}, "none of the metrics that are published of IP-LAP"),
        ],
    )
    def test_nothing_to_compare(self, run, system, more, said):
        with pytest.raises(NothingToCompareError, match=said):
            compare(build(run), read_ledger(), system, **more)

    def test_the_command(self, run):
        said = talkbench("reproduce", run, "--paper", "iplap", "--benchmark", "HDTF")
        assert "28.571" in said
        content = json.loads(
            talkbench(
                *("reproduce", run, "--paper", "iplap", "--benchmark", "HDTF", "--format", "json")
            )
        )
        assert {row["verdict"] for row in content["comparisons"]} <= {"inside", "outside"}
        assert content["cautions"] == []
        assert "--benchmark" in talkbench("reproduce", run, "--paper", "iplap", code=2)


@pytest.fixture
def partial(run, tmp_path):
    """The run as if it were of a longer split, with a failed clip and a note of its suite."""
    shutil.copytree(run, tmp_path / "partial", ignore=shutil.ignore_patterns("videos", "tracks"))
    manifest = json.loads((tmp_path / "partial" / "run.json").read_text())
    manifest["limit"] = 3
    manifest["suite"]["notes"] = ["A note of the suite"]
    (tmp_path / "partial" / "run.json").write_text(json.dumps(manifest))
    log = tmp_path / "partial" / "records.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    spoilt = next(r for r in lines if r["metric"] == "psnr" and r["generator"] == "wav2lip")
    lines.append(spoilt | {"value": None, "status": "failed", "reason": "no face"})
    del lines[-1]["check"]  # of what it was
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path / "partial"


@pytest.mark.data
class TestCautions:
    """What is said beside a run's numbers, wherever they stand beside published ones."""

    SAID = ("Partial: only the first 3 samples", "values failed", "A note of the suite")

    def test_reproduce_says_them(self, partial):
        words = ("reproduce", partial, "--paper", "iplap", "--benchmark", "HDTF")
        for form in ("table", "json"):
            said = talkbench(*words, "--format", form)
            assert all(caution in said for caution in self.SAID)

    def test_boards_say_them_and_give_no_rank_to_a_row_with_failures(self, run, partial):
        words = ("board", "show", "HDTF", "-m", "psnr", "--run", partial)
        for form in ("table", "md", "json"):
            said = talkbench(*words, "--format", form)
            assert all(caution in said for caution in self.SAID)
        mine = json.loads(said)["groups"][0]["entries"]
        assert {e["system"]: e["rank"] for e in mine} == {"IP_LAP": "", "wav2lip": ""}
        whole = talkbench(*words[:-1], run, "--format", "json")
        ranks = [e["rank"] for e in json.loads(whole)["groups"][0]["entries"]]
        assert ranks == ["1\N{EN DASH}2"] * 2


class TestPlanning:
    def test_so_many_speakers_see_the_gap_so_often(self):
        """Simulated: t-tests of normal differences, 4,000 times."""
        rng = np.random.default_rng(0)
        for spread, gap, power in ((1.0, 0.5, 0.8), (2.0, 0.5, 0.9)):
            count = needed(spread, gap, power)
            drawn = rng.normal(gap, spread, (4000, count))
            seen = (ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean()
            assert seen == pytest.approx(power, abs=0.03)

    def test_laws(self):
        assert needed(1, 0.1, 0.8) > needed(1, 0.2, 0.8) > needed(1, 0.2, 0.6)
        assert needed(2, 0.2, 0.8) == needed(1, 0.1, 0.8)
        assert needed(0, 0.1, 0.8) == 5
        assert needed(1, 1e-9, 0.8) == MOST

    @pytest.mark.data
    def test_the_spread_is_the_runs(self, run):
        found = sizes(run, "psnr", "IP_LAP", "wav2lip", 0.1, 0.8)
        difference = build(run, baseline="wav2lip").differences["IP_LAP", "psnr"]
        assert found.difference == pytest.approx(difference.value)
        assert found.half_width == pytest.approx((difference.hi - difference.lo) / 2)
        values = {
            name: [
                json.loads(line)["value"]
                for line in (run / "records.jsonl").read_text().splitlines()
                if json.loads(line)["generator"] == name and json.loads(line)["metric"] == "psnr"
            ]
            for name in ("IP_LAP", "wav2lip")
        }
        apart = np.subtract(*values.values())
        assert found.spread == pytest.approx(np.std(apart, ddof=1))
        assert found.needed == needed(found.spread, 0.1, 0.8)

    @pytest.mark.data
    def test_the_command(self, run):
        words = ("plan", run, "-m", "ssim", "--separate", 0.01, "--between", "IP_LAP", "wav2lip")
        said = talkbench(*words)
        assert "ssim@piq, IP_LAP against wav2lip" in said
        assert "3 speakers say little" in said
        assert "has no metric 'fid'" in talkbench("plan", run, "-m", "fid", *words[4:], code=2)
        assert "has no row 'x'" in talkbench(*words[:-1], "x", code=2)
