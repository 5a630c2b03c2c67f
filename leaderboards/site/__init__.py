"""The boards as a static site: opens from disk, asks nothing of any network."""
