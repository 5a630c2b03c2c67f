"""Baseline generators. For now the anchors: floors and ceilings of every table."""
