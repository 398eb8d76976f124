"""Answers that rest on several forward passes: flips and turns, windows of large images, ensembles."""
