"""Datasets that come with talkbench, one filled form a file."""
