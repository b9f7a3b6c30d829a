"""Export a trained model for deployment: ``python export.py run=FOLDER format=onnx precision=int8``."""

from facemask.cli.main import main

if __name__ == "__main__":
    main("export")
