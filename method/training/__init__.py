"""Training IP-LAP: clips prepared once, both stages, the paper's losses, exact resume."""
