"""The method under test: IP-LAP (CVPR 2023, arXiv 2305.08293). Not yet in the house."""
