"""Looking at a data set before anything is trained on it: what is there, what is wrong, and what would leak."""
