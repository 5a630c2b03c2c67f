"""User studies: a blind rating site out of a run, and what raters said as numbers."""
