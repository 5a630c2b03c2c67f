"""Assets: by hash, atomic, resumable, locked, with a way out when offline."""

import contextlib
import dataclasses
import hashlib
import io
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from unearth.fetchers import PyPIClient

from metrics import assets
from metrics.assets import index, places, sources
from metrics.assets.asset import Archive, Asset
from metrics.assets.table import ARCHIVES, ASSETS

CONTENT = bytes(range(256)) * 20_000


def row(**changes) -> Asset:
    return Asset(
        **{
            "name": "thing",
            "file": "thing.bin",
            "sha256": hashlib.sha256(CONTENT).hexdigest(),
            "size": len(CONTENT),
            "licence": "none",
            "about": "a test's",
            "archive": Archive("thing-pkg==1.0", "wheel"),
            "member": "thing_pkg/thing.bin",
        }
        | changes
    )


@pytest.fixture
def table(monkeypatch, tmp_path):
    """An empty cache and a table of the test's own."""
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)

    def put(*rows: Asset) -> None:
        monkeypatch.setattr("metrics.assets.table.ASSETS", {r.name: r for r in rows})
        monkeypatch.setitem(ARCHIVES, rows[0].archive, rows)
        for module in (places, sources):
            monkeypatch.setattr(module, "lookup", lambda n: {r.name: r for r in rows}[n])

    return put


@pytest.fixture
def links(monkeypatch, tmp_path):
    """A folder of archives as pip's --find-links, and no index."""
    folder = tmp_path / "links"
    folder.mkdir()
    config = index.IndexConfig((), (str(folder),), (), None)
    monkeypatch.setattr(index, "read_pip_config", lambda: config)
    return folder


def wheel(folder, content=CONTENT, member="thing_pkg/thing.bin"):
    path = folder / "thing_pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        archive.writestr("thing_pkg/__init__.py", "raise SystemExit('never run')")
    return path


def test_a_file_comes_out_of_a_wheel(table, links):
    table(row())
    wheel(links)
    path = assets.get("thing")
    assert path.read_bytes() == CONTENT
    assert assets.locate("thing") == path
    assert [p.name for p in path.parent.iterdir()] == ["thing.bin"]


def test_a_file_comes_out_of_an_sdist(table, links):
    archive = Archive("thing-pkg==1.0", "sdist")
    table(row(archive=archive))
    with tarfile.open(links / "thing_pkg-1.0.tar.gz", "w:gz") as tar:
        for name, content in (("setup.py", b"raise SystemExit"), ("thing_pkg/thing.bin", CONTENT)):
            entry = tarfile.TarInfo(f"thing_pkg-1.0/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    assert assets.get("thing").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"more", b""])
def test_another_content_never_enters_the_cache(table, links, content):
    table(row())
    wheel(links, content)
    with pytest.raises(assets.AssetUnreachableError, match="expected"):
        assets.get("thing")
    assert not list(places.cache_root().rglob("thing.bin"))
    assert not list(places.cache_root().rglob(".incoming-*"))


def test_a_damaged_archive_and_an_absent_member_are_named(table, links):
    table(row())
    wheel(links, member="elsewhere.bin")
    with pytest.raises(assets.AssetUnreachableError, match="damaged"):
        assets.get("thing")
    path = wheel(links)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(assets.AssetUnreachableError, match="damaged"):
        assets.get("thing")


def test_offline_the_text_says_how_to_bring_the_file(table, links, tmp_path):
    table(row())
    with pytest.raises(assets.AssetUnreachableError, match="talkbench assets get thing --from"):
        assets.get("thing")
    mine = tmp_path / "mine.bin"
    mine.write_bytes(CONTENT)
    assert assets.get("thing", from_file=mine).read_bytes() == CONTENT
    mine.write_bytes(b"other")
    with pytest.raises(assets.AssetCorruptError, match=r"mine\.bin is not thing"):
        assets.get("thing", from_file=mine)


def test_the_users_folder_comes_first_and_is_checked(table, links, monkeypatch, tmp_path):
    table(row())
    (tmp_path / "mine").mkdir()
    mine = tmp_path / "mine" / "thing.bin"
    mine.write_bytes(CONTENT)
    monkeypatch.setenv("TALKBENCH_ASSETS", str(tmp_path / "mine"))
    assert assets.locate("thing") == mine
    mine.write_bytes(b"other")
    with pytest.raises(assets.AssetCorruptError, match="TALKBENCH_ASSETS"):
        assets.locate("thing")


def test_missing_says_the_command(table, links):
    table(row())
    with pytest.raises(assets.AssetMissingError, match="talkbench assets get thing"):
        assets.locate("thing")


def test_a_rotten_file_in_the_cache_is_found_and_fetched_again(table, links):
    table(row())
    wheel(links)
    path = assets.get("thing")
    path.write_bytes(CONTENT[:-2] + b"xx")
    with pytest.raises(assets.AssetCorruptError, match="talkbench assets get thing"):
        assets.locate("thing")
    assert assets.get("thing").read_bytes() == CONTENT


class _Server(BaseHTTPRequestHandler):
    """Serves one file; breaks off once; understands ranges."""

    asked: list = []  # noqa: RUF012 - reset by the fixture
    break_at: int | None = None

    def do_GET(self):
        asked = self.headers.get("Range")
        type(self).asked.append(asked)
        start = int(asked[6:-1]) if asked else 0
        self.send_response(206 if asked else 200)
        body = CONTENT[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if type(self).break_at is not None:
            body, type(self).break_at = body[: type(self).break_at], None
        self.wfile.write(body)

    def log_message(self, *_):
        return


@pytest.fixture
def server(monkeypatch):
    _Server.asked, _Server.break_at = [], None
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    hosts = ["127.0.0.1"]
    monkeypatch.setattr(sources, "open_index", lambda: (PyPIClient(trusted_hosts=hosts), None))
    yield f"http://127.0.0.1:{http.server_address[1]}/thing.bin"
    http.shutdown()
    http.server_close()
    thread.join()


def test_a_broken_download_goes_on_where_it_was(table, server):
    table(row(archive=None, url=server))
    _Server.break_at = 3_000_000
    with pytest.raises(assets.AssetUnreachableError):
        assets.get("thing")
    told: list[tuple] = []
    assert assets.get("thing", lambda *a: told.append(a)).read_bytes() == CONTENT
    assert _Server.asked[0] is None
    assert _Server.asked[1].startswith("bytes=")
    assert int(_Server.asked[1][6:-1]) > 0
    assert told[-1][1:] == (len(CONTENT), len(CONTENT))


def test_two_processes_do_not_fetch_twice(table, links, tmp_path):
    """Both ask at once; the second waits, finds the file and takes it."""
    code = (
        "import sys\nsys.path.insert(0, sys.argv[1])\n"
        "from metrics import assets\nprint(assets.get('clip-carphone').stat().st_ino)"
    )
    env = {"TALKBENCH_CACHE": str(tmp_path / "shared-cache")}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdout=subprocess.PIPE,
            env=os.environ | env,
            text=True,
        )
        for _ in range(2)
    ]
    answers = {p.communicate(timeout=300)[0] for p in both}
    assert [p.returncode for p in both] == [0, 0]
    assert len(answers) == 1


def test_what_people_must_fetch_is_said_and_taken_as_it_is(table, tmp_path):
    """No hash is stated, so any file of that name is the user's word for it."""
    table(row(sha256="", size=0, archive=None, member="", page="https://a.example/here"))
    for call in (assets.locate, assets.get):
        with pytest.raises((assets.AssetMissingError, assets.AssetUnreachableError)) as caught:
            call("thing")
        assert "offers thing.bin at https://a.example/here" in str(caught.value)
        assert "talkbench assets get thing --from FILE" in str(caught.value)
    (tmp_path / "mine").write_bytes(b"x" * 3_000_000)
    assert assets.get("thing", from_file=tmp_path / "mine") == assets.locate("thing")
    assert assets.locate("thing").read_bytes() == b"x" * 3_000_000


def test_every_row_is_a_full_row():
    for name, asset in ASSETS.items():
        assert asset.name == name
        assert asset.licence
        assert asset.about
        assert bool(asset.archive) == bool(asset.member)
        if asset.page:
            assert (asset.sha256, asset.size, asset.archive, asset.url) == ("", 0, None, None)
            continue
        assert len(asset.sha256) == 64
        assert asset.size > 0
        assert asset.archive or asset.url
    hashes = [a.sha256 for a in ASSETS.values() if not a.page]
    assert len(set(hashes)) == len(hashes)


def test_pip_configuration_is_read(monkeypatch, tmp_path):
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://one.example/simple\n"
        f"extra-index-url = https://two.example/simple file://{tmp_path}/absent\n"
        f"find-links = {tmp_path}\n"
    )
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    found = index.read_pip_config()
    assert found.index_urls == ("https://one.example/simple", "https://two.example/simple")
    assert found.find_links == (str(tmp_path),)
    monkeypatch.setenv("PIP_INDEX_URL", "https://three.example/simple")
    assert index.read_pip_config().index_urls[0] == "https://three.example/simple"


def test_rows_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ASSETS["yunet"].sha256 = "0"


class _Endless(BaseHTTPRequestHandler):
    """Sends more than it was asked for; or sends on to an address without encryption."""

    sends_on_to = ""
    sent = 0

    def do_GET(self):
        if type(self).sends_on_to:
            self.send_response(302)
            self.send_header("Location", type(self).sends_on_to)
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(64):
                self.wfile.write(bytes(1 << 20))
                type(self).sent += 1

    def log_message(self, *_):
        return


@contextlib.contextmanager
def serving(certificate: Path | None = None):
    """The address of a server of ``_Endless``."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Endless)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        http.socket = context.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    scheme = "http" if certificate is None else "https"
    yield f"{scheme}://localhost:{http.server_address[1]}/thing.bin"
    http.shutdown()
    http.server_close()
    thread.join()


def test_a_server_that_never_ends_is_left(table, server, monkeypatch):
    """The table says how long the file is."""
    monkeypatch.setattr(_Endless, "sends_on_to", "")
    monkeypatch.setattr(_Endless, "sent", 0)
    with serving() as address:
        table(row(archive=None, url=address.replace("localhost", "127.0.0.1")))
        with pytest.raises(assets.AssetUnreachableError, match="is longer than the"):
            assets.get("thing")
    assert 0 < _Endless.sent < 64
    assert not list(places.cache_root().rglob("*.part"))


def test_a_secure_address_may_not_send_on_to_an_open_one(table, server, monkeypatch, tmp_path):
    """``server`` has the right file, and would be believed by its hash; this one has none."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
    subprocess.run([openssl, *words.split(), *names], check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    monkeypatch.setattr(_Endless, "sends_on_to", server)
    monkeypatch.setattr(sources, "open_index", index.open_index)
    monkeypatch.setenv("PIP_CERT", str(certificate))
    with serving(both) as address:
        table(row(archive=None, url=address, sha256="", size=0))
        with pytest.raises(assets.AssetUnreachableError, match="sends on to http://"):
            assets.get("thing")
    assert _Server.asked == []


def test_an_archive_that_unpacks_to_too_much_is_left(table, links, monkeypatch):
    table(row(archive=Archive("thing-pkg==1.0", "sdist")))
    body = io.BytesIO(bytes(1 << 20))
    with tarfile.open(links / "thing_pkg-1.0.tar.gz", "w:gz") as sdist:
        for number in range(3):
            body.seek(0)
            entry = tarfile.TarInfo(f"thing_pkg-1.0/{number}")
            entry.size = 1 << 20
            sdist.addfile(entry, body)
    monkeypatch.setattr(sources, "MOST_BYTES", 2 << 20)
    with pytest.raises(assets.AssetUnreachableError, match="unpacks to more than"):
        assets.get("thing")


@pytest.mark.parametrize("said", ["CRC", "decompressing"])
def test_bits_that_fell_over_in_an_archive_are_named(table, links, said):
    table(row())
    path = wheel(links)
    damaged = bytearray(path.read_bytes())
    begin = 30 + len("thing_pkg/thing.bin")  # of the packed bytes
    if said == "CRC":
        damaged[14:18] = b"none"  # not looked at: the list at the end counts
        damaged[damaged.index(b"PK\1\2") + 16] ^= 1
    else:
        damaged[begin : begin + 8] = b"\xff" * 8
    path.write_bytes(damaged)
    with pytest.raises(assets.AssetUnreachableError, match=f"damaged.*{said}"):
        assets.get("thing")
