"""The command line: one group, sub-commands found through entry points."""
