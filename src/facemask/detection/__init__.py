"""Faces in photos: where they are, and how well that is known."""
