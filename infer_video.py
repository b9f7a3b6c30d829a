"""Label faces in a video: ``python infer_video.py run=FOLDER source=0``; a source is a camera, file, folder or URL."""

from facemask.cli.main import main

if __name__ == "__main__":
    main("infer_video")
