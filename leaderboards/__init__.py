"""Published numbers, ranking and reproduction. Not yet in the house."""
