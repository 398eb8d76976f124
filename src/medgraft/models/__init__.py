"""Plain torch modules that know nothing of training: encoders, decoders, and their weights' sources."""

from medgraft.models.build import ModelSpec, build_model, list_models
from medgraft.models.cbr import CBR_ENCODERS
from medgraft.models.classifier import HEADS, Classifier
from medgraft.models.encoder import Encoder, create_encoder
from medgraft.models.encoder_model import EncoderModel
from medgraft.models.encoder_unet import EncoderUNet, Segmenter, SmartUp
from medgraft.models.features import FeatureEncoder, create_feature_encoder
from medgraft.models.normalise import Normalise
from medgraft.models.smp import SMP_DECODERS, SmpSegmenter
from medgraft.models.tested import TESTED_ENCODERS
from medgraft.models.unet import DoubleConv, Down, UNet, Up
from medgraft.models.weights import Weights, available_weights, find_weights

__all__ = [
    "CBR_ENCODERS",
    "HEADS",
    "SMP_DECODERS",
    "TESTED_ENCODERS",
    "Classifier",
    "DoubleConv",
    "Down",
    "Encoder",
    "EncoderModel",
    "EncoderUNet",
    "FeatureEncoder",
    "ModelSpec",
    "Normalise",
    "Segmenter",
    "SmartUp",
    "SmpSegmenter",
    "UNet",
    "Up",
    "Weights",
    "available_weights",
    "build_model",
    "create_encoder",
    "create_feature_encoder",
    "find_weights",
    "list_models",
]
