"""From a folder of face crops to reproducible batches."""
