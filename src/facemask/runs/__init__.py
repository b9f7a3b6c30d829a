"""The run folder: the only thing that crosses from training to everything else."""
