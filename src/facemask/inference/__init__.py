"""Inference with every kind of model file. torch is only imported for files that need it."""
