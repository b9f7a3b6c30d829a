"""Loggers: Weights & Biases, TensorBoard, MLflow."""
