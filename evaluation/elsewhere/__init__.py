"""Media that lie elsewhere: addresses as local paths, fetched when they are read."""
