"""facemask: from photos of people to a trained, compared, deployed face-mask classifier."""
