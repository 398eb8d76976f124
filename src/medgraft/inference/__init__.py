"""Better answers from trained models: several views, sliding windows, ensembles, and how sure they are.

>>> from medgraft.inference import Windows, answerer_of  # doctest: +SKIP
>>> answer = answerer_of(run, tta="policy", others=[other]).predict("new.png")  # doctest: +SKIP
>>> answer.prediction.mask, answer.disagreement  # doctest: +SKIP
"""

from medgraft.inference.answer import Answer
from medgraft.inference.answerer import Answerer, Seen, Trained, answerer_of
from medgraft.inference.member import Member
from medgraft.inference.stream import answers, batches, stream
from medgraft.inference.views import VIEWS, View, parse_views, views_of_policy
from medgraft.inference.windows import Tiling, Windows

__all__ = [
    "VIEWS",
    "Answer",
    "Answerer",
    "Member",
    "Seen",
    "Tiling",
    "Trained",
    "View",
    "Windows",
    "answerer_of",
    "answers",
    "batches",
    "parse_views",
    "stream",
    "views_of_policy",
]
