"""Face detection, matching and tracking."""
