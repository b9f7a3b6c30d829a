"""Loggers beside the run folder: Weights & Biases, TensorBoard and others."""
