"""Where a model looked: maps of what its answer rests on, and checks of those maps."""
