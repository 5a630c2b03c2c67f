"""Submissions as one file whose hashes chain media, features, records and table."""
