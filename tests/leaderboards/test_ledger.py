"""Published numbers: what the ledger holds, and what may be ranked with what."""

import csv
import dataclasses
import io
import json

import pytest
from click.testing import CliRunner

from evaluation.cli import main
from evaluation.registry import cards_of, names
from leaderboards import printed
from leaderboards.boards import NoBoardError, bands, benchmarks, board, site
from leaderboards.ledger import LEDGER, LedgerError, read_ledger


@pytest.fixture(scope="module")
def ledger():
    return read_ledger()


def talkbench(*words, code=0):
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == code, done.output
    return done.output


# The rows of IP-LAP that its users ask for: benchmark, metric, value.
ASKED = [
    ("HDTF", "FID", 31.41),
    ("LRS2", "SSIM", 0.9399),
    ("ContextDubBench 1.0", "FID", 14.891),
    ("User Study", "Lip Sync Quality", 3.161),
    ("Video sequences", "PSNR", 35.1525),
    ("May avatar / Shaheen audio", "Sync-D", 9.819),
    ("May avatar / Lieu audio", "Sync-D", 9.392),
    ("HDTF", "SSIM", 0.874),
    ("User Study", "Realism", 2.74),
    ("HDTF", "PSNR", 28.571),
]


@pytest.mark.parametrize(("benchmark", "metric", "value"), ASKED)
def test_ip_laps_rows_are_found_by_the_command(benchmark, metric, value):
    found = json.loads(
        talkbench("board", "show", benchmark, "--metric", metric, "--format", "json")
    )
    rows = [e for g in found["groups"] for e in g["entries"] if e["system"] == "IP-LAP"]
    assert value in [row["value"] for row in rows]
    row = next(row for row in rows if row["value"] == value)
    assert row["source"]
    assert row["grade"] == "first-hand"


class TestRows:
    def test_as_many_as_were_collected(self, ledger):
        assert len(ledger) == 1769
        assert sum(r.system == "IP-LAP" for r in ledger) == 129
        assert sum(r.grade == "second-hand" for r in ledger) == 1450

    def test_no_number_is_there_twice(self, ledger):
        keys = [
            (
                *(r.system, r.benchmark, r.printed_benchmark, r.split, r.setting),
                *(r.metric, r.paper, r.table, r.source),
            )
            for r in ledger
        ]
        assert len(set(keys)) == len(keys)

    def test_families_are_ours_and_have_their_direction(self, ledger):
        known = {
            family: {card.spec.direction for card in cards_of(family)}
            for family in names("metrics")
        }
        for row in ledger:
            if row.family and row.family != "av-offset":
                assert row.direction in known[row.family], row
        assert {r.metric for r in ledger if r.family == "lse-c"} == {
            *("LSE-C", "Sync-C", "Sync", "Confidence (LSE-C)")
        }

    def test_a_citation_number_is_no_benchmark(self, ledger):
        (row,) = [r for r in ledger if r.system == "IP-LAP" and r.printed_benchmark == "HDTF 51"]
        assert (row.benchmark, row.value) == ("HDTF", 0.874)
        assert "citation number" in row.notes

    def test_authors_measure_their_own(self, ledger):
        own = {r.system for r in ledger if r.measured_by == "authors" and "MuseTalk" in r.paper}
        assert own == {"MuseTalk"}
        others = {
            r.measured_by for r in ledger if r.paper.startswith("MuseTalk") and r.system == "IP-LAP"
        }
        assert others == {"another paper"}

    @pytest.mark.parametrize(
        ("column", "text", "said"),
        [
            ("system", "", "system is empty"),
            ("measured_by", "nobody", "measured_by is 'nobody'"),
            ("grade", "", "grade is ''"),
            ("direction", "up", "direction is 'up'"),
            ("value", "3,1", "could not convert"),
        ],
    )
    def test_a_bad_row_is_named(self, tmp_path, column, text, said):
        with LEDGER.open(newline="") as file:
            rows = list(csv.DictReader(file))[:3]
        rows[1][column] = text
        path = tmp_path / "ledger.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        with pytest.raises(LedgerError, match=rf"line 3: .*{said}"):
            read_ledger(path)


class TestGroups:
    def test_no_group_mixes_sources_splits_or_settings(self, ledger):
        for benchmark in benchmarks(ledger):
            for group in board(ledger, benchmark):
                rows = [e.published for e in group.entries]
                for field in ("metric", "split", "setting", "table", "printed_benchmark"):
                    assert len({getattr(r, field) for r in rows}) == 1, (benchmark, field)
                if not group.pooled:
                    assert len({(r.paper, r.source) for r in rows}) == 1

    @pytest.mark.parametrize(
        "field", ["metric", "split", "setting", "table", "printed_benchmark", "paper", "source"]
    )
    def test_what_differs_in_one_thing_is_apart(self, ledger, field):
        row = next(r for r in ledger if r.paper.startswith("MuseTalk") and r.metric == "FID")
        other = dataclasses.replace(row, **{field: "something else"})
        assert len(board([row, other], row.benchmark)) == 2
        assert len(board([row, row], row.benchmark)) == 1

    def test_every_number_is_in_one_group(self, ledger):
        shown = [
            id(e.published)
            for benchmark in benchmarks(ledger)
            for group in board(ledger, benchmark)
            for e in group.entries
        ]
        assert len(shown) == len(set(shown)) == len(ledger)

    def test_ranks_follow_the_direction(self, ledger):
        for group in board(ledger, "HDTF"):
            ranked = [e for e in group.entries if e.rank]
            assert not (group.pooled and ranked)
            assert not any(e.published.reference for e in ranked)
            values = [e.published.value for e in ranked]
            assert values == sorted(values, reverse=group.direction == "higher")
            assert [int(e.rank.split("-")[0]) for e in ranked] == [
                1 + sum((v > w) if group.direction == "higher" else (v < w) for v in values)
                for w in values
            ]

    def test_the_real_video_is_no_rival(self, ledger):
        groups = [g for g in board(ledger, "HDTF", "fid") if g.source == "MuseTalk v3, Table 1"]
        (entries,) = (g.entries for g in groups)
        assert (entries[0].published.system, entries[0].rank) == ("Ground truth", "")
        assert (entries[1].published.system, entries[1].rank) == ("MuseTalk", "1")

    def test_equal_numbers_share_their_ranks(self, ledger):
        row = next(r for r in ledger if r.paper.startswith("MuseTalk") and r.metric == "FID")
        rows = [
            dataclasses.replace(row, system=s, value=v, reference=s == "real", benchmark="x")
            for s, v in (("a", 2.0), ("b", 1.0), ("c", 2.0), ("d", 3.0), ("real", 0.0))
        ]
        (group,) = board(rows, "X", "fid")
        assert [(e.published.system, e.rank) for e in group.entries] == [
            ("real", ""),
            ("b", "1"),
            ("a", "2-3"),
            ("c", "2-3"),
            ("d", "4"),
        ]
        undirected = [dataclasses.replace(r, direction="") for r in rows]
        assert not any(e.rank for e in board(undirected, "x")[0].entries)

    def test_a_pooled_board_has_no_ranks_and_says_so(self, ledger):
        (group,) = [g for g in board(ledger, "User Study", "Lip Sync Quality") if g.pooled]
        assert len(group.entries) == 7
        assert not any(e.rank for e in group.entries)
        assert "wizwand.com" in group.head
        assert "no ranks" in group.head
        assert {site(e.published) for e in group.entries} == {"wizwand.com"}

    def test_how_far_sources_differ(self, ledger):
        (band,) = [
            b
            for b in bands(benchmarks(ledger)["HDTF"])
            if (b.system, b.metric) == ("IP-LAP", "fid")
        ]
        assert (band.least, band.most, band.count) == (3.895, 31.41, 6)

    def test_unknown_names_get_the_nearest(self, ledger):
        with pytest.raises(NoBoardError, match="Did you mean LRS3 or LRS2 or LRW"):
            board(ledger, "lrs")
        with pytest.raises(NoBoardError, match="nobody reports 'fidd' on lrs2; reported are"):
            board(ledger, "lrs2", "fidd")
        said = talkbench("board", "show", "nowhere", code=2)
        assert "talkbench board list" in " ".join(said.split())


class TestFormats:
    def test_all_show_the_same_numbers(self, ledger):
        words = ("board", "show", "hdtf", "-m", "lse-c")
        groups = board(ledger, "HDTF", "lse-c")
        assert {g.metric for g in groups} >= {"LSE-C", "Sync-C", "Sync"}
        shown = [printed.number(e.published) for g in groups for e in g.entries]
        rows = list(csv.DictReader(io.StringIO(talkbench(*words, "--format", "csv"))))
        assert [float(r["value"]) for r in rows] == list(map(float, shown))
        assert [r["rank"] for r in rows] == [e.rank for g in groups for e in g.entries]
        text, lines = talkbench(*words), talkbench(*words, "--format", "md")
        for value in shown:
            assert value in text
            assert f"| {value} |" in lines
        assert lines.count("\n---\n") == len(groups)

    def test_ours_stand_beside_theirs_without_ranks(self, data, asset, tmp_path):
        run = tmp_path / "run"
        truth = data / "hdtf_mini" / "gt"
        talkbench(
            *("score", "--reference", str(truth), "--every", "50", "-m", "psnr", "-o", str(run)),
            *("--generated", f"iplap={data / 'hdtf_mini' / 'iplap'}"),
        )
        found = json.loads(
            talkbench("board", "show", "hdtf", "-m", "psnr", "--run", str(run), "--format", "json")
        )
        ours = found["groups"][0]
        assert ours["source"] == "measured here, psnr/1"
        (entry,) = ours["entries"]
        assert (entry["system"], entry["rank"]) == ("iplap", "")
        assert entry["measured_by"] == "talkbench"
        assert 28 < entry["value"] < 32
        assert len(found["groups"]) == 1 + len(board(read_ledger(), "hdtf", "psnr"))
        words = ("board", "show", "hdtf", "-m", "ssim", "--run", str(run), "--format", "json")
        assert not [g for g in json.loads(talkbench(*words))["groups"] if "here" in g["source"]]

    def test_the_list_counts(self, ledger):
        rows = json.loads(talkbench("board", "list", "--format", "json"))
        assert sum(row["numbers"] for row in rows) == len(ledger)
        hdtf = next(row for row in rows if row["benchmark"] == "HDTF")
        assert hdtf["groups"] == len(board(ledger, "HDTF"))
        text = talkbench("board", "list")
        assert "ContextDubBench 1.0" in " ".join(text.split())


def test_hostile_names_stay_text(ledger):
    row = dataclasses.replace(ledger[0], system="=cmd|'x'", notes="<script>|", benchmark="x")
    groups = board([row], "x")
    assert "'=cmd" in printed.to_csv(groups)
    assert "&lt;script&gt;\\|" in printed.to_markdown(groups, [])
    row = dataclasses.replace(row, system="<b>|", notes="")
    assert "| &lt;b&gt;\\| |" in printed.to_markdown(board([row], "x"), [])
