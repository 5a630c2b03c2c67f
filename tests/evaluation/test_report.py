"""Reports: five formats and a terminal that say the same, safely, with nothing left out."""

import base64
import csv
import dataclasses
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from evaluation.cost import Cost
from evaluation.generator import GeneratorSpec
from evaluation.plan import Plan
from evaluation.records import Record
from evaluation.registry import load_metrics
from evaluation.report import FORMATS, latex, markdown, numbers, print_table, words, write_report
from evaluation.report.failures import grouped_by_reason
from evaluation.results import Difference, Estimate, Results, build
from evaluation.run import execute
from evaluation.sample import Sample
from evaluation.suite import Suite
from metrics import MetricSpec

HOSTILE = "=1+2|<b>&_%$#{}~^\\<script>alert(1)</script>\"' @x \x1b[31m\u202e[*"
DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
REASON = "no <i>face</i> | in 50% of /data/me/its videos_#1"


def metric(name, title, direction, **more):
    protocol = {"input": "frames | <b>whole</b>", "pooling": "mean"}
    spec = MetricSpec(
        name=name,
        version="1",
        title=title,
        direction=direction,
        protocol=protocol,
        source="a paper & its code",
        **more,
    )
    return SimpleNamespace(spec=spec)


PSNR = metric("psnr", "PSNR", "higher", unit="dB", bounds=(0.0, 100.0), perfect=100.0)
LPIPS = metric("lpips@alex", "LPIPS", "lower", bounds=(0.0, np.inf))
FID = metric("fid", "FID", "lower", per_clip=False, assets=("inception-fid",))
SYSTEMS = ("tie_1", "tie_2", "second", "partial", HOSTILE)
ROWS = ("truth", *SYSTEMS)
CLIPS = ("clip_0", "clip_1", HOSTILE)

# generator -> PSNR, its mark, clips scored
CASE = {
    "truth": (100.0, "", 3),
    "tie_1": (31.416, "best", 3),
    "tie_2": (31.4, "best", 3),
    "second": (29.0, "second", 3),
    "partial": (35.0, "", 2),
    HOSTILE: (None, "", 0),
}


def estimate(generator, metric, value, mark, scored, **more):
    half = None if value is None else value / 50
    return Estimate(
        generator=generator,
        metric=metric.spec.name,
        metric_version="1",
        title=metric.spec.title,
        value=value,
        lo=None if half is None else value - half,
        hi=None if half is None else value + half,
        n_scored=scored,
        n_attempted=3,
        n_failed=3 - scored,
        n_not_applicable=0,
        n_speakers=scored,
        n_frames=250 * scored,
        direction=metric.spec.direction,
        unit=metric.spec.unit,
        mark=mark,
        note="" if value is not None else REASON,
        **more,
    )


def record(generator, sample, metric, value, status="ok", reason=""):
    return Record(
        suite="suite_x/1",
        generator=generator,
        sample=sample,
        speaker=f"speaker of {sample}",
        metric=metric.spec.name,
        metric_version="1",
        value=value,
        status=status,
        reason=reason,
        frames=250,
    )


@pytest.fixture
def results():
    """Six rows, three metrics, three clips: two tied, one behind, one partial, one without."""
    estimates, records = {}, []
    for generator, (value, mark, scored) in CASE.items():
        for m, factor in ((PSNR, 1.0), (LPIPS, 0.003), (FID, 0.7)):
            number = None if value is None else value * factor
            estimates[generator, m.spec.name] = estimate(generator, m, number, mark, scored)
            for i, clip in enumerate(CLIPS):
                shown = None if m is FID or i >= scored else number + i * factor
                state = ("ok", "") if i < scored else ("failed", REASON)
                records.append(record(generator, clip, m, shown, *state))
    differences = {
        (g, m.spec.name): Difference(
            generator=g,
            baseline="second",
            metric=m.spec.name,
            value=2.4,
            lo=1.0,
            hi=3.8,
            n_common=CASE[g][2],
            n_speakers=2,
        )
        for g in ("truth", "tie_1", "tie_2", "partial")
        for m in (PSNR, LPIPS, FID)
    }
    kinds = {"truth": "reference"}
    manifest = {
        "suite": {"id": "suite_x/1", "dataset": "d", "setting": "dubbing", "about": "A & B"},
        "every": 10,
        "seed": 0,
        "limit": None,
        "settings": {"data": "folder"},
        "generators": {
            g: dataclasses.asdict(
                GeneratorSpec(name=g, version="1", kind=kinds.get(g, "system"), about=HOSTILE)
            )
            for g in ROWS
        },
        "samples": {c: {"speaker": f"speaker of {c}", "reference": None} for c in CLIPS},
        "environment": {"python": "3.11", "packages": {"numpy": "2"}, "git": "abc-dirty"},
        "commands": [{"at": "2030-01-01", "line": f"talkbench run {HOSTILE}"}],
    }
    cards = (PSNR, LPIPS, FID)
    return Results(manifest, records, ROWS, cards, estimates, differences, "second")


def changed(results, **manifest):
    return dataclasses.replace(results, manifest={**results.manifest, **manifest})


@pytest.fixture
def report(tmp_path):
    """Write all formats; file name -> text."""

    def write(results):
        write_report(tmp_path, results, tmp_path / "out", FORMATS)
        return {p.name: p.read_text() for p in (tmp_path / "out").iterdir() if p.is_file()}

    return write


def terminal(results, width=80, **console):
    file = io.StringIO()
    print_table(results, Console(file=file, width=width, **console))
    return file.getvalue()


class Page(HTMLParser):
    """All tags with their attributes, and the tables as rows of (class, text)."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self.text, self.code = [], [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.code = tag in ("script", "style")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append([dict(attrs).get("class") or "", ""])

    def handle_data(self, data):
        if self.code:
            return
        self.text += data
        if self.tables and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1][1] += data

    def handle_endtag(self, tag):
        self.code = False

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def md_rows(text):
    """First table of a Markdown text: rows of cells, by pipes that are not escaped."""
    lines = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE).group().splitlines()
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def md_tables(text):
    """All tables of a Markdown file."""
    blocks = [b for b in text.split("\n\n") if b.startswith("|")]
    return [[line.strip("| ").split(" | ") for line in b.splitlines()] for b in blocks]


def tex_rows(text):
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].replace("\\addlinespace\n", "")
    lines = [line for line in body.splitlines() if line]
    return [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in lines]


def test_every_format_marks_the_same_cells(results, report):
    files = report(results)
    wanted = [mark for _, mark, _ in CASE.values()]
    rows = list(csv.DictReader(files["results.csv"].splitlines()))
    estimates = json.loads(files["results.json"])["estimates"]
    page = Page(files["index.html"]).tables[0][1:]
    lines = terminal(results, 200).splitlines()
    table = lines[next(i for i, line in enumerate(lines) if "PSNR" in line) + 2 :]
    for column, name in enumerate(("psnr", "lpips@alex", "fid"), start=1):
        assert [r["mark"] for r in rows if r["metric"] == name] == wanted
        assert [e["mark"] for e in estimates if e["metric"] == name] == wanted
        assert [row[column][0].split()[0] if row[column][0] else "" for row in page] == [
            m or ("none" if i == 5 else "") for i, m in enumerate(wanted)
        ]
        for cells, best, second in (
            ([r[column] for r in md_rows(files["results.md"])[2:]], "**", "<ins>"),
            ([r[column] for r in tex_rows(files["results.tex"])], r"\textbf", r"\underline"),
        ):
            marks = [
                "best" if c.startswith(best) else "second" if c.startswith(second) else ""
                for c in cells
            ]
            assert marks == wanted
    for line, (value, mark, _) in zip(table, CASE.values(), strict=False):
        sign = {"best": "*", "second": "+", "": " "}[mark]
        shown = DASH if value is None else f"{value:.2f}"
        assert f"{shown}{sign}" in line
    styled = terminal(results, 200, force_terminal=True)
    assert "\x1b[1m31.42" in styled
    assert "\x1b[4m29.00" in styled


def test_every_format_prints_the_same_numbers(results, report):
    files = report(results)
    page = [cell[1] for cell in Page(files["index.html"]).tables[0][2]]
    for text in (
        " ".join(md_rows(files["results.md"])[3]),
        " ".join(page),
        terminal(results),
        " ".join(tex_rows(files["results.tex"])[1]).replace(r"$\pm$", "±"),
    ):
        for shown in ("31.42", "±0.63", "0.0942", "±0.0019", "21.99", "±0.44"):
            assert shown in text
    table = md_rows(files["results.md"])  # rows differ in frames: each says its own
    assert table[0][3] == "FID ↓"
    assert table[3][3].endswith("750 frames")
    assert table[6][3].endswith("500 frames")


def test_a_set_metric_says_its_frames_in_the_head_where_all_rows_agree(results, report):
    whole = dataclasses.replace(results, generators=ROWS[:4], estimates={
        key: e for key, e in results.estimates.items() if key[0] in ROWS[:4]
    })  # fmt: skip
    files = report(whole)
    assert "750 frames" in Page(files["index.html"]).tables[0][0][3][1]
    assert md_rows(files["results.md"])[0][3] == "FID ↓ (750 frames)"
    assert "FID over 750 frames" in files["results.tex"]
    assert "750 frames" in terminal(whole)


def test_partial_coverage_is_shown_and_never_marked(results, report):
    files = report(results)
    page = Page(files["index.html"]).tables[0][5]
    assert "2/3 clips" in page[1][1]
    assert page[1][0].strip() == ""
    assert md_rows(files["results.md"])[6][1] == "35.00 ±0.70 (2/3)"
    assert "(2/3)" in tex_rows(files["results.tex"])[4][1]
    assert re.search(r"partial +35\.00 +±0\.70 +2/3", terminal(results))
    assert "2/3" not in " ".join(md_rows(files["results.md"])[3])
    assert "interval over 2 to 3 speakers" in files["results.md"]


def test_coverage_stands_apart_for_every_cell(results, report):
    whole = results.estimates["partial", "psnr"]
    results.estimates["partial", "psnr"] = dataclasses.replace(
        whole, n_attempted=2, n_failed=0, n_not_applicable=1
    )
    files = report(results)
    table = files["results.md"].split("## Coverage")[1].split("##")[0]
    rows = {row.split(" | ")[0].strip("| "): row for row in table.strip().splitlines()}
    assert "| 3/3 | 3/3 | 3/3 |" in rows["tie\\_1"]
    assert "| 2/2 (1 not applicable) | 2/3 (1 failed) | 2/3 (1 failed) |" in rows["partial"]
    assert "2/2" in Page(files["index.html"]).text
    cell = '>2/2<span class="sub">1 not applicable</span><span class="sub">2 speakers, 500 frames'
    assert cell in files["index.html"]


def test_marks_by_value_are_said_to_be(results, report):
    assert "by value, since fewer than 5 speakers" in report(results)["results.md"]
    results.manifest["samples"] |= {f"x{i}": {"speaker": f"x{i}"} for i in range(4)}
    assert "cannot tell apart share a mark" in report(results)["results.md"]


def test_a_cell_without_a_value_says_why(results, report):
    files = report(results)
    page = Page(files["index.html"])
    assert page.tables[0][6][1][1].split()[:2] == [f"{DASH}a", "0/3"]
    short = "no <i>face</i> | in 50% of its videos_#1"
    assert f"a {short}" in page.text
    assert md_rows(files["results.md"])[7][1] == f"{DASH}<sup>a</sup> (0/3)"
    assert f"<sup>a</sup> {markdown.escape(short)}" in files["results.md"]
    assert r"--\textsuperscript{a}" in files["results.tex"]
    assert latex.escape(short) in files["results.tex"]
    assert f"(a) {short}" in terminal(results)
    assert all("/data/me" not in files[f] for f in ("index.html", "results.md", "results.tex"))


def test_a_run_that_stopped_says_so(results, report):
    del results.estimates["second", "psnr"]
    some = [r for r in results.records if (r.generator, r.metric) != ("second", "psnr")]
    stopped = changed(dataclasses.replace(results, records=some), limit=3)
    files = report(stopped)
    for text in (files["index.html"], files["results.md"], terminal(stopped, 120)):
        assert "Unfinished: 3 of 54 values are not computed yet" in text
        assert "Partial: only the first 3 samples of the suite" in text
        assert "not computed yet; run the same command again" in text
        assert "0/3" in text
    assert "Partial" in files["results.tex"]


def test_a_metric_that_was_trained_for_is_marked_in_its_column_alone(results, report):
    generators = dict(results.manifest["generators"])
    generators["tie_1"] = {**generators["tie_1"], "optimises": ("lpips",)}
    trained = changed(results, generators=generators)
    files = report(trained)
    for text in (files["results.md"], terminal(trained, 200), files["index.html"]):
        assert "‡ was trained with the network or score behind this metric" in text
        assert text.count("0.0942‡") == 1
        assert text.count("‡") == 2
    assert files["results.tex"].count(r"\textdaggerdbl{}") == 2
    assert "‡" not in terminal(results, 200)


def test_costs_stand_in_every_format(results, report):
    spent = {
        "tie_1": Cost(3, 0.123456, 812.4, None, ("cpu",)),
        "truth": Cost(1, None, None, 77.6, ("cuda:0", "cpu")),
    }
    costly = dataclasses.replace(results, costs=spent)
    files = report(costly)
    rows = next(t for t in md_tables(files["results.md"]) if "s a frame" in t[0])
    assert rows[2:] == [
        ["truth", DASH, DASH, "78", "cuda:0, cpu", "1"],
        ["tie\\_1", "0.123", "812", DASH, "cpu", "3"],
    ]
    kept = next(csv.DictReader(files["costs.csv"].splitlines()))
    assert (kept["generator"], kept["clips"], kept["seconds_per_frame"]) == (
        "tie_1",
        "3",
        "0.123456",
    )
    assert files["results.json"] == report(results)["results.json"]
    page = next(t for t in Page(files["index.html"]).tables if "s a frame" in str(t[0]))
    shown = [cell[1].split("\n")[0] for cell in page[2]]
    assert shown == ["tie_1", "0.123", "812", DASH, "cpu", "3"]
    assert "Cost of tie_1: 0.123 s a frame, 812 MB, cpu, 3 clips" in terminal(costly, 200)
    assert "Cost of truth" not in terminal(costly, 200)  # systems alone
    assert "## Cost" not in report(results)["results.md"]


def test_one_speaker_gets_no_interval(results, report):
    lone = {
        key: dataclasses.replace(e, lo=None, hi=None, n_speakers=1)
        for key, e in results.estimates.items()
    }
    files = report(dataclasses.replace(results, estimates=lone, differences={}))
    for name in ("index.html", "results.md", "results.tex"):
        assert "One speaker: no interval" in files[name]
        assert "±" not in files[name].replace("± and", "")
    assert "Differences to" not in files["index.html"]


def test_nobody_can_write_into_the_page(results, report):
    text = report(results)["index.html"]
    page = Page(text)
    assert len(page.all("script")) == 2
    assert [s.get("type") for s in page.all("script")] == ["application/json", None]
    assert "<script>alert" not in text
    assert all(not name.startswith("on") for _, attrs in page.tags for name in attrs)
    shown = words.printable(HOSTILE)
    assert page.text.count(shown) > 5
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_page_asks_for_nothing_from_outside(results, report):
    text = report(results)["index.html"]
    page = Page(text)
    for _, attrs in page.tags:
        assert attrs.get("href", "#").startswith("#")
        assert attrs.get("src", "data:").startswith("data:")
        assert not {"srcset", "action", "data", "poster"} & attrs.keys()
    assert not page.all("link")
    style = text.split("<style>")[1].split("</style>")[0]
    assert set(re.findall(r"url\((.)", style)) <= {"#"}  # filters of the page itself
    assert "@import" not in style
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
    script = text.split("<script>")[1].split("</script>")[0]
    assert policy.startswith("default-src 'none'")
    for name, inside in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert all("style" not in attrs for _, attrs in page.tags)


def test_no_cell_of_the_csv_is_a_formula(results, report):
    files = report(results)
    for name in ("results.csv", "clips.csv"):
        rows = list(csv.reader(io.StringIO(files[name], newline="")))
        assert len({len(row) for row in rows}) == 1
        cells = [cell for row in rows for cell in row]
        assert f"'{HOSTILE}" in cells
        assert not [c for c in cells if re.match(r"[=+@\t\r]|-(?![\d.])", c)]
    row = next(csv.DictReader(files["results.csv"].splitlines()))
    assert {"suite", "every", *(f.name for f in dataclasses.fields(Estimate))} <= row.keys()
    assert float(row["value"]) == 100.0
    assert len(list(csv.DictReader(io.StringIO(files["clips.csv"])))) == len(results.records)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a_b%c&d#e$f{g}h", r"a\_b\%c\&d\#e\$f\{g\}h"),
        ("~^\\", r"\textasciitilde{}\textasciicircum{}\textbackslash{}"),
        ("[*]", "{[}{*}{]}"),
        ("a--b-c", "a-{}-b-c"),
        (f"±{DASH}{MINUS}", "$\\pm$--$-$"),
        ("line\nbreak\x00", "line break?"),
    ],
)
def test_latex_prints_any_text_as_it_is(text, safe):
    assert latex.escape(text) == safe


def test_the_latex_table_is_whole(results, report):
    text = report(results)["results.tex"]
    rows = tex_rows(text)
    assert [len(row) for row in rows] == [4] * 6
    depth = 0
    for brace in re.findall(r"(?<!\\)(?:\\\\)*([{}])", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert not re.search(r"(?<!\\)[#^~_]", "\n".join(text.splitlines()[1:]).split("tabular")[1])
    assert text.count(r"\begin{") == text.count(r"\end{") == 3
    for said in (r"suite\_x/1", "3 clips of 3 speakers, every 10th frame", r"$\uparrow$"):
        assert said in text


def test_markdown_tables_keep_their_columns(results, report):
    text = report(results)["results.md"]
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(row) for row in md_rows(table)}) == 1
    assert set(re.findall(r"<[^>\n]*>?", text)) == {"<sup>", "</sup>", "<ins>", "</ins>"}


def test_json_is_strict(results, report):
    def refuse(name):
        raise AssertionError(name)

    inside = report(results)["results.json"]
    assert json.loads(inside, parse_constant=refuse)["baseline"] == "second"


def test_an_unknown_format_is_refused(results, tmp_path):
    with pytest.raises(ValueError, match=r"no format pdf; known: html, md, csv, tex, json"):
        write_report(tmp_path, results, tmp_path / "out", ["md", "pdf"])
    assert not (tmp_path / "out").exists()


def test_what_is_written_is_returned_and_nothing_else_is_there(results, tmp_path):
    written = write_report(tmp_path, results, tmp_path / "out", FORMATS)
    names = [
        "index.html",
        "results.md",
        "results.csv",
        "clips.csv",
        "costs.csv",
        "results.tex",
        "results.json",
    ]
    assert [p.name for p in written] == names
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted([*names, "clips"])


def test_the_terminal_needs_neither_colour_nor_width(results):
    many = tuple(metric(f"m{i}", f"Metric {i}", "lower") for i in range(9))
    more = {
        (g, m.spec.name): estimate(g, m, value, mark, scored)
        for g, (value, mark, scored) in CASE.items()
        for m in many
    }
    long = dataclasses.replace(
        results, metrics=results.metrics + many, estimates={**results.estimates, **more}
    )
    text = terminal(long)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert all(f"{m.spec.title} ↓" in text for m in many)
    assert text.count("tie_1") > 3
    assert f"{words.printable(HOSTILE)[:27]}…" in text
    assert "* best, + second" in text
    assert terminal(long, 400).count("tie_1") == 1


def test_failures_are_told_by_reason(results):
    def failed(sample, reason):
        return record("g", sample, PSNR, None, "failed", reason)

    alike = [failed(f"s{i}", f"generated /x/s{i}.mp4: ends after {i} of 250") for i in range(3)]
    groups = grouped_by_reason([failed("t", "no face"), *alike])
    assert [(g.values, g.reason) for g in groups] == [
        (3, "generated s0.mp4: ends after 0 of 250 (and alike)"),
        (1, "no face"),
    ]
    many = [failed("s", f"reason {'abcdefgh'[i]}") for i in range(8)]
    text = terminal(dataclasses.replace(results, records=many))
    assert "reason e" in text
    assert "reason f" not in text
    assert "… and 3 values more, see records.jsonl" in text


@pytest.mark.parametrize(
    ("values", "digits"),
    [
        ([100.0, 31.4], 2),
        ([31.4], 2),
        ([5.123], 3),
        ([1.0, 0.9], 4),
        ([0.05], 4),
        ([0.00012], 6),
        ([0.0], 4),
        ([], 4),
        ([12345.6], 2),
        ([float("nan"), 3.0], 3),
    ],
)
def test_digits_follow_the_column(values, digits):
    assert numbers.decimals(values) == digits


@pytest.mark.parametrize(
    ("value", "lo", "hi", "shown"),
    [
        (31.0, 30.5, 31.5, "±0.50"),
        (1.0, 0.0, 3.0, "[0.00, 3.00]"),
        (1.0, 0.999, 1.001, "±<0.01"),
        (1.0, 1.0, 1.0, "±0.00"),
        (-1.0, -3.0, -0.5, f"[{MINUS}3.00, {MINUS}0.50]"),
        (1.0, None, None, ""),
    ],
)
def test_intervals_read_to_the_digits_of_their_value(value, lo, hi, shown):
    assert numbers.interval(value, lo, hi, 2) == shown


def test_zero_has_no_sign():
    assert [numbers.number(v, 2, sign=True) for v in (-0.001, 0.001, 1, -1)] == [
        "0.00",
        "0.00",
        "+1.00",
        f"{MINUS}1.00",
    ]


def test_paths_leave_a_reason_and_fractions_stay():
    assert words.plain("reference /a/b c.mp4: bad") == "reference b c.mp4: bad"
    assert words.plain("runs/x/clip.mp4: 3/4 of psnr/1, 5/6.5") == "clip.mp4: 3/4 of psnr/1, 5/6.5"
    assert words.plain("see https://x.org/a/b.pt") == "see https://x.org/a/b.pt"


# From here on with videos.


@dataclasses.dataclass(frozen=True)
class Leaves:
    """A generator whose videos lie elsewhere already."""

    name: str
    files: dict
    kind: str = "system"

    @property
    def spec(self):
        return GeneratorSpec(name=self.name, version="1", kind=self.kind, about="test")

    def generate(self, sample, out, seed):
        del out, seed
        return self.files[sample.id]


@pytest.fixture
def run(tmp_path, write_clip):
    """Seven clips, one with a hostile id; ``sharp`` is whole, ``short`` lacks frames on one."""
    ids = [HOSTILE.replace("/", ":"), *(f"clip{i}" for i in range(6))]
    truth, sharp, short = {}, {}, {}
    for i, name in enumerate(ids):
        truth[name], sharp[name] = tmp_path / f"t{i}.mp4", tmp_path / f"s{i}.mp4"
        write_clip(truth[name], seed=i, width=176, height=144)
        write_clip(sharp[name], seed=i + 50, width=176, height=144)
        short[name] = sharp[name]
    short["clip0"] = tmp_path / "short.mp4"
    write_clip(short["clip0"], frames=7, seed=1, width=176, height=144)
    samples = [
        Sample(id=n, speaker=f"p{i % 3}", video=truth[n], audio=None, reference=truth[n])
        for i, n in enumerate(ids)
    ]
    plan = Plan(
        suite=Suite(name="t", version="1", dataset="d", setting="reconstruction", metrics=()),
        metrics=tuple(load_metrics(["psnr"])),
        generators=(
            Leaves("truth", truth, "reference"), Leaves("sharp", sharp), Leaves("short", short)
        ),
        samples=tuple(samples),
        every=1,
        settings={},
    )  # fmt: skip
    root = tmp_path / "run"
    execute(plan, root)
    (root / "videos" / "sharp" / "clip1.json").unlink()  # nobody knows where it lies any more
    return root


def test_the_contact_sheet_shows_the_same_frames_of_all_videos(run, tmp_path):
    write_report(run, build(run), tmp_path / "out", ["html"])
    text = (tmp_path / "out" / "index.html").read_text()
    page = Page(text)
    pictures = page.all("img")
    # Six samples of reference, sharp and short; clip0 of short ends early, clip1 of sharp is gone.
    shown = [p["alt"] for p in pictures]
    assert len(shown) == 6 * 3 * 5 - 1 - 5
    assert shown[:2] == ["truth, frame 0", "truth, frame 2"]
    assert shown[14] == "short, frame 8"
    assert "of the first 6 of 7 clips" in page.text
    assert page.text.count("video not found") == 1
    assert page.text.count("the video ends here") == 1
    for picture in pictures:
        kind, data = picture["src"].split(",", 1)
        assert kind == "data:image/jpeg;base64"
        assert base64.b64decode(data)[:2] == b"\xff\xd8"
        assert (picture["width"], picture["height"]) == ("147", "120")


def test_a_video_inside_the_run_needs_no_note(run, tmp_path, write_clip):
    write_clip(run / "videos" / "sharp" / "clip1.mp4", seed=9)
    write_report(run, build(run), tmp_path / "out", ["html"])
    assert "video not found" not in (tmp_path / "out" / "index.html").read_text()
