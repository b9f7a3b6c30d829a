"""Reports: tables and figures as files and as one self-contained page."""
