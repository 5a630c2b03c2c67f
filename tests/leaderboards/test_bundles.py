"""Bundles: what holds is said to hold; every kind of tampering is found, and named."""

import hashlib
import io
import json
import shutil
import stat
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.bundles.archive import Archive, BundleError, check_arrays, write_archive
from evaluation.bundles.chain import HEAD, LINKS, Feature, Head, Medium, RecordHash, chained, sha256
from evaluation.bundles.verify import same, verify
from evaluation.cli import main

NAMES = ("RD_Radio42_000", "RD_Radio8_000", "WRA_PeterRoskam0_000")


def invoke(*words):
    return CliRunner().invoke(main, [str(w) for w in words])


pytestmark = [pytest.mark.data, pytest.mark.assets]


def test_a_list_of_members_without_end_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.bundle"
    write_archive(path, {f"tracks/{number}": b"" for number in range(200)})
    assert len(Archive.open(path).sizes) == 200
    monkeypatch.setattr("evaluation.bundles.archive.LIST_BYTES", 1000)
    with pytest.raises(BundleError, match="a header of"):
        Archive.open(path)
    content = io.BytesIO()
    np.savez(content, **{str(number): np.zeros(1) for number in range(200)})
    assert check_arrays(content.getvalue()) == ""
    monkeypatch.setattr("evaluation.bundles.archive._ARRAYS_LIST_BYTES", 1000)
    assert "a header of" in check_arrays(content.getvalue())


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "small.bundle"
    done = invoke("submission", "pack", run, "-o", path)
    assert done.exit_code == 0, done.output
    return path


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {i.filename: archive.read(i) for i in archive.infolist()}


def edited(bundle, tmp_path, edit):
    """The bundle after an edit of its members, hashes left as they were."""
    found = members(bundle)
    edit(found)
    path = tmp_path / "edited.bundle"
    write_archive(path, found)
    return path


def rehashed(bundle, tmp_path, edit):
    """The same by somebody who also makes all hashes fit."""

    def all_of_it(found):
        edit(found)
        old = Head.parse(found.pop(HEAD), "x")
        files = {n: {"sha256": sha256(c), "bytes": len(c)} for n, c in found.items()}
        records = [
            RecordHash(
                generator=r["generator"],
                sample=r["sample"],
                metric=r["metric"],
                sha256=sha256(line + b"\n"),
            )
            for line in found["records.jsonl"].splitlines()
            for r in [json.loads(line)]
        ]
        head = Head(
            suite=old.suite,
            files=files,
            media=old.media,
            features=old.features,
            records=records,
            links=chained(old.media, old.features, records, files),
        )
        found[HEAD] = head.text()

    return edited(bundle, tmp_path, all_of_it)


def breaks(path):
    return [(b.link, b.where, b.what) for b in verify(path).breaks]


def lines(found):
    return found["records.jsonl"].splitlines(keepends=True)


def flip(found, place=0, by=0.5):
    rows = lines(found)
    record = json.loads(rows[place])
    record["value"] += by
    rows[place] = json.dumps(record).encode() + b"\n"
    found["records.jsonl"] = b"".join(rows)
    return f"{record['generator']} on {record['sample']}, {record['metric']}"


def psnr_line(bundle):
    rows = [json.loads(x) for x in lines(members(bundle))]
    return next(i for i, r in enumerate(rows) if r["metric"] == "psnr")


class TestSound:
    def test_a_bundle_holds_and_is_the_same_twice(self, bundle, run, tmp_path):
        found = verify(bundle)
        assert found.sound
        assert (len(found.head.media), len(found.head.records)) == (6, 12)
        assert len(found.head.features) == 9  # six videos and three references
        again = tmp_path / "again.bundle"
        assert invoke("submission", "pack", run, "-o", again).exit_code == 0
        assert again.read_bytes() == bundle.read_bytes()

    def test_no_folder_of_this_machine_is_in_the_manifest_samples(self, bundle, run):
        samples = json.loads(members(bundle)["run.json"])["samples"]
        assert {s["reference"] for s in samples.values()} == {f"{n}.mp4" for n in NAMES}

    def test_the_command_says_so(self, bundle):
        done = invoke("submission", "verify", bundle)
        assert done.exit_code == 0, done.output
        assert "The chain holds: 6 videos, 9 features, 12 records" in done.output
        content = json.loads(invoke("submission", "verify", bundle, "--format", "json").output)
        assert content["sound"]
        assert content["submission"] == verify(bundle).head.id

    def test_clips_are_scored_again_from_media(self, bundle, clips):
        words = ("submission", "verify", bundle, "--media", clips, "--sample", 2, "--seed", 3)
        done = invoke(*words, "--format", "json")
        assert done.exit_code == 0, done.output
        sample = json.loads(done.output)["sample"]
        assert (sample["clips"], sample["here"], sample["scored"]) == (2, 6, 6)
        assert [r["agreement"] for r in sample["rows"]] == ["exact"] * 4
        assert {r["metric"] for r in sample["rows"]} == {"psnr", "fid@pytorch-fid-64"}
        assert invoke(*words, "--format", "json").output == done.output
        other = json.loads(invoke(*words[:-1], 4, "--format", "json").output)["sample"]["rows"]
        drawn = [{(r["generator"], r["sample"]) for r in rows} for rows in (sample["rows"], other)]
        assert drawn[0] != drawn[1]

    def test_media_may_be_in_it_and_references_never_are(self, run, clips, tmp_path):
        path = tmp_path / "media.bundle"
        assert invoke("submission", "pack", run, "-o", path, "--media").exit_code == 0
        found = [n for n in members(path) if n.startswith("media/")]
        assert len(found) == 6
        done = invoke(
            "submission", "verify", path, "--media", clips / "gt", "--sample", 1, "--format", "json"
        )
        assert done.exit_code == 0, done.output
        assert json.loads(done.output)["sample"]["here"] == 6

        def swap(found):
            one, other = sorted(n for n in found if n.startswith("media/"))[:2]
            found[one] = found[other]

        where = list(breaks(edited(path, tmp_path, swap)))
        assert ("media", "media/diffdub/RD_Radio42_000.mp4") in [x[:2] for x in where]
        where = breaks(rehashed(path, tmp_path, swap))
        assert ("media", "diffdub on RD_Radio42_000") in [x[:2] for x in where]


class TestTampering:
    def test_a_flipped_value(self, bundle, tmp_path):
        place = psnr_line(bundle)
        cell = []
        path = edited(bundle, tmp_path, lambda f: cell.append(flip(f, place)))
        found = breaks(path)
        assert ("records", cell[0], "was changed after it was packed") in found
        assert invoke("submission", "verify", path).exit_code != 0

    def test_a_flipped_value_with_hashes_made_to_fit_breaks_the_table(self, bundle, tmp_path):
        place = psnr_line(bundle)
        found = breaks(rehashed(bundle, tmp_path, lambda f: flip(f, place)))
        assert found
        assert {link for link, _, _ in found} == {"table"}
        assert any(w == "diffdub, psnr" and "value is" in what for _, w, what in found)

    def test_and_with_the_table_made_to_fit_scoring_again_finds_it(
        self, bundle, clips, run, tmp_path
    ):
        psnr = [i for i, x in enumerate(lines(members(bundle))) if b'"psnr"' in x]

        def all_of_it(found):
            for place, by in zip(psnr, (0.5, 2e-4, 1e-9), strict=False):
                flip(found, place, by)
            copy = tmp_path / "copy"
            shutil.copytree(run, copy)
            (copy / "records.jsonl").write_bytes(found["records.jsonl"])
            assert invoke("report", copy).exit_code == 0
            found["results.json"] = (copy / "results.json").read_bytes()

        path = rehashed(bundle, tmp_path, all_of_it)
        assert verify(path).sound
        done = invoke(
            "submission", "verify", path, "--media", clips, "--sample", 6, "--format", "json"
        )
        assert done.exit_code == 1
        rows = json.loads(done.output)["sample"]["rows"]
        bad = sorted((r for r in rows if r["agreement"] != "exact"), key=lambda r: -r["difference"])
        assert [(r["generator"], r["metric"], r["agreement"]) for r in bad] == [
            *[("diffdub", "psnr", "differs")] * 2,
            ("diffdub", "psnr", "within"),
        ]
        assert bad[0]["recorded"] - bad[0]["here"] == pytest.approx(0.5)

    def test_a_dropped_record(self, bundle, tmp_path):
        dropped = json.loads(lines(members(bundle))[3])
        path = edited(
            bundle,
            tmp_path,
            lambda f: f.update({"records.jsonl": b"".join(lines(f)[:3] + lines(f)[4:])}),
        )
        cell = f"{dropped['generator']} on {dropped['sample']}, {dropped['metric']}"
        assert ("records", cell, "is missing") in breaks(path)

    def test_a_doubled_and_a_new_record(self, bundle, tmp_path):
        def add(found):
            new = json.loads(lines(found)[0]) | {"sample": "new"}
            rows = [*lines(found), lines(found)[2], json.dumps(new).encode() + b"\n"]
            found["records.jsonl"] = b"".join(rows)

        said = [
            what for link, _, what in breaks(edited(bundle, tmp_path, add)) if link == "records"
        ]
        assert "is there 2 times" in said
        assert "is not in the chain" in said

    def test_another_order(self, bundle, tmp_path):
        path = edited(
            bundle,
            tmp_path,
            lambda f: f.update({"records.jsonl": b"".join(reversed(lines(f)))}),
        )
        (found,) = [b for b in breaks(path) if "stands in line" in b[2]]
        assert found[2].startswith("stands in line 1, where diffdub on RD_Radio42_000")

    def test_a_cut_line(self, bundle, tmp_path):
        path = edited(
            bundle, tmp_path, lambda f: f.update({"records.jsonl": f["records.jsonl"][:-9]})
        )
        said = breaks(path)
        assert ("records", "records.jsonl", "its last line is cut short") in said
        assert any(what == "is missing" for _, _, what in said)

    def test_an_edited_table(self, bundle, tmp_path):
        def nicer(found):
            table = json.loads(found["results.json"])
            table["estimates"][0]["value"] += 1
            found["results.json"] = json.dumps(table).encode()

        cell = "diffdub, psnr"
        assert [w for _, w, what in breaks(rehashed(bundle, tmp_path, nicer))] == [cell]
        said = breaks(edited(bundle, tmp_path, nicer))
        assert [(link, w) for link, w, _ in said] == [("table", "results.json"), ("table", cell)]

    def test_other_ranks_and_the_same_ones_in_another_last_digit(self, bundle, tmp_path):
        def table(change):
            def edit(found):
                content = json.loads(found["results.json"])
                change(content["rankings"][0])
                found["results.json"] = json.dumps(content).encode()

            return breaks(rehashed(bundle, tmp_path, edit))

        def better(ranking):
            ranking["standings"][1]["highest"] += 1

        def rounded(ranking):
            ranking["pairs"][0]["lo"] *= 1 + 1e-12

        (found,) = table(better)
        assert (found[0], found[1], found[2].split(" is ")[0]) == (
            *("table", "ranks, psnr"),
            "standings",
        )
        assert table(rounded) == []

    def test_other_features(self, bundle, tmp_path):
        name = next(n for n in members(bundle) if n.startswith("tracks/"))

        def change(found):
            arrays = dict(np.load(io.BytesIO(found[name])))
            key = next(k for k in arrays if k != "__frames__")
            arrays[key] = arrays[key] + 1
            out = io.BytesIO()
            np.savez(out, **arrays)
            found[name] = out.getvalue()

        assert breaks(edited(bundle, tmp_path, change))[0][:2] == ("features", name)
        said = breaks(rehashed(bundle, tmp_path, change))
        assert said
        assert all(link == "table" and "fid" in where for link, where, _ in said)

    def test_another_video_in_the_chain(self, bundle, tmp_path):
        def change(found):
            head = json.loads(found[HEAD])
            head["media"][0]["sha256"] = "0" * 64
            found[HEAD] = json.dumps(head).encode()

        said = breaks(edited(bundle, tmp_path, change))
        assert ("records", "diffdub on RD_Radio42_000, psnr") in [x[:2] for x in said]

    def test_a_link_that_is_not_that_of_its_parts(self, bundle, tmp_path):
        def change(found):
            head = json.loads(found[HEAD])
            head["links"]["records"] = "0" * 64
            found[HEAD] = json.dumps(head).encode()

        (found,) = breaks(edited(bundle, tmp_path, change))
        assert found[:2] == ("files", HEAD)
        assert "'records'" in found[2]

    def test_missing_and_strange_files(self, bundle, tmp_path):
        path = edited(bundle, tmp_path, lambda f: f.pop("run.json"))
        assert ("files", "run.json", "is missing") in breaks(path)
        path = edited(bundle, tmp_path, lambda f: f.update({"notes.txt": b"hello"}))
        (found,) = breaks(path)
        assert found[:2] == ("files", "notes.txt")

    def test_every_cut_is_found(self, bundle, tmp_path):
        content = bundle.read_bytes()
        path = tmp_path / "cut.bundle"
        for length in (0, 10, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:length])
            (found,) = verify(path).breaks
            assert "cut short" in found.what

    def test_every_flipped_byte_is_found(self, bundle, tmp_path):
        content = bytearray(bundle.read_bytes())
        path = tmp_path / "flipped.bundle"
        rng = np.random.default_rng(0)
        ends = zipfile.ZipFile(bundle).start_dir  # of what members hold
        for place in rng.integers(200, ends, 12):
            content[place] ^= 1
            path.write_bytes(content)
            assert verify(path).breaks, place
            content[place] ^= 1

    def test_media_of_another_run_are_not_found_and_that_is_said(self, bundle, tmp_path, clips):
        done = invoke("submission", "verify", bundle, "--media", clips / "gt")
        assert done.exit_code == 2
        assert "no clip of" in done.output


class TestHostile:
    def hostile(self, tmp_path, name="x", content=b"x", mode=stat.S_IFREG, **how):
        path = tmp_path / "hostile.bundle"
        with zipfile.ZipFile(path, "w") as archive:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (mode | 0o644) << 16
            entry.compress_type = how.get("compress_type", zipfile.ZIP_STORED)
            archive.writestr(entry, content)
        return path

    @pytest.mark.parametrize(
        "name", ["../run.json", "/etc/passwd", "a/../../b", "a\\b", "a//b", "C:/x", "a/", "x\ny"]
    )
    def test_names_that_lead_elsewhere(self, tmp_path, name):
        with pytest.raises(BundleError, match="name"):
            Archive.open(self.hostile(tmp_path, name))

    def test_links_compression_doubles(self, tmp_path):
        with pytest.raises(BundleError, match="link"):
            Archive.open(self.hostile(tmp_path, mode=stat.S_IFLNK))
        zeros = self.hostile(tmp_path, content=bytes(1 << 20), compress_type=zipfile.ZIP_DEFLATED)
        with pytest.raises(BundleError, match="compressed"):
            Archive.open(zeros)
        with zipfile.ZipFile(tmp_path / "two.bundle", "w") as archive:
            archive.writestr("a", b"1")
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr("a", b"2")
        with pytest.raises(BundleError, match="twice"):
            Archive.open(tmp_path / "two.bundle")

    def test_arrays_without_pickle_and_no_larger_than_they_are(self):
        def npz(write):
            out = io.BytesIO()
            write(out)
            return out.getvalue()

        plain = npz(lambda f: np.savez(f, a=np.zeros((3, 4)), b=np.array(2)))
        assert check_arrays(plain) == ""
        assert "objects" in check_arrays(npz(lambda f: np.savez(f, a=np.array([{}], dtype=object))))
        assert "claims more bytes" in check_arrays(
            npz(lambda f: np.savez_compressed(f, a=np.zeros(9999)))
        )
        assert "no .npz" in check_arrays(b"x" * 100)
        grown = io.BytesIO()
        with zipfile.ZipFile(grown, "w") as archive:
            array = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                array, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
            )
            archive.writestr("a.npy", array.getvalue())
        assert "does not fit" in check_arrays(grown.getvalue())

    def test_text_that_is_no_head(self, tmp_path):
        for content, said in (
            (b"[" * 5000, "JSON"),
            (b"[]", "schema"),
            (b'{"schema": 2}', "schema 2"),
            (b'{"schema": 1, "suite": 3}', "no text"),
        ):
            (found,) = verify(self.hostile(tmp_path, HEAD, content)).breaks
            assert (found.link, said in found.what) == ("archive", True), found

    def test_a_manifest_of_anything_is_a_break_and_no_crash(self, bundle, tmp_path):
        for content in (b"{}", b"[" * 100000, b'{"schema": 1}'):
            path = rehashed(bundle, tmp_path, lambda f, c=content: f.update({"run.json": c}))
            (found,) = verify(path).breaks
            assert (found.link, found.where) == ("table", "results.json")

    def test_a_card_that_is_not_installed_is_not_checked_and_that_is_said(self, bundle, tmp_path):
        def rename(found):
            found["run.json"] = found["run.json"].replace(b'"psnr"', b'"theirs"')

        found = verify(rehashed(bundle, tmp_path, rename))
        assert not found.sound
        assert "theirs" in found.unchecked[0]


class TestPacking:
    def test_what_is_not_what_was_scored_is_refused(self, run, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(run, copy)
        note = next((copy / "videos").rglob("*.json"))
        content = json.loads(note.read_text())
        other = tmp_path / "other.mp4"
        other.write_bytes(b"other")
        note.write_text(json.dumps(content | {"path": str(other)}))
        done = invoke("submission", "pack", copy, "-o", tmp_path / "x.bundle")
        assert done.exit_code == 2
        assert "is not the video that was scored" in done.output
        assert not (tmp_path / "x.bundle").exists()

    def test_records_of_two_videos_are_refused(self, run, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(run, copy)
        rows = [json.loads(line) for line in (copy / "records.jsonl").read_text().splitlines()]
        rows[0]["generated_sha256"] = "0" * 64
        del rows[0]["check"]  # of what it was
        (copy / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        done = invoke("submission", "pack", copy, "-o", tmp_path / "x.bundle")
        assert done.exit_code == 2
        said = f"records of {rows[0]['generator']} on {rows[0]['sample']} are of two videos"
        assert said in " ".join(done.output.split())

    def test_gone_features_and_gone_media(self, run, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(run, copy)
        for note in (copy / "videos").rglob("*.json"):
            note.unlink()
        done = invoke("submission", "pack", copy, "-o", tmp_path / "x.bundle")
        assert done.exit_code == 0
        assert "6 videos are no longer where they were" in " ".join(done.output.split())
        done = invoke("submission", "pack", copy, "-o", tmp_path / "y.bundle", "--media")
        assert done.exit_code == 2
        shutil.rmtree(copy / "tracks")
        done = invoke("submission", "pack", copy, "-o", tmp_path / "z.bundle")
        assert done.exit_code == 2
        assert "kept features" in done.output

    def test_no_run_and_no_bundle(self, tmp_path):
        assert invoke("submission", "pack", tmp_path, "-o", tmp_path / "x").exit_code == 2
        assert invoke("submission", "verify", tmp_path / "none").exit_code == 2


def test_numbers_are_the_same_within_a_millionth():
    assert same(1.0, 1.0 + 1e-9)
    assert not same(1.0, 1.0 + 1e-5)
    assert same(None, None)
    assert not same(None, 0)
    assert not same(True, 1)
    assert same({"a": [1.0, "x"]}, {"a": [1.0 + 1e-9, "x"]})
    assert not same({"a": [1.0]}, {"a": [1.0, 1.0]})
    assert not same({"a": 1}, {"b": 1})


def test_the_hash_is_sha256():
    assert sha256(b"x") == hashlib.sha256(b"x").hexdigest()


def test_what_changes_in_a_link_changes_all_that_follow_and_none_before():
    def links(video="a" * 64, feature="b" * 64, record="c" * 64, table="d" * 64):
        medium = Medium(generator="g", sample="s", sha256=video, bytes=1)
        return chained(
            [medium],
            [Feature(member="tracks/x", video="v")],
            [RecordHash(generator="g", sample="s", metric="m", sha256=record)],
            {"tracks/x": {"sha256": feature}, "results.json": {"sha256": table}},
        )

    before = links()
    for place, name in enumerate(("video", "feature", "record", "table")):
        after = links(**{name: "e" * 64})
        assert [before[n] == after[n] for n in LINKS] == [True] * place + [False] * (4 - place)
