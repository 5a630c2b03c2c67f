"""Ranks of a run in every format: they agree, and who has none says why."""

import csv
import io
import json
import re

import pytest
from click.testing import CliRunner
from rich.console import Console

from evaluation.cli import main
from evaluation.report import print_table, write_report
from evaluation.results import build

DASH = "\N{EN DASH}"


@pytest.fixture(scope="module")
def report(paper, paper_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    write_report(paper_run, paper, out, ("md", "csv", "tex", "json"))
    return {p.name: p.read_text() for p in out.iterdir()}


def ranks(results, metric="psnr"):
    return {s.generator: s.shown.replace(DASH, "-") for s in results.rankings[metric].standings}


@pytest.mark.parametrize("metric", ["psnr", "lmd@vico"])
def test_ranks_of_a_run(paper, names, metric):
    assert ranks(paper, metric) == {
        names("hostile"): "1",
        "near_1": "2-3",
        names("foreign"): "2-3",
        "last": "4",
        "truth": "",
        "blur": "",
        names("partial"): "",
    }
    why = {s.generator: s.why for s in paper.rankings[metric].standings}
    assert why[names("partial")] == "a value on 19 of 20 clips only"
    assert why["truth"] == "the reference itself"
    assert why["blur"].startswith("an anchor")
    assert why["last"] == ""
    assert paper.rankings[metric].speakers == 10
    assert paper.rankings[metric].clips == 20


def test_marks_follow_the_ranks(paper, names):
    marks = {g: paper.estimates[g, "psnr"].mark for g in paper.generators}
    assert {g for g, m in marks.items() if m == "best"} == {names("hostile")}
    assert {g for g, m in marks.items() if m == "second"} == {"near_1", names("foreign")}


def test_anchors_are_ranked_on_request_alone(paper_run, names):
    asked = ranks(build(paper_run, rank_anchors=True))
    assert asked["blur"] == "5"
    assert asked[names("hostile")] == "1"
    assert asked["truth"] == ""


def test_anchors_alone_are_marked_and_have_no_rank(anchors, names, tmp_path):
    assert set(ranks(anchors).values()) == {""}
    assert anchors.estimates[names("hostile"), "psnr"].mark == "best"
    written = write_report(tmp_path, anchors, tmp_path, ("md", "csv", "tex"))
    assert "ranks.tex" not in {p.name for p in written}
    assert "## Ranks" not in (tmp_path / "results.md").read_text()


def test_contamination_and_aims_are_marked(paper):
    standings = {s.generator: s for s in paper.rankings["psnr"].standings}
    assert standings["near_1"].trained_on == ("hdtf",)
    assert not standings["last"].trained_on
    assert standings["last"].optimises
    assert not {s.generator: s for s in paper.rankings["lmd@vico"].standings}["last"].optimises


def test_formats_agree(report, paper, names):
    table = report["results.md"].split("## Ranks")[1].split("##")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    cells = [re.split(r"(?<!\\)\|", row)[2].strip() for row in rows]
    assert cells == [
        "1 <sup>a</sup>",
        f"2{DASH}3 <sup>b</sup>",
        f"2{DASH}3 <sup>b</sup>",
        "4‡ <sup>c</sup>",
        DASH,
    ]
    assert "near\\_1 †" in rows[1]
    assert "partial has no rank by PSNR, SSIM, CSIM, LMD: a value on 19 of 20 clips only" in table
    assert "Not ranked: the reference and anchors, which are no competitors" in table
    assert "max-t): 4 rows on 20 common clips of 10 speakers" in table
    assert table.count("common clips") == 1
    kept = {r["generator"]: r for r in csv.DictReader(io.StringIO(report["results.csv"]))}
    assert (kept["near_1"]["rank_highest"], kept["near_1"]["rank_lowest"]) == ("2", "3")
    assert kept["near_1"]["trained_on_this"] == "True"
    assert kept["partial"]["rank_highest"] == ""
    assert "19 of 20" in kept["partial"]["unranked_because"]
    pairs = list(csv.DictReader(io.StringIO(report["pairs.csv"])))
    assert len(pairs) == 4 * 6
    tex = report["ranks.tex"].split(r"\midrule")[1].split(r"\bottomrule")[0]
    assert tex.count(r"2--3\textsuperscript{b}") == 8
    assert tex.count(r"1\textsuperscript{a}") == 4
    ranking = json.loads(report["results.json"])["rankings"][0]
    assert ranking["metric"] == "psnr"
    assert [(s["highest"], s["lowest"], s["letters"]) for s in ranking["standings"]][:2] == [
        (1, 1, "a"),
        (2, 3, "b"),
    ]
    screen = io.StringIO()
    print_table(paper, Console(file=screen, width=80))
    text = screen.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(rf"^near_1 † +2{DASH}3 b +2{DASH}3 b", text, re.MULTILINE)
    assert re.search(rf"^partial +{DASH} +{DASH} +{DASH}", text, re.MULTILINE)


def test_four_speakers_separate_nobody(few, names):
    assert set(ranks(few).values()) == {"1-4", ""}
    assert not any(p.separated for r in few.rankings.values() for p in r.pairs)
    assert "With fewer than 5 speakers" in few.rankings["psnr"].rule
    assert few.estimates[names("hostile"), "psnr"].mark == "best"


def test_the_command_ranks_anchors(paper_run, tmp_path):
    words = ("report", paper_run, "-o", tmp_path / "out", "--format", "md", "--rank-anchors")
    done = CliRunner().invoke(main, [str(w) for w in words])
    assert done.exit_code == 0, done.output
    table = (tmp_path / "out" / "results.md").read_text().split("## Ranks")[1]
    assert "5 <sup>d</sup>" in table
    assert "Not ranked: the reference, which is no competitor" in table
