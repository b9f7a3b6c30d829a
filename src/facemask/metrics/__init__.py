"""What predictions are worth, and how sure that is: arrays in, arrays out."""
