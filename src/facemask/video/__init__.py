"""Faces in moving pictures: from a camera, a stream, a file or photos to a window, a file, a page or events."""
