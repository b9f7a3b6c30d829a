"""Rank, race and search over many runs."""
