"""The networks: frames in, rows out. Weights are loaded when first needed."""
