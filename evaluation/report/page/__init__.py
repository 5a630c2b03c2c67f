"""The page of a run: tables that sort, clips that play, nothing fetched from outside."""
