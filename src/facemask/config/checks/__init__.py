"""Every check of a configuration that can be made before anything runs, a file a command."""
