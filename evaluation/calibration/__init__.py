"""Our numbers beside those of the official packages, on the same frames."""
