"""Export formats, one per module, listed in :data:`facemask.config.checks.export.FORMATS`."""
