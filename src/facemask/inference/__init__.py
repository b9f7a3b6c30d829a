"""Run trained models from any kind of file; nothing here imports torch before a file needs it."""
