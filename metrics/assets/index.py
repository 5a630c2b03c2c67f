"""The package index as the user's pip is configured to use it."""

from __future__ import annotations

import ast
import os
import ssl
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from metrics.assets.asset import Archive

if TYPE_CHECKING:  # its network libraries take a fifth of a second that only downloads need
    from httpx2 import Response
    from unearth import Link, PackageFinder
    from unearth.fetchers import Fetcher, PyPIClient

DEFAULT_INDEX = "https://pypi.org/simple"


@dataclass(frozen=True)
class IndexConfig:
    """What pip would use: index addresses, local folders of archives, certificate, hosts."""

    index_urls: tuple[str, ...]
    find_links: tuple[str, ...]
    trusted_hosts: tuple[str, ...]
    cert: str | None


def read_pip_config() -> IndexConfig:
    """``pip config list`` (files and environment, the latter wins), or the environment alone."""
    settings: dict[str, str] = {}
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PIP_NO_COLOR": "1"},
    )
    rows = [line.split("=", 1) for line in answer.stdout.splitlines() if "=" in line]
    rows.sort(key=lambda row: row[0].startswith(":env:"))
    for key, value in rows:
        try:
            settings[key.rsplit(".", 1)[-1]] = str(ast.literal_eval(value))
        except (SyntaxError, ValueError):
            settings[key.rsplit(".", 1)[-1]] = value
    if answer.returncode != 0:
        for key in ("index-url", "extra-index-url", "find-links", "trusted-host", "cert"):
            from_environment = os.environ.get("PIP_" + key.upper().replace("-", "_"))
            if from_environment:
                settings[key] = from_environment
    urls = [settings.get("index-url", DEFAULT_INDEX), *settings.get("extra-index-url", "").split()]
    if settings.get("no-index", "").lower() in ("1", "true", "yes"):
        urls = []
    return IndexConfig(
        index_urls=tuple(u for u in urls if not _is_absent_folder(u)),
        find_links=tuple(settings.get("find-links", "").split()),
        trusted_hosts=tuple(settings.get("trusted-host", "").split()),
        cert=settings.get("cert"),
    )


def _is_absent_folder(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "file" and not os.path.isdir(unquote(parts.path))  # noqa: PTH112


def open_index() -> tuple[PyPIClient, PackageFinder]:
    """A client and a finder that honour the user's configuration."""
    from unearth import PackageFinder
    from unearth.fetchers import PyPIClient

    config = read_pip_config()
    verify: ssl.SSLContext | bool = True
    if config.cert:
        verify = ssl.create_default_context(cafile=config.cert)
    client = PyPIClient(verify=verify, trusted_hosts=config.trusted_hosts, follow_redirects=True)
    client.event_hooks = {"response": [_refuse_plain_redirect]}
    finder = PackageFinder(
        cast("Fetcher", client),
        index_urls=config.index_urls,
        find_links=config.find_links,
        trusted_hosts=config.trusted_hosts,
        ignore_compatibility=True,
    )
    return client, finder


def _refuse_plain_redirect(answer: Response) -> None:
    """A secure address may not send on to one that anybody between could answer for.

    Raises:
        ConnectionError: It does.
    """
    if not answer.has_redirect_location:
        return
    here, there = answer.request.url, answer.request.url.join(answer.headers["location"])
    if here.scheme == "https" and there.scheme != "https":
        raise ConnectionError(f"{here.host} sends on to {there.scheme}://, which is not secure")


def find_archive(finder: PackageFinder, archive: Archive) -> Link | None:
    """The archive's address, or None where the index does not have it."""
    for package in finder.find_matches(archive.requirement):
        if package.link.is_wheel == (archive.kind == "wheel"):
            return package.link
    return None
