"""What is reused of a pretrained encoder, and how it adapts."""

from medgraft.transfer.engines import Engine, OnnxEngine, OpenVinoEngine, TorchEngine
from medgraft.transfer.prefix import (
    Probe,
    checked_engine,
    choose_engine,
    named_engine,
    require_engine,
)
from medgraft.transfer.strategy import ParamGroup, Strategy, encoder_of
from medgraft.transfer.summary import PartSummary, summarise
from medgraft.transfer.timing import least_milliseconds

__all__ = [
    "Engine",
    "OnnxEngine",
    "OpenVinoEngine",
    "ParamGroup",
    "PartSummary",
    "Probe",
    "Strategy",
    "TorchEngine",
    "checked_engine",
    "choose_engine",
    "encoder_of",
    "least_milliseconds",
    "named_engine",
    "require_engine",
    "summarise",
]
