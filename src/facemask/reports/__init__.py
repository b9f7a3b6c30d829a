"""Tables and figures as a folder of files and one page that needs nothing else."""
