"""What stands inside the page: one script, one style, data that no text can break out of."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent

_STYLES = ("look.css", "page.css", "viewer.css", "print.css")
_SCRIPTS = (
    *("dom.js", "data.js", "theme.js", "sorting.js", "filters.js", "clips.js"),
    *("player.js", "panels.js", "strips.js", "viewer.js", "keys.js", "main.js"),
)


def look() -> str:
    """The colours and the type that all pages share, as CSS."""
    return (_HERE / "look.css").read_text(encoding="utf-8")


def style() -> str:
    """All of the page's CSS."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _STYLES)


def script() -> str:
    """All of the page's script: plain files, one scope, nothing left behind in the window."""
    parts = [(_HERE / "js" / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();"


def policy(style_text: str, script_text: str, *, inline: bool) -> str:
    """The strictest Content-Security-Policy that the page works under.

    Our one script is named by its hash. From disk it may not fetch, so a clip's data come as a
    script file that it adds itself (``strict-dynamic``), through a Trusted Types policy that lets
    pass ``clips/<number>.js`` alone; no other text can become markup or a script's address.
    """
    scripts = f"script-src '{_hash(script_text)}'" + ("" if inline else " 'strict-dynamic'")
    return "; ".join(
        (
            "default-src 'none'",
            scripts,
            f"style-src '{_hash(style_text)}'",
            "img-src data:",
            f"media-src {'blob:' if inline else chr(39) + 'self' + chr(39)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types talkbench",
        )
    )


def json_text(content: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """Compact JSON in ASCII, without a sign that HTML or a script file could take for its own.

    Raises:
        ValueError: It holds a number that JSON has not (NaN, infinity).
    """
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
