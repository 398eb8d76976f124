"""From predictions to scores with intervals and paired comparisons.

Masks are scored image by image, and a score of a split is a mean over its images. Labels are scored over the images
of a split together, with the same draws of groups behind every interval.
"""

from medgraft.evaluation.classification import FoldScores, LabelScores, fold_scores, label_scores
from medgraft.evaluation.compare import Comparison, compare
from medgraft.evaluation.delong import AucDifference, delong
from medgraft.evaluation.evaluate import evaluate, save_mask
from medgraft.evaluation.evaluate_labels import evaluate_labels
from medgraft.evaluation.intervals import PairedDifference, bootstrap_mean, paired_difference, scores_table
from medgraft.evaluation.label_metrics import CLASS_METRICS, LABEL_METRICS, LOWER_IS_BETTER, label_metric_names
from medgraft.evaluation.metrics import METRICS, metric_columns, segmentation_row
from medgraft.evaluation.outcomes import Outcomes, class_names, read_outcomes

__all__ = [
    "CLASS_METRICS",
    "LABEL_METRICS",
    "LOWER_IS_BETTER",
    "METRICS",
    "AucDifference",
    "Comparison",
    "FoldScores",
    "LabelScores",
    "Outcomes",
    "PairedDifference",
    "bootstrap_mean",
    "class_names",
    "compare",
    "delong",
    "evaluate",
    "evaluate_labels",
    "fold_scores",
    "label_metric_names",
    "label_scores",
    "metric_columns",
    "paired_difference",
    "read_outcomes",
    "save_mask",
    "scores_table",
    "segmentation_row",
]
