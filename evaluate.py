"""Evaluate trained models: ``python evaluate.py run=FOLDER``, several with ``run=A run=B``, or ``sweep=FOLDER``."""

from facemask.cli.main import main

if __name__ == "__main__":
    main("evaluate")
