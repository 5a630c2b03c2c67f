"""Ranks on the page, in a browser: what Markdown says of them, and pairs behind a fold."""

import pytest

from evaluation.report import PageChoice, write_report

DASH = "\N{EN DASH}"
ROW = "document.activeElement.closest('td').dataset.r"


@pytest.fixture(scope="module")
def page(paper_run, paper, tmp_path_factory):
    """The page of the paper's run; it has no videos."""
    out = tmp_path_factory.mktemp("ranked")
    (written,) = write_report(paper_run, paper, out, ["html"], PageChoice(clips="none"))
    return written


def cells(tab, row):
    """A row of the table of ranks as a reader of the screen hears it."""
    found = tab.locator("#ranks table.ranks tbody tr").nth(row).locator("td").all_text_contents()
    return [" ".join(text.split()).replace(" ,", ",") for text in found]


def test_ranks_letters_reasons_and_marks_stand_in_the_page(visit, page):
    tab = visit(page)
    heads = tab.locator("#ranks table.ranks tbody th").all_inner_texts()
    assert len(heads) == 5
    assert heads[1] == "near_1 †"
    assert cells(tab, 0) == ["1, tie groups a"] * 4
    assert cells(tab, 1) == cells(tab, 2) == [f"2{DASH}3, tie groups b"] * 4
    assert cells(tab, 3) == ["4‡, tie groups c", *["4, tie groups c"] * 3]
    assert cells(tab, 4) == [DASH] * 4
    stretches = tab.locator("#ranks .may").evaluate_all("all => all.map(p => p.getAttribute('d'))")
    assert stretches[::4] == ["M0 0H1V1H0Z", *["M1 0H3V1H1Z"] * 2, "M3 0H4V1H3Z"]
    said = tab.inner_text("#ranks > .notes")
    assert "A pair is apart where the 95% interval of its paired difference leaves zero out" in said
    assert "partial has no rank by PSNR, SSIM, CSIM, LMD: a value on 19 of 20 clips only." in said
    assert "Not ranked: the reference and anchors, which are no competitors." in said
    assert tab.locator("nav a[href='#ranks']").count() == 1


def test_pairs_unfold_by_keys_and_say_who_is_apart(visit, page):
    tab = visit(page)
    fold = tab.locator("#ranks details").first
    assert not fold.locator("table").is_visible()
    assert "5 of 6 pairs told apart" in fold.inner_text()
    fold.locator("summary").focus()
    tab.keyboard.press("Enter")
    rows = fold.locator("tbody tr").all_inner_texts()
    assert len(rows) == 6
    apart = [row.split("\t")[-1] for row in rows]
    assert apart == ["yes", "yes", "yes", "no", "yes", "yes"]
    one, other, value, interval, p = (part.strip() for part in rows[3].split("\t")[:5])
    assert (one, value[0], interval[0]) == ("near_1", "+", "±")
    assert other != one
    assert 0.05 < float(p) <= 1
    assert "<0.001" in rows[0]


def test_lower_is_better_is_minded_and_curves_are_no_player(visit, page):
    tab = visit(page)
    tab.locator("#results tr", has_text="near_1").locator("td[data-c='3'] .num button").click()
    head = tab.locator("#clips th[aria-sort]")
    assert (head.inner_text(), head.get_attribute("aria-sort")) == ("near_1", "descending")
    shown = tab.locator(f"#clips td[data-r='{tab.evaluate(ROW)}'] button").all_inner_texts()
    assert [float(v) for v in shown] == sorted(map(float, shown), reverse=True)
    assert len(shown) == 20
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    sort = tab.locator("#results th[data-title=LMD]")
    sort.get_by_role("button").click()
    assert sort.get_attribute("aria-sort") == "ascending"
    assert "LMD, best first" in tab.inner_text("#results .status")
    tab.check("#clips input[name=playable]")
    assert tab.locator("#clips tbody tr").count() == 0


def test_nobody_ranked_has_no_section(anchors, tmp_path, visit):
    (written,) = write_report(tmp_path, anchors, tmp_path, ["html"], PageChoice(clips="none"))
    tab = visit(written)
    assert tab.locator("[href='#ranks'], #ranks").count() == 0


@pytest.mark.parametrize("width", [390, 1300])
def test_ranks_fit_the_window(visit, page, width):
    tab = visit(page, width=width)
    tab.evaluate("document.querySelectorAll('#ranks details').forEach(d => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    box = tab.locator("#ranks th[scope=row]").first.bounding_box()
    tab.locator("#ranks .scroll").first.evaluate("part => { part.scrollLeft = 99; }")
    assert tab.locator("#ranks th[scope=row]").first.bounding_box() == box  # names stay
