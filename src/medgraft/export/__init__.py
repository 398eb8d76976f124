"""A trained run as one file that runs without PyTorch, and what reduced precision costs."""
