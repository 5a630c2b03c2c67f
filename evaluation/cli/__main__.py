"""``python -m evaluation.cli`` is ``talkbench``."""

from evaluation.cli import main

main(prog_name="talkbench")
