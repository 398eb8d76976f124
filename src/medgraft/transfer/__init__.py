"""What is reused of a pretrained encoder, and how it adapts."""

from medgraft.transfer.onnx_prefix import OnnxEngine
from medgraft.transfer.prefix import Engine, Probe, TorchEngine, choose_engine, least_milliseconds
from medgraft.transfer.strategy import ParamGroup, Strategy, encoder_of
from medgraft.transfer.summary import PartSummary, summarise

__all__ = [
    "Engine",
    "OnnxEngine",
    "ParamGroup",
    "PartSummary",
    "Probe",
    "Strategy",
    "TorchEngine",
    "choose_engine",
    "encoder_of",
    "least_milliseconds",
    "summarise",
]
