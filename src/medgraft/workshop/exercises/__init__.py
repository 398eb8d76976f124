"""The exercises, one a module."""
