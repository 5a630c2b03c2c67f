"""Baseline generators: anchors, the floors and ceilings of every table; published systems."""
