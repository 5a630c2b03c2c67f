"""The page in a real Chromium, from disk: what is sorted, played, stepped and drawn."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from evaluation.store import ValueStore


@pytest.fixture
def opened(visit, page):
    """Open the page, or another of its kind, and wait until its script is through."""

    def show(path=page, **more):
        tab = visit(path, **more)
        tab.wait_for_selector("html[data-ready]")
        return tab

    return show


def at(tab, frame):
    """Wait until the viewer shows that frame."""
    tab.wait_for_selector(f"dialog[data-frame='{frame}']")


def first_clip(opened, **more):
    tab = opened(after="#clip=0", **more)
    at(tab, 0)
    return tab


def numbers_shown(tab, picture, numbers, but=()):
    """The numbers in all tiles of one screenshot, by system; one picture, so one moment."""
    area = tab.locator(".panels").bounding_box()
    whole = picture(tab.screenshot(clip=area, type="jpeg"))
    boxes = tab.eval_on_selector_all(
        ".panel:has(canvas):not(:has(.note:not([hidden])))",
        "all => all.map(p => [p.querySelector('b').textContent,"
        " p.querySelector('canvas').getBoundingClientRect().toJSON()])",
    )
    found = {}
    for name, box in boxes:
        x, y = round(box["x"] - area["x"]), round(box["y"] - area["y"])
        w, h = round(box["width"]), round(box["height"])
        if name not in but:
            found[name] = numbers.read(whole[y : y + h, x : x + w])
    return found


def test_columns_sort_best_first_and_say_so(opened):
    tab = opened()
    head = tab.locator("#results th[data-title=PSNR]")
    values = "els => els.map(e => e.dataset.v)"

    def column():
        return tab.eval_on_selector_all("#results td[data-c='0']", values)

    given = column()
    numbers = sorted(map(float, filter(None, given)))
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(v) for v in column() if v] == numbers[::-1] != [float(v) for v in given if v]
    assert "PSNR, best first" in tab.inner_text("#results .status")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [float(v) for v in column() if v] == numbers
    assert tab.locator("#results [aria-sort]").count() == 1


def test_rows_and_columns_are_filtered_and_counted(opened):
    tab = opened()
    tab.fill("#results input[type=search]", "SHO")
    assert tab.locator("#results tbody tr:visible").count() == 1
    assert "1 of 6 rows" in tab.inner_text("#results .status")
    tab.fill("#results input[type=search]", "")
    tab.uncheck("#results input[data-kind=reference]")
    assert tab.locator("#results tbody tr:visible").count() == 5
    tab.click("#results summary")
    tab.uncheck("#results input[data-column='1']")
    assert tab.locator("#results thead th:visible").count() == 2
    assert "5 of 6 rows, 1 of 2 metrics" in tab.inner_text("#results .status")


def test_a_cell_opens_its_clips_and_a_clip_its_player(opened, numbers):
    tab = opened()
    tab.click("#results tr[data-r='5'] td[data-c='1'] .num button")  # voice under SSIM
    assert tab.input_value("#clips select[name=metric]") == "1"
    head = tab.locator("#clips th[aria-sort]")
    assert (head.inner_text(), head.get_attribute("aria-sort")) == ("voice", "ascending")
    shown = [float(v) for v in tab.locator("#clips td[data-r='5'] button").all_inner_texts()]
    assert shown == sorted(shown)
    assert len(shown) == 4
    tab.keyboard.press("Enter")  # the first of them has the focus
    at(tab, 0)
    worst = tab.inner_text("#clips tbody tr:first-child th button")
    assert tab.inner_text("dialog h2 span") == worst != "clip-d"
    assert tab.locator(".panel.asked b").inner_text() == "voice"


def test_a_difference_opens_its_clips_and_strong_colours_are_good(opened):
    tab = opened()
    rows = tab.locator("#differences tbody tr")
    rows.filter(has_text="voice").locator("td[data-c='1'] .num button").click()
    head = tab.locator("#clips th[aria-sort]")
    assert (head.inner_text(), tab.input_value("#clips select[name=metric]")) == ("voice", "1")
    assert tab.evaluate("document.activeElement.closest('td').dataset.r") == "5"
    ink = "e => Number(/\\/ ([\\d.]+)\\)/.exec(getComputedStyle(e).backgroundColor)[1])"
    cells = tab.locator("#clips td.tint")
    values = [float(v) for v in cells.all_inner_texts()]
    inks = [cells.nth(i).evaluate(ink) for i in range(len(values))]
    assert [v for _, v in sorted(zip(inks, values, strict=True))] == sorted(values)
    assert max(inks) > 0.2


def test_clips_are_filtered_by_name_failure_and_player(opened):
    tab = opened()
    rows = tab.locator("#clips tbody tr")
    assert rows.count() == 4
    tab.check("#clips input[name=failed]")
    assert rows.count() == 1
    assert "1 of 4 clips" in tab.inner_text("#clips .status")
    failed = tab.locator("#clips td.status-failed")
    assert failed.count() == 2
    assert "generated has 20 frames, reference 30" in failed.first.inner_text()
    tab.uncheck("#clips input[name=failed]")
    tab.check("#clips input[name=playable]")
    assert rows.count() == 3
    tab.fill("#clips input[type=search]", "clip-c")
    assert rows.count() == 1
    assert "3 of 4 clips have a player" in tab.inner_text("#clips")


def test_all_systems_show_the_same_frame_stepped_scrubbed_and_played(opened, picture, numbers):
    tab = first_clip(opened)
    systems = {"truth", "same", "voice", "short", tab.inner_text("#results tr[data-r='2'] th")}

    def all_show(frame):
        at(tab, frame)
        shown = numbers_shown(tab, picture, numbers)
        assert set(shown.values()) == {frame}, shown
        return shown

    assert len(all_show(0)) == len(systems) == 5
    for frame in (1, 2, 3):
        tab.keyboard.press("ArrowRight")
        all_show(frame)
    tab.keyboard.press("Shift+ArrowRight")
    all_show(13)
    tab.keyboard.press(",")
    all_show(12)
    tab.fill("dialog input[name=frame]", "7")
    all_show(7)
    tab.keyboard.press("End")
    assert len(all_show(29)) == 4  # short has ended
    tab.keyboard.press("ArrowRight")
    all_show(29)
    tab.keyboard.press("Home")
    all_show(0)
    tab.focus("dialog [name=play]")
    tab.keyboard.press("l")  # round and round, however long the screenshots take
    tab.keyboard.press("Space")
    tab.wait_for_selector("dialog[data-playing=true]")
    seen = set()
    while len(seen) < 3:
        # Whether short has ended can change between the screenshot and the look at its note.
        shown = numbers_shown(tab, picture, numbers, but=("short",))
        assert len(set(shown.values())) == 1, shown
        seen |= set(shown.values())
    tab.keyboard.press("Space")
    tab.wait_for_selector("dialog[data-playing=false]")
    assert tab.inner_text("dialog [name=play]") == "Play"
    tab.wait_for_timeout(100)
    paused = int(tab.get_attribute("dialog", "data-frame"))
    assert set(numbers_shown(tab, picture, numbers).values()) == {paused}


def test_strips_follow_and_seek(opened, run):
    tab = first_clip(opened)
    values = ValueStore(run).load("voice", "clip-a", "psnr")
    assert abs(values[1] - values[2]) > 0.02
    strip = tab.locator(".strip").first
    assert strip.locator("b").inner_text() == "PSNR ↑"
    for frame in (1, 2):
        tab.keyboard.press("ArrowRight")
        at(tab, frame)
        said = strip.locator("span", has_text="voice").locator("i").inner_text()
        assert float(said) == pytest.approx(values[frame], abs=0.006)
    plot = strip.locator(".plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 20)
    tab.wait_for_selector("dialog:is([data-frame='14'], [data-frame='15'])")
    frame = int(tab.get_attribute("dialog", "data-frame"))
    head = strip.locator(".playhead").bounding_box()
    assert head["x"] - box["x"] == pytest.approx(box["width"] * frame / 29, abs=2.5)
    assert tab.locator(".strip b").last.inner_text() == "Lip opening"


def test_what_is_missing_ends_or_fails_says_so_in_its_place(opened, numbers):
    tab = first_clip(opened)
    broken = tab.locator(".panel", has_text="broken")
    assert numbers.reason in broken.locator(".note").inner_text()
    assert broken.locator("canvas").count() == 0
    short = tab.locator(".panel", has=tab.get_by_text("short", exact=True))
    assert "20 frames, truth 30" in short.inner_text()
    tab.keyboard.press("End")
    at(tab, 29)
    assert short.locator(".note").inner_text() == "ended after frame 19"
    tab.fill("dialog input[name=frame]", "19")
    at(tab, 19)
    assert not short.locator(".note").is_visible()


def test_whose_sound_is_played_is_chosen_and_said(opened):
    tab = first_clip(opened)
    assert tab.locator("dialog [name=sound] option").all_inner_texts() == ["truth", "voice"]
    assert "Another sound: voice." in tab.inner_text("dialog .said")
    tab.fill("dialog input[name=frame]", "11")
    at(tab, 11)
    before = tab.evaluate("document.querySelector('video').src")
    tab.focus("dialog [name=play]")
    tab.keyboard.press("s")
    tab.wait_for_function(
        "before => { const v = document.querySelector('video');"
        " return v.src !== before && v.readyState > 1 && !v.seeking; }",
        arg=before,
    )
    at(tab, 11)
    assert tab.evaluate("document.querySelector('video').currentTime") == pytest.approx(11.5 / 25)
    assert tab.inner_text("dialog .said").startswith("Sound of voice.")


def test_the_difference_is_dark_where_nothing_differs(opened, picture):
    tab = first_clip(opened)
    tab.keyboard.press("d")

    def brightness(row):
        canvas = tab.locator(f"canvas[aria-label='{row}']")
        return picture(canvas.screenshot())[:60].mean()

    assert brightness("same") < 25 < 60 < brightness("voice")
    dim = brightness("voice")
    tab.select_option("dialog select[name=gain]", "8")
    assert brightness("voice") > dim + 20
    tab.focus("dialog [name=play]")
    tab.keyboard.press("d")
    assert tab.locator("canvas[class^=heat]").count() == 0


def test_the_mouth_is_found_by_the_kept_track(opened, picture):
    tab = first_clip(opened)
    tab.keyboard.press("m")
    zoomed = picture(tab.locator("canvas[aria-label='truth']").screenshot())
    middle = zoomed[zoomed.shape[0] // 2, zoomed.shape[1] // 2].astype(int)
    assert middle[0] > 150 > 90 > max(middle[1:])  # the red mark, enlarged
    assert np.ptp(zoomed[10:-10, 10:-10, 0].astype(int)) < 60
    assert "kept face tracks in 2 of 5 videos" in tab.inner_text("dialog .said")


def test_everything_can_be_done_by_keys(opened):
    tab = opened()
    tab.focus("#clips tbody th button")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    name = tab.inner_text("#clips tbody th button")
    tab.keyboard.press("Enter")
    at(tab, 0)
    assert tab.evaluate("document.activeElement.name") == "play"
    for key, speed in (("[", "0.5"), ("]", "1"), ("]", "1.5")):
        tab.keyboard.press(key)
        assert tab.input_value("dialog [name=speed]") == speed
        assert tab.evaluate("document.querySelector('video').playbackRate") == float(speed)
    tab.keyboard.press("n")
    tab.wait_for_function(
        "n => document.querySelector('dialog h2 span').textContent !== n", arg=name
    )
    tab.keyboard.press("p")
    tab.wait_for_function(
        "n => document.querySelector('dialog h2 span').textContent === n", arg=name
    )
    tab.keyboard.press("Escape")
    tab.wait_for_selector("dialog", state="hidden")
    assert tab.evaluate("document.activeElement.textContent") == name


def test_a_clip_without_a_player_says_how_to_get_one(opened):
    tab = opened(after="#clip=3")
    tab.wait_for_selector("dialog[open]")
    assert "talkbench report RUN --clips all" in tab.inner_text("dialog .said")
    assert not tab.is_visible("dialog .transport")
    assert tab.locator("dialog .values tbody tr").count() == 6
    tab.keyboard.press("Escape")  # nothing in the page had opened it: keys go on at the clips
    tab.wait_for_selector("dialog", state="hidden")
    assert tab.evaluate("document.activeElement.name") == "metric"


def test_light_dark_and_the_switch(opened):
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(251, 251, 249)", "rgb(19, 21, 24)"
    tab = opened(color_scheme="light")
    assert tab.evaluate(paper) == light
    tab.select_option("#theme", "dark")
    assert tab.evaluate(paper) == dark
    tab.reload()
    assert tab.evaluate(paper) == dark
    assert opened(color_scheme="dark").evaluate(paper) == dark


@pytest.mark.parametrize("width", [390, 1300])
def test_nothing_is_wider_than_the_window(opened, width):
    tab = first_clip(opened, width=width)
    for part in ("html", "dialog", "dialog .body"):
        wide, room = tab.locator(part).evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert wide <= room


def test_tables_say_what_they_are(opened):
    tab = opened()
    tables = tab.eval_on_selector_all(
        ".page table",
        "all => all.map(t => [t.caption.textContent.trim(),"
        " [...t.querySelectorAll('th')].map(h => h.getAttribute('scope'))])",
    )
    assert len(tables) > 5
    for caption, scopes in tables:
        assert caption
        assert scopes
        assert set(scopes) <= {"col", "row"}
    names = "els => els.filter(e => !(e.textContent.trim() || e.ariaLabel)).length"
    assert tab.eval_on_selector_all("button", names) == 0


def test_hostile_names_are_text(opened, numbers):
    """The fixture sees to it that nothing pops up, logs or is asked for."""
    tab = opened()
    shown = " ".join(numbers.hostile.split()).replace("\u202e", "\ufffd")
    assert tab.locator("#results tbody th").nth(2).text_content().strip().startswith(shown)
    tab.get_by_role("button", name=shown).first.click()
    at(tab, 0)
    assert tab.inner_text("dialog h2 span") == shown
    tab.mouse.move(640, 450)
    assert tab.locator("img:not([src^='data:image/jpeg'])").count() == 0
    assert tab.locator("script").count() == 2
    assert tab.evaluate("typeof x") == "undefined"


def test_one_file_alone_plays_too(opened, single, picture, numbers):
    tab = opened(single, after="#clip=0&frame=9")
    at(tab, 9)
    assert set(numbers_shown(tab, picture, numbers).values()) == {9}
    tab.keyboard.press("ArrowRight")
    at(tab, 10)
    assert set(numbers_shown(tab, picture, numbers).values()) == {10}
    assert tab.evaluate("document.querySelector('video').src").startswith("blob:")


def test_a_folder_that_lost_its_clips_says_so(opened, page, tmp_path):
    alone = shutil.copy(page, tmp_path / "index.html")
    tab = opened(alone, expected="Failed to load resource: net::ERR_FILE_NOT_FOUND")
    tab.click("#clips tbody th button")
    tab.wait_for_selector("dialog .said:has-text('.js is not beside the page')")


def test_on_paper_everything_is_open_and_no_control_is_left(opened):
    tab = opened(color_scheme="dark")
    assert len(tab.pdf()) > 20_000  # fires what a print dialog fires
    assert tab.locator(".page details:not([open])").count() == 0
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.is_visible("nav")
    assert tab.locator(".controls:visible").count() == 0
    assert tab.locator("#results table").is_visible()
