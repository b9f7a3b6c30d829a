"""From photos to a set of faces: crops, their manifest, parts to train and test on, and what is wrong with them."""
