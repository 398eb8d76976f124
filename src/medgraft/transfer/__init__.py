"""What is reused of a pretrained encoder, and how it adapts."""

from medgraft.transfer.engines import Engine, OnnxEngine, OpenVinoEngine, TorchEngine
from medgraft.transfer.features import Features, Views, extract, extract_rows, too_large
from medgraft.transfer.linear_probe import LinearProbe, solve
from medgraft.transfer.parts import ParamGroup, blocks_of, encoder_of, rest_name, rest_parameters
from medgraft.transfer.prefix import (
    Probe,
    checked_engine,
    choose_engine,
    engine_for,
    named_engine,
    require_engine,
)
from medgraft.transfer.statistics_adaptation import adapt_statistics
from medgraft.transfer.strategy import Strategy
from medgraft.transfer.summary import PartSummary, summarise
from medgraft.transfer.timing import least_milliseconds

__all__ = [
    "Engine",
    "Features",
    "LinearProbe",
    "OnnxEngine",
    "OpenVinoEngine",
    "ParamGroup",
    "PartSummary",
    "Probe",
    "Strategy",
    "TorchEngine",
    "Views",
    "adapt_statistics",
    "blocks_of",
    "checked_engine",
    "choose_engine",
    "encoder_of",
    "engine_for",
    "extract",
    "extract_rows",
    "least_milliseconds",
    "named_engine",
    "require_engine",
    "rest_name",
    "rest_parameters",
    "solve",
    "summarise",
    "too_large",
]
