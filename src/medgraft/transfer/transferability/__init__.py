"""How well the features of an encoder suit a task, measured on labelled images before anything is trained."""

from medgraft.transfer.transferability.dense_probe import labelled_cells
from medgraft.transfer.transferability.folds import deal_folds
from medgraft.transfer.transferability.hscore import hscore
from medgraft.transfer.transferability.knn import knn
from medgraft.transfer.transferability.labelled import LabelledFeatures
from medgraft.transfer.transferability.learning_curve import CurvePoint, learning_curve
from medgraft.transfer.transferability.logme import logme
from medgraft.transfer.transferability.measure import Measured, Probed, measure, probe_alone
from medgraft.transfer.transferability.nleep import leep, nleep
from medgraft.transfer.transferability.probe import OutOfFold, probe

__all__ = [
    "CurvePoint",
    "LabelledFeatures",
    "Measured",
    "OutOfFold",
    "Probed",
    "deal_folds",
    "hscore",
    "knn",
    "labelled_cells",
    "learning_curve",
    "leep",
    "logme",
    "measure",
    "nleep",
    "probe",
    "probe_alone",
]
