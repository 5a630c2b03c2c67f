"""Figures that a paper can print: nothing overlaps, is dated, or is left out unsaid."""

import itertools
import re

import pytest
from click.testing import CliRunner

from evaluation.cli import main

pytest.importorskip("matplotlib")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from evaluation.figures import KINDS, forest, radar, scatter, strips, write_figures
from evaluation.figures.style import WIDTH, context, drawable, look
from evaluation.plan import UnusableInputError
from evaluation.report.cells import lay_out


def drawn(kind, results):
    layout = lay_out(results)
    first, _, third, _ = layout.columns
    return {
        "scatter": lambda: scatter.draw(results, layout, first, third),
        "strips": lambda: strips.draw(results, layout, first),
        "forest": lambda: forest.draw(results, layout, first),
        "radar": lambda: radar.draw(results, layout, layout.columns),
    }[kind]()


def texts(figure):
    """Every visible text with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    ticks, beyond = set(), set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks |= {id(t) for t in axis._update_ticks()}
            every = [*axis.majorTicks, *axis.minorTicks]
            beyond |= {id(x) for t in every if id(t) not in ticks for x in (t.label1, t.label2)}
    found = []
    for text in figure.findobj(Text):
        if id(text) not in beyond and text.get_visible() and text.get_text().strip():
            box = text.get_window_extent(canvas.get_renderer())
            found.append((text.get_text(), box))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_overlaps_or_leaves_the_figure(paper, kind):
    with context():
        figure = drawn(kind, paper)
        boxes = texts(figure)
    width, height = figure.get_size_inches() * figure.dpi
    assert figure.get_figwidth() == WIDTH
    assert len(boxes) > 6
    assert not any(t.get_parse_math() for t in figure.findobj(Text))  # a dollar sign is one
    for text, box in boxes:
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= width + 1, text
        assert box.y1 <= height + 1, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1
        assert apart, (one, other)


def test_the_command_writes_the_same_bytes_again(paper_run, tmp_path, monkeypatch):
    for name, date in (("a", "1"), ("b", "2000000000")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", date)
        words = ["--kind", "forest", "-m", "psnr", "-o", tmp_path / name]
        done = CliRunner().invoke(main, ["figures", *map(str, (paper_run, *words))])
        assert done.exit_code == 0, done.output
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == ["forest-psnr.pdf", "forest-psnr.png", "forest-psnr.svg"]
    for name in names:
        data = (tmp_path / "a" / name).read_bytes()
        assert data == (tmp_path / "b" / name).read_bytes(), name
        assert not re.search(rb"20\d\d-\d\d-\d\d|CreationDate", data), name
    pdf = (tmp_path / "a" / "forest-psnr.pdf").read_bytes()
    assert b"/FontFile2" in pdf  # embedded
    assert b"/Type3" not in pdf
    assert b"<text" not in (tmp_path / "a" / "forest-psnr.svg").read_bytes()


def test_the_forest_shows_all_pairs_and_which_are_apart(paper):
    with context():
        figure = drawn("forest", paper)
    axes = figure.axes[0]
    assert len(axes.get_yticks()) == 6
    ranking = paper.rankings["psnr"]
    fills = [
        line.get_markerfacecolor() for line in axes.lines if line.get_marker() not in ("None", "")
    ]
    assert [f != "white" for f in fills] == [p.separated for p in ranking.pairs]
    assert "all 6 pairs together" in figure.get_supxlabel()


def test_few_speakers_are_said_to_separate_nobody(few):
    with context():
        said = drawn("forest", few).get_supxlabel()
    assert "4 speakers: with fewer than 5 nothing can be told apart" in " ".join(said.split())


def test_partial_rows_are_hollow_or_said(paper, names):
    with context():
        figure = drawn("scatter", paper)
        marks = {c.get_label(): c[0].get_markerfacecolor() for c in figure.axes[0].containers}
        labels = [t.get_text() for t in drawn("strips", paper).axes[0].get_yticklabels()]
    assert [label for label, face in marks.items() if face == "white"] == [names("partial")]
    assert "Hollow: not every clip has a value" in figure.get_supxlabel()
    assert f"{names('partial')}\n19/20 clips" in labels
    with context():
        wheel = drawn("radar", paper)
    dashed = [x.get_label() for x in wheel.axes[0].lines if x.get_linestyle() == "--"]
    assert dashed == [names("partial")]
    assert "Dashed: not every clip has a value" in wheel.get_supxlabel()
    assert not any("truth" in label for label in (*marks, *labels))


def test_every_clip_is_a_point(paper):
    with context():
        axes = drawn("strips", paper).axes[0]
    assert [len(c.get_offsets()) for c in axes.collections] == [20] * 5 + [19]


def test_rows_differ_in_colour_or_shape_for_long():
    assert len({tuple(look(i).values()) for i in range(77)}) == 77


def test_names_are_drawn_as_they_are():
    assert drawable("$x_1$ \\frac") == "$x_1$ \\frac"
    assert drawable("字") == "U+5B57"
    assert max(map(len, drawable("w" * 90).splitlines())) == 28
    assert drawable("w" * 90).replace("\n", "") == "w" * 90


def test_scatters_are_of_the_metrics_asked_for_or_one_of_each_group(paper, tmp_path):
    for metrics, names in (
        ((), ["scatter-csim-sface-lmd-vico", "scatter-psnr-csim-sface", "scatter-psnr-lmd-vico"]),
        (("ssim", "psnr"), ["scatter-psnr-ssim-skimage-wang"]),
    ):
        written, nothing = write_figures(
            paper, tmp_path / str(len(metrics)), kinds=["scatter"], formats=["svg"], metrics=metrics
        )
        assert sorted(p.stem for p in written) == names
        assert nothing == []


def test_what_cannot_be_drawn_says_why(anchors, tmp_path):
    written, nothing = write_figures(
        anchors, tmp_path, kinds=["forest", "radar"], formats=["svg"], metrics=["psnr", "lmd"]
    )
    assert written == []
    assert nothing == [
        "forest-psnr, no two rows with a rank and an interval",
        "forest-lmd-vico, no two rows with a rank and an interval",
        "radar, it takes three metrics and two rows that have them all",
    ]


def test_what_is_not_there_is_refused_by_name(paper, tmp_path):
    for words, message in (
        ({"kinds": ["pie"]}, "no kind pie; known: scatter, strips, forest, radar"),
        ({"formats": ["gif"]}, "no format gif; known: png, pdf, svg"),
        ({"metrics": ["fid"]}, "no metric 'fid' in this run; it has psnr"),
    ):
        with pytest.raises(UnusableInputError, match=message):
            write_figures(paper, tmp_path / "out", **words)
    assert not (tmp_path / "out").exists()
