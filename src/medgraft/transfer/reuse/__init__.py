"""Which blocks of a pretrained encoder are reused, and which are relearned: the encoder before and after training."""

from medgraft.transfer.reuse.cka import Grams, Similarity, SimilaritySums, cka, similarity
from medgraft.transfer.reuse.filters import first_filters
from medgraft.transfer.reuse.movement import Movement, movement
from medgraft.transfer.reuse.neighbours import vote
from medgraft.transfer.reuse.outputs import block_outputs, maps_of, pooled
from medgraft.transfer.reuse.reading import BlockEvidence, BlockReading, read_blocks
from medgraft.transfer.reuse.reset import before, put_back, redrawn, settled
from medgraft.transfer.reuse.svcca import Svcca, svcca

__all__ = [
    "BlockEvidence",
    "BlockReading",
    "Grams",
    "Movement",
    "Similarity",
    "SimilaritySums",
    "Svcca",
    "before",
    "block_outputs",
    "cka",
    "first_filters",
    "maps_of",
    "movement",
    "pooled",
    "put_back",
    "read_blocks",
    "redrawn",
    "settled",
    "similarity",
    "svcca",
    "vote",
]
