"""Make a small file of a run that runs anywhere: ``python export.py run=FOLDER format=onnx precision=int8``."""

from facemask.cli.main import main

if __name__ == "__main__":
    main("export")
