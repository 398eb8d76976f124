"""Where a model looked: maps of what its answer rests on, and checks of those maps."""

from medgraft.explain.depth import deepest_telling
from medgraft.explain.explainer import Explainer, explain
from medgraft.explain.explanation import Explanation
from medgraft.explain.mass import mass_inside
from medgraft.explain.methods import METHODS
from medgraft.explain.sanity import SanityCheck, sanity_check

__all__ = [
    "METHODS",
    "Explainer",
    "Explanation",
    "SanityCheck",
    "deepest_telling",
    "explain",
    "mass_inside",
    "sanity_check",
]
