"""From masks to scores with intervals and paired comparisons: one row an image first."""

from medgraft.evaluation.compare import Comparison, compare
from medgraft.evaluation.evaluate import evaluate, save_mask
from medgraft.evaluation.intervals import PairedDifference, bootstrap_mean, paired_difference, scores_table
from medgraft.evaluation.metrics import METRICS, metric_columns, segmentation_row

__all__ = [
    "METRICS",
    "Comparison",
    "PairedDifference",
    "bootstrap_mean",
    "compare",
    "evaluate",
    "metric_columns",
    "paired_difference",
    "save_mask",
    "scores_table",
    "segmentation_row",
]
