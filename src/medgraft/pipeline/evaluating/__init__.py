"""The steps of an evaluation: the data, what is chosen on validation images, the findings, and their files."""
