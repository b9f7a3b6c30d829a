"""Metrics and their confidence intervals. Pure functions of arrays."""
