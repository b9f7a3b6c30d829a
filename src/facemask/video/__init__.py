"""Label faces in videos: sources, pipeline and sinks."""
