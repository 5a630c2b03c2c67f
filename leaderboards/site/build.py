"""Write the site: pages, and the same as JSON and CSV beside each."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

import jinja2
from markupsafe import Markup

from evaluation.limits import parsed_json, text_of
from evaluation.plan import UnusableInputError
from evaluation.report.page.inlining import look
from evaluation.report.spreadsheet import guarded
from evaluation.report.words import grouped, printable
from evaluation.store import sweep, sweep_beside, write_atomically
from leaderboards.boards import bands
from leaderboards.ledger import Published
from leaderboards.printed import BY, number, to_csv, to_json
from leaderboards.site.pages import Site, SystemPage, facts_of, group_notes, site
from leaderboards.site.submitted import Submitted, facts

MARK = "site.json"
_SPACES = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_HERE = Path(__file__).parent


def build_site(
    root: Path, ledger: Sequence[Published], submitted: Sequence[Submitted] = ()
) -> Site:
    """Write every file of the site; the same input gives the same bytes.

    Args:
        root: Folder of the site; absent, empty, or one that this wrote: that is replaced.
        ledger: Published numbers.
        submitted: Runs and bundles.

    Raises:
        UnusableInputError: The folder holds something else, or two submissions have one name.
    """
    doubled = [n for n, times in Counter(s.name for s in submitted).items() if times > 1]
    if doubled:
        raise UnusableInputError(
            f"two runs or bundles are called {doubled[0]}; rename one: pages go by the name"
        )
    before = _written_before(root)
    made = site(ledger, submitted)
    files = dict(_files(made))
    # What is about to be there is said first: a build that is killed leaves a site, and no riddle.
    _mark(root, before | files.keys())
    sweep(root)
    for name in sorted(files):
        write_atomically(root / name, partial(_put, files[name].encode()))
    for name in sorted(before - files.keys()):
        (root / name).unlink(missing_ok=True)
    _mark(root, files.keys())
    return made


def _mark(root: Path, names: Iterable[str]) -> None:
    text = _json({"schema": 1, "files": sorted({*names} - {MARK})})
    write_atomically(root / MARK, partial(_put, text.encode()))


def _put(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _written_before(root: Path) -> set[str]:
    sweep_beside(root / MARK)  # of one that was killed before it had written anything
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return set()
    try:
        names = [str(name) for name in parsed_json(text_of(root / MARK))["files"]]
        places = {name: (root / name).resolve() for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnusableInputError(
            f"{root} holds something that is no site of boards; give an empty folder, or a new one"
        ) from error
    return {name for name, place in places.items() if place.is_relative_to(root.resolve())}


def _files(made: Site) -> Iterable[tuple[str, str]]:
    style, script = (
        look() + (_HERE / "site.css").read_text(encoding="utf-8"),
        (_HERE / "site.js").read_text(encoding="utf-8"),
    )
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"printable": printable, "grouped": grouped}
    templates.globals |= {
        "site": made,
        "style": style,
        "style_hash": digest(style),
        "script": script,
        "script_hash": digest(script),
        "number": number,
        "by": BY,
        "facts_of": facts_of,
        "group_notes": group_notes,
        "facts": facts,
    }

    def page(template: str, up: str = "", **values: object) -> str:
        return templates.get_template(template).render(up=up, **values)

    yield "index.html", page("index.html.j2")
    yield "systems.html", page("systems.html.j2")
    yield "reading.html", page("reading.html.j2")
    index = [
        {
            "benchmark": b.name,
            "page": f"benchmarks/{b.slug}.html",
            "numbers": len(b.rows),
            "systems": b.systems,
            "groups": len(b.groups),
        }
        for b in made.benchmarks
    ]
    yield "index.json", _json(index)
    yield "index.csv", _csv(index)
    yield "numbers.csv", _csv([asdict(row) for row in made.ledger])
    for b in made.benchmarks:
        groups = [*(g for one in b.ours for g in one.groups), *b.groups]
        yield f"benchmarks/{b.slug}.html", page("benchmark.html.j2", "../", page=b)
        yield f"benchmarks/{b.slug}.json", to_json(groups, bands(b.rows))
        yield f"benchmarks/{b.slug}.csv", to_csv(groups)
    for s in made.systems:
        yield f"systems/{s.slug}.html", page("system.html.j2", "../", page=s)
        rows = _standings(s)
        yield f"systems/{s.slug}.json", _json({"system": s.name, "numbers": rows})
        yield f"systems/{s.slug}.csv", _csv(rows)
    if made.submitted:
        yield "submissions.html", page("submissions.html.j2")
    for one in made.submitted:
        place = f"submissions/{made.submitted_files[one.name]}"
        yield f"{place}.html", page("submission.html.j2", "../", page=one)
        if one.results is not None:
            yield f"{place}.json", one.table
            yield f"{place}.csv", one.csv


def _visible(value: object) -> object:
    """Every text that a template prints: control and direction-changing characters are replaced."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(
        c if c.isprintable() or c in _SPACES else "\N{REPLACEMENT CHARACTER}" for c in value
    )


def _standings(page: SystemPage) -> list[dict[str, Any]]:
    return [{"rank": s.rank, "of": s.of, **asdict(s.row)} for s in page.standings]


def digest(text: str) -> str:
    """What a content security policy names a script or a style by."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: guarded(v) for k, v in row.items()} for row in rows)
    return text.getvalue()
