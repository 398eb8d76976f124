"""Right solutions of the exercises, to read after three tries; no part of Medgraft imports them."""
