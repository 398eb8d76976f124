"""Figures of the notebooks, drawn by code: one concept a file."""
