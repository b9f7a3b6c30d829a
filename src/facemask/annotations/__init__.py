"""Annotated photos in the formats of the usual tools."""
