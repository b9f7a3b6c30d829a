"""Label faces in videos: ``python infer_video.py run=FOLDER source=0``, or a file, a folder, an address."""

from facemask.cli.main import main

if __name__ == "__main__":
    main("infer_video")
