"""From what a dataset's authors publish to clips that can be scored."""
