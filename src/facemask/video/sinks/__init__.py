"""Where labelled frames go, a file a place. Nothing is kept but by one of these."""
