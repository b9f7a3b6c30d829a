"""Checks of each command's configuration that run before any work starts."""
