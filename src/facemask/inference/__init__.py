"""From a trained model to a small file that runs anywhere, and the few lines that run it."""
