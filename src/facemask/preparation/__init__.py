"""Data preparation: crop faces from photos, split and audit data sets."""
