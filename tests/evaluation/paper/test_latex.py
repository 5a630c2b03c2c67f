"""LaTeX that compiles: alone, as \\input in two columns, and with names that mean to break it."""

import dataclasses
import re
import shutil
import subprocess
import unicodedata

import pytest

from evaluation.floors import Floors
from evaluation.report import write_report
from evaluation.report.latex_text import escape

needs_tex = pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here")


@pytest.fixture(scope="module")
def tables(paper, paper_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("tex")
    write_report(paper_run, paper, out, ("tex",))
    return out


def pdf_of(folder, name):
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, re.findall(r"^! .*(?:\n.*){4}", done.stdout, re.MULTILINE)
    return (folder / name).with_suffix(".pdf")


def words_of(pdf):
    if not shutil.which("pdftotext"):
        return None
    done = subprocess.run(
        ["pdftotext", "-layout", str(pdf), "-"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    return unicodedata.normalize("NFKC", done.stdout)


@needs_tex
@pytest.mark.parametrize("name", ["results", "ranks"])
def test_each_table_compiles_alone(tables, name):
    text = words_of(pdf_of(tables, f"{name}.tex"))
    if text is not None:
        assert "U+5B57" in text  # pdflatex has no such letter: its number, and no error
        assert "& 50%" in text  # an underscore is a rule, not a letter
        assert "Visual quality" in text
        assert "Lip sync" in text


@needs_tex
def test_both_go_into_a_paper(tables):
    (tables / "paper.tex").write_text(
        r"\documentclass[twocolumn]{article}\usepackage{booktabs,graphicx,xcolor}"
        r"\begin{document}\listoftables Before. \input{results}\input{ranks} After."
        r"\end{document}"
    )
    pdf_of(tables, "paper.tex")
    text = words_of(pdf_of(tables, "paper.tex"))
    if text is not None:
        assert "Before" in text
        assert "After" in text  # the table did not end the document
        assert "List of Tables" in text


@needs_tex
def test_what_the_noise_floor_greys_compiles(paper, paper_run, tmp_path):
    near = {
        k: dataclasses.replace(e, floor=99.0, near_best=True) for k, e in paper.estimates.items()
    }
    noise = Floors({m.spec.name: 99.0 for m in paper.metrics}, 20)
    grey = dataclasses.replace(paper, estimates=near, floors=noise)
    write_report(paper_run, grey, tmp_path, ("tex",))
    assert "xcolor" in (tmp_path / "results.tex").read_text()
    pdf_of(tmp_path, "results.tex")


@needs_tex
def test_every_letter_compiles(tmp_path):
    """All of ASCII and Latin letters, twice in a row too, in text and in a caption."""
    letters = [chr(c) for c in (*range(32, 127), *range(0xA0, 0x180), 0x3B1, 0x5B57, 0x1F600)]
    body = "\n\n".join(escape(f"{c}x{c}{c}") for c in letters)
    char = r"\providecommand{\talkbenchchar}[1]{U+#1}"
    (tmp_path / "all.tex").write_text(
        rf"\documentclass{{article}}{char}\begin{{document}}{body}\end{{document}}"
    )
    pdf_of(tmp_path, "all.tex")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b & 50% \\x $y$", r"a\_b \& 50\% \textbackslash{}x \$y\$"),
        ("#{}~^", r"\#\{\}\textasciitilde{}\textasciicircum{}"),
        ("Żółć", r"\.{Z}\'{o}\l{}\'{c}"),
        ("字", r"\talkbenchchar{5B57}"),
        ("a--b---c", "a-{}-b-{}-{}-c"),
        ("1\N{EN DASH}4", "1--4"),
        ("e\N{COMBINING ACUTE ACCENT}", r"\'{e}"),
        ("a\nb\x1b", "a b?"),
        ("[x]*", "{[}x{]}{*}"),
    ],
)
def test_text_is_escaped(text, shown):
    assert escape(text) == shown


def test_tables_are_ascii_and_balanced(tables):
    for name in ("results.tex", "ranks.tex"):
        text = (tables / name).read_text()
        assert text.isascii()
        code = re.sub(r"(?<!\\)%.*", "", text)
        bare = re.sub(r"\\[\\{}]", "", code)
        assert bare.count("{") == bare.count("}")
        rows = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
        for row in filter(None, rows.splitlines()):
            assert row == r"\addlinespace" or row.endswith(r" \\")
            if row.endswith(r"\\"):
                assert len(re.findall(r"(?<!\\) & ", row)) == 4


def test_columns_stand_in_groups(tables):
    text = (tables / "results.tex").read_text()
    assert r"\multicolumn{2}{c}{Visual quality} & \multicolumn{1}{c}{Identity}" in text
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-4}\cmidrule(lr){5-5}" in text
    assert r"\begin{table*}" in text
    assert r"PSNR $\uparrow$" in text
    assert r"LMD $\downarrow$" in text
    best, second = r"\textbf{", r"\underline{"
    rows = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    assert rows.count(best) == 4
    assert rows.count(second) == 8
