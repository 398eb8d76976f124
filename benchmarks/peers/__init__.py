"""What Medgraft is measured against, each peer written out plainly."""
