"""What a page says, cell by cell, read back out of its HTML; and the page that should be there."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from evaluation.limits import parsed_json
from evaluation.report.cells import lay_out
from evaluation.report.facts import facts
from evaluation.report.page.document import Kept, document
from evaluation.report.page.worth import worth_a_look
from evaluation.results import Results

_UNREAD = ("script", "style", "svg", "nav", "dialog", "noscript", "select")
_VOID = ("meta", "img", "input", "br", "link")
_LINES = ("p", "li", "h1", "h2", "h3", "h4", "dt", "dd", "div", "summary", "caption", "title")
_PICTURES = "frames"
_CLIPS = "clips"
_SAID = ("data-v", "title", "class")


def page_of(results: Results) -> str:
    """The page without players, pictures and curves: those are no numbers of the run."""
    layout = lay_out(results)
    looks = worth_a_look(results, layout)
    return document(results, layout, facts(results, layout), looks, Kept(inline=False))


def page_cells(text: str) -> list[tuple[str, object]]:
    """Cells of all tables, lines of all sections, and the values that the page's script shows.

    Left out is what depends on which clips have players: their pictures and how many there are.

    Args:
        text: HTML of a page of ours, or what somebody made of one.

    Returns:
        (which, what), in the order of the page: ``results · mine · PSNR ↑``.

    Raises:
        ValueError: Its data are no JSON, or of another form.
    """
    page = _Page()
    page.feed(text)
    page.close()
    return page.found + list(_values(page.data))


class _Page(HTMLParser):
    """Gathers text by section, row and column."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, object]] = []
        self.data = ""
        self._section = "page"
        self._unread: list[str] = []
        self._is_data = False
        self._said: list[str] = []
        self._attributes: dict[str, str | None] = {}
        self._heads: list[str] = []
        self._row: list[tuple[bool, str, dict[str, str | None]]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag in _UNREAD:
            self._unread.append(tag)
            self._is_data = tag == "script" and known.get("id") == "data"
        if self._unread:
            return
        if tag == "section":
            self._line()
            self._section = known.get("id") or ""
        elif tag == "table":
            self._heads = []
        elif tag == "tr":
            self._line()
            self._row = []
        elif tag in ("td", "th"):
            self._said, self._attributes, self._in_cell = [], known, True
        elif tag in _LINES and not self._in_cell:
            self._line()

    def handle_endtag(self, tag: str) -> None:
        if self._unread:
            if tag == self._unread[-1]:
                self._unread.pop()
                self._is_data = False
            return
        if tag in ("td", "th"):
            is_head = tag == "th" and self._attributes.get("scope") == "col"
            self._row.append((is_head, self._text(), self._attributes))
            self._said, self._in_cell = [], False
        elif tag == "tr":
            self._end_row()
        elif tag in _LINES and not self._in_cell:
            self._line()
        elif tag == "section":
            self._line()
            self._section = "page"

    def handle_data(self, data: str) -> None:
        if self._is_data:
            self.data += data
        elif not self._unread:
            self._said.append(data)

    def _text(self) -> str:
        return " ".join("".join(self._said).split())

    def _line(self) -> None:
        text, self._said = self._text(), []
        if text and self._section not in (_PICTURES, _CLIPS):
            self.found.append((f"{self._section} · line {text[:40]!r}", text))

    def _end_row(self) -> None:
        row, self._row = self._row, []
        if not row or self._section in (_PICTURES, _CLIPS):
            return
        if all(is_head for is_head, _, _ in row):
            self._heads = [text for _, text, _ in row]
            self.found += [(f"{self._section} · heads", text) for text in self._heads]
            return
        name = row[0][1]
        self.found.append((f"{self._section} · {name} · name", name))
        for number, (_, text, attributes) in enumerate(row[1:], start=1):
            head = self._heads[number] if number < len(self._heads) else str(number)
            where = f"{self._section} · {name} · {head}"
            self.found.append((where, text))
            self.found += [
                (f"{where} · {key}", attributes[key] or "") for key in _SAID if attributes.get(key)
            ]


def _values(text: str) -> Iterator[tuple[str, object]]:
    """What the page's script sorts and filters: every clip's value, and why there is none."""
    try:
        data: dict[str, Any] = parsed_json(text)
        rows = [str(row["name"]) for row in data["rows"]]
        columns = [f"{c['title']} {c['id']}" for c in data["columns"]]
        clips = data["clips"]
        named = list(zip(map(str, clips["id"]), clips["speaker"], strict=True))
        for place, column in enumerate(columns):
            for key, value in data["columns"][place].items():
                yield f"{_CLIPS} · {column} · {key}", value
            for row, values in zip(rows, data["values"][place], strict=True):
                for (clip, _), value in zip(named, values, strict=True):
                    yield f"{_CLIPS} · {row} · {clip} · {column}", value
            for row, why in zip(rows, data["why"][place], strict=True):
                for clip, reason in why.items():
                    at = f"{_CLIPS} · {row} · {named[int(clip)][0]} · {column} · why"
                    yield at, " · ".join(data["reasons"][reason])
        for clip, speaker in named:
            yield f"{_CLIPS} · {clip} · speaker", speaker
        for row in data["rows"]:
            yield f"{_CLIPS} · {row['name']} · kind", f"{row['kind']} {row['judged']}"
        yield f"{_CLIPS} · baseline", rows[data["baseline"]]
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"its data are of another form: {type(error).__name__}: {error}"
        ) from error
