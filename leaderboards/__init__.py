"""Published numbers beside ours: who measured what, on what, and what may be ranked with what."""
