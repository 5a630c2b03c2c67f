"""Tables and pages from the results of a run."""
