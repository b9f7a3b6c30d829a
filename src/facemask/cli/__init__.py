"""Command line: entry points, jobs and error messages."""
