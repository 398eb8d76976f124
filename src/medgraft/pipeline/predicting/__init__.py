"""The steps of a prediction at scale: what is given, what is done at once, and the files that come of it."""
