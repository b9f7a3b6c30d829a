"""Formats of exported files: one class a file, listed in :data:`facemask.config.checks.export.FORMATS`."""
