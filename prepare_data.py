"""Create, split and audit data sets of faces: ``python prepare_data.py task=crop photos=FOLDER out=FOLDER``."""

from facemask.cli.main import main

if __name__ == "__main__":
    main("prepare_data")
