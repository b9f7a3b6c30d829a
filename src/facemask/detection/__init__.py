"""Face detection, annotations, matching and tracking."""
