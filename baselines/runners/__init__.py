"""Runner files that come with talkbench: published systems as generators, by their names."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
