"""The whole way from a folder of images to a reported run, each step a call of one room."""

from medgraft.pipeline.advising import advise
from medgraft.pipeline.assemble import Assembled, assemble
from medgraft.pipeline.compare import compare_runs
from medgraft.pipeline.fitting import fit
from medgraft.pipeline.prepare import Prepared, open_for, prepare

__all__ = ["Assembled", "Prepared", "advise", "assemble", "compare_runs", "fit", "open_for", "prepare"]
