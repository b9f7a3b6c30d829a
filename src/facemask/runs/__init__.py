"""The run folder: the interface between training and all other commands."""
