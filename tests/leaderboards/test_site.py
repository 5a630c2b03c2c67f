"""The boards as a site: what is in it, that it is safe, and that it is the same twice."""

import csv
import dataclasses
import html.parser
import io
import json
import re

import pytest
from click.testing import CliRunner

from evaluation.cli import main
from evaluation.store import write_atomically
from leaderboards.boards import readings
from leaderboards.ledger import read_ledger
from leaderboards.site.build import build_site, digest
from leaderboards.site.pictures import place
from leaderboards.site.slugs import slugs

_INLINE = ("style", "script")


def invoke(*words):
    return CliRunner().invoke(main, [str(w) for w in words])


class Page(html.parser.HTMLParser):
    """Tags, links and ids of a page; complains of what is not closed."""

    VOID = frozenset({"meta", "link", "input", "br", "img", "line", "circle", "path", "hr"})

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.ids, self.links, self.text = [], [], [], [], []
        self.feed(path.read_text())
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if "href" in attrs else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def ledger():
    return read_ledger()


@pytest.fixture(scope="module")
def built(ledger, tmp_path_factory):
    root = tmp_path_factory.mktemp("site") / "site"
    build_site(root, ledger)
    return root


@pytest.fixture(scope="module")
def pages(built):
    return {p.relative_to(built).as_posix(): Page(p) for p in sorted(built.rglob("*.html"))}


def test_every_number_is_on_its_benchmark_and_its_system(built, ledger):
    on_benchmarks = [
        row
        for path in sorted((built / "benchmarks").glob("*.csv"))
        for row in csv.DictReader(io.StringIO(path.read_text()))
    ]
    assert len(on_benchmarks) == len(ledger) == 1769
    on_systems = [
        row
        for path in (built / "systems").glob("*.json")
        for row in json.loads(path.read_text())["numbers"]
    ]
    assert len(on_systems) == sum(not row.reference for row in ledger)
    assert len(json.loads((built / "index.json").read_text())) == 49


def test_links_lead_somewhere_and_ids_are_there_once(built, pages):
    for name, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), name
        for link in page.links:
            if link.startswith("data:"):
                continue
            path, _, anchor = link.partition("#")
            target = ((built / name).parent / path).resolve() if path else built / name
            assert target.is_file(), (name, link)
            if anchor:
                assert anchor in pages[target.relative_to(built.resolve()).as_posix()].ids, link


def test_no_page_asks_a_network_and_its_policy_names_its_own_script_and_style(built, pages):
    for name, page in pages.items():
        text = (built / name).read_text()
        style, script = (
            re.search(f"<{t}>(.*?)</{t}>", text, re.DOTALL)[1] for t in ("style", "script")
        )
        policy = next(a["content"] for t, a in page.tags if "Policy" in a.get("http-equiv", ""))
        assert policy.startswith("default-src 'none'")
        assert f"style-src 'sha256-{digest(style)}'" in policy
        assert f"script-src 'sha256-{digest(script)}'" in policy
        for tag, attrs in page.tags:
            assert "style" not in attrs, (name, tag)
            assert not [a for a in attrs if a.startswith("on")], (name, tag)
            assert "://" not in attrs.get("src", "") + attrs.get("href", ""), (name, tag)


def test_tables_have_heads_with_scope(pages):
    for name, page in pages.items():
        for tag, attrs in page.tags:
            assert tag != "th" or "scope" in attrs, name


def test_the_band_of_iplap_on_hdtf_is_drawn(built, pages):
    shown = ["31.41", "10.16", "9.512", "9.490", "4.052", "3.895"]
    text = " ".join(pages["index.html"].text)
    assert [text.index(n) for n in shown] == sorted(text.index(n) for n in shown)
    circles = [a for t, a in pages["index.html"].tags if t == "circle"]
    assert [float(a["cx"].rstrip("%")) for a in circles][::5] == [96.0, 4.0]
    page = (built / "benchmarks" / "hdtf.html").read_text()
    band = re.search(r'systems/ip-lap.html">IP-LAP</a></th>.*?</tr>', page, re.DOTALL)[0]
    assert band.count("<circle") == 6
    assert 'aria-label="6 numbers from 3.895 to 31.41"' in band


def test_references_and_ranges_are_in_no_band(ledger):
    rows = [r for r in ledger if r.reference or r.value_to is not None]
    assert rows
    assert readings(rows) == []


def test_a_rule_stands_between_groups_and_ranks_start_anew(built):
    page = (built / "benchmarks" / "lrs2.html").read_text()
    for section in page.split("<section")[1:]:
        groups = section.count('<div class="group"')
        if "data-section" in section and groups:
            assert section.count("not comparable across this line") == groups - 1
    assert "protocol: unknown" in page
    assert "second-hand" in page


def test_two_builds_are_equal_byte_for_byte_and_the_next_replaces_them(built, ledger, tmp_path):
    again = tmp_path / "again"
    build_site(again, ledger)
    one, two = (
        {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (built, again)
    )
    assert one == two
    build_site(again, ledger[:40])
    left = {p.relative_to(again).as_posix() for p in again.rglob("*") if p.is_file()}
    assert left == {*json.loads((again / "site.json").read_text())["files"], "site.json"}
    assert len(left) < len(one) / 4


@pytest.mark.parametrize("at", [0, 1, 9])
def test_a_build_that_is_killed_is_begun_again(ledger, tmp_path, monkeypatch, at):
    """Whatever it had written, the same command goes on, and nothing of the killed one is left."""
    root, written = tmp_path / "site", []

    def killed(path, write):
        if len(written) == at:
            path.parent.mkdir(exist_ok=True)
            (path.parent / f".{path.name}-ab12_xyz").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(path)
        write_atomically(path, write)

    root.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("leaderboards.site.build.write_atomically", killed)
        for rows in (ledger[:3], ledger[40:43]):
            written.clear()
            with pytest.raises(KeyboardInterrupt):
                build_site(root, rows)
    build_site(root, ledger[-3:])  # another one: what the killed one wrote is taken away
    build_site(tmp_path / "calm", ledger[-3:])
    here, calm = (
        {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        for folder in (root, tmp_path / "calm")
    )
    assert here == calm


def test_a_folder_of_something_else_is_left_alone(ledger, tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    done = invoke("board", "build", "-o", tmp_path)
    assert done.exit_code == 2
    assert "holds something that is no site" in done.output
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    (tmp_path / "thesis.tex").unlink()
    root, precious = tmp_path / "site", tmp_path / "precious"
    root.mkdir()
    precious.write_text("years")
    (root / "site.json").write_text('{"files": ["../precious"]}')
    build_site(root, ledger[:9])
    assert precious.exists()


def test_hostile_names_are_escaped_and_get_files_of_their_own(ledger, tmp_path):
    names = (
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "=1+1",
        "a\u202eb\nc",
        "Wav2Lip",
        "wav2lip!",
    )
    rows = [
        dataclasses.replace(ledger[0], system=n, benchmark=n, notes=n, paper=n, source=n, metric=n)
        for n in names
    ]
    root = tmp_path / "site"
    build_site(root, rows)
    for path in root.rglob("*.html"):
        text = path.read_text()
        assert "<script>alert" not in text
        assert "\u202e" not in text
        Page(path)
    found = {p.name for p in (root / "systems").iterdir()}
    assert len(found) == 3 * len(names)
    assert all(re.fullmatch(r"[a-z0-9-]+\.(html|json|csv)", name) for name in found)
    assert "\n=1+1" not in (root / "numbers.csv").read_text()


def test_slugs_are_distinct_and_plain_where_they_can_be():
    found = slugs(["A b", "a-b", "a b", "", "日本", "x" * 99, "x" * 98])
    assert len(set(found.values())) == 7
    assert "a-b" in found.values()


def test_places_on_a_line():
    assert [place(v, 0, 10) for v in (0, 5, 10)] == [4, 50, 96]
    assert place(3, 3, 3) == 50


@pytest.mark.data
@pytest.mark.assets
def test_runs_and_bundles_stand_beside_and_what_does_not_hold_is_left_out(run, tmp_path):
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    assert invoke("submission", "pack", run, "-o", bundles / "good.bundle").exit_code == 0
    content = bytearray((bundles / "good.bundle").read_bytes())
    content[content.index(b'"metric": "psnr"') + 11] ^= 1  # in a record; the head is sound
    (bundles / "bad.bundle").write_bytes(content)
    root = tmp_path / "site"
    done = invoke("board", "build", "-o", root, "--run", f"HDTF={run}", "--submissions", bundles)
    assert done.exit_code == 1, done.output
    assert "bad does not hold" in done.output
    text = (root / "submissions.html").read_text()
    assert text.index(">bad<") < text.index("does not hold: left out") < text.index(">good<")
    hdtf = (root / "benchmarks" / "hdtf.html").read_text()
    assert "Measured here" in hdtf
    assert "psnr/1" in hdtf
    assert json.loads((root / "submissions" / "good.json").read_text())["estimates"]
    assert not (root / "submissions" / "bad.json").exists()
    value = json.loads((root / "submissions" / "small.json").read_text())["estimates"][0]
    assert f"{value['value']:.2f}" in (root / "submissions" / "small.html").read_text()
    done = invoke("board", "build", "-o", tmp_path / "x", "--run", f"Nowhere={run}")
    assert done.exit_code == 2
    assert "Nowhere" in done.output
    assert (
        invoke("board", "build", "-o", tmp_path / "x", "--submissions", root / "no").exit_code == 2
    )


def test_a_page_is_filtered_and_sorted_in_a_browser(visit, built):
    page = visit(built / "benchmarks" / "hdtf.html", width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    rows = page.locator(".group tbody tr:visible")
    assert rows.count() == 425
    page.locator("input[type=search]").fill("musetalk v3 fid")
    page.locator("select[name=by]").select_option("another paper")
    assert rows.count() == 7  # of a table of eight: MuseTalk is by its authors
    page.locator("input[type=search]").fill("iplap")
    assert page.locator(".filters output").text_content() == "0 of 425 numbers"
    page.locator("input[type=search]").fill("ip-lap")
    shown = rows.all_text_contents()
    assert page.locator(".filters output").text_content() == f"{len(shown)} of 425 numbers"
    assert shown
    assert all("IP-LAP" in text for text in shown)
    rules = page.locator(".rule:visible").count()
    sections = page.locator("[data-section]:visible").count()
    assert rules == page.locator("[data-section] .group:visible").count() - sections
    page.locator("input[type=search]").fill("")
    page.locator("select[name=by]").select_option("")
    assert rows.count() == 425
    table = page.locator("#m-fid table").first
    head = table.locator("thead th").nth(2)
    values = "rows => rows.map(row => Number(row.cells[2].dataset.v))"
    head.locator("button").focus()
    for direction, sign in (("descending", -1), ("ascending", 1)):
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == direction
        found = table.locator("tbody tr").evaluate_all(values)
        assert found == sorted(found, key=lambda v, sign=sign: sign * v)
