"""Export a trained model to a file that runs anywhere."""
