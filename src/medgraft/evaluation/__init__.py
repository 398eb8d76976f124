"""From predictions to scores with intervals and paired comparisons.

Masks are scored image by image, and a score of a split is a mean over its images. Labels are scored over the images
of a split together, with the same draws of groups behind every interval.
"""

from medgraft.evaluation.agreement import Agreement, bland_altman, size_agreement
from medgraft.evaluation.calibration import (
    Calibrated,
    Calibration,
    brier_score,
    calibration,
    expected_calibration_error,
)
from medgraft.evaluation.classification import FoldScores, LabelScores, fold_scores, label_scores
from medgraft.evaluation.compare import Comparison, compare
from medgraft.evaluation.decisions import DECISION_SCORES, decision_scores
from medgraft.evaluation.delong import AucDifference, delong
from medgraft.evaluation.detection import Detection, detection
from medgraft.evaluation.evaluate import evaluate, known_spacings, mask_row, save_mask
from medgraft.evaluation.evaluate_labels import evaluate_labels
from medgraft.evaluation.forecasts import kind_of, outcomes_of
from medgraft.evaluation.intervals import PairedDifference, bootstrap_mean, paired_difference, scores_table
from medgraft.evaluation.label_metrics import CLASS_METRICS, LABEL_METRICS, label_metric_names
from medgraft.evaluation.mask_threshold import PixelCounts, choose_mask_threshold
from medgraft.evaluation.metrics import COUNTS, METRICS, metric_columns, segmentation_row
from medgraft.evaluation.operating_point import OperatingPoint, choose_threshold, operating_point
from medgraft.evaluation.outcomes import Outcomes, class_names, read_outcomes
from medgraft.evaluation.pixel_sample import PixelSample
from medgraft.evaluation.plain import as_plain
from medgraft.evaluation.reliability import (
    Reliability,
    ReliabilityBin,
    class_views,
    equal_mass,
    equal_width,
    overall_view,
    reliability,
)
from medgraft.evaluation.risk_coverage import CoveragePoint, RiskCoverage, risk_coverage, table_risk_coverage
from medgraft.evaluation.shares import share_interval
from medgraft.evaluation.structures import Structures, structures_of
from medgraft.evaluation.subgroup_values import By
from medgraft.evaluation.subgroups import Subgroup, SubgroupScores, subgroup_scores
from medgraft.evaluation.surfaces import SurfaceScores, surface_scores
from medgraft.evaluation.temperature import (
    TemperatureFit,
    apply_temperature,
    fit_temperature,
    logits_of,
    temperature_of_logits,
    temperature_of_probabilities,
)
from medgraft.evaluation.threshold_rule import ThresholdRule
from medgraft.evaluation.uncertainty import UNCERTAINTIES, label_uncertainty, mask_uncertainty
from medgraft.scores import LOWER_IS_BETTER, lower_is_better

__all__ = [
    "CLASS_METRICS",
    "COUNTS",
    "DECISION_SCORES",
    "LABEL_METRICS",
    "LOWER_IS_BETTER",
    "METRICS",
    "UNCERTAINTIES",
    "Agreement",
    "AucDifference",
    "By",
    "Calibrated",
    "Calibration",
    "Comparison",
    "CoveragePoint",
    "Detection",
    "FoldScores",
    "LabelScores",
    "OperatingPoint",
    "Outcomes",
    "PairedDifference",
    "PixelCounts",
    "PixelSample",
    "Reliability",
    "ReliabilityBin",
    "RiskCoverage",
    "Structures",
    "Subgroup",
    "SubgroupScores",
    "SurfaceScores",
    "TemperatureFit",
    "ThresholdRule",
    "apply_temperature",
    "as_plain",
    "bland_altman",
    "bootstrap_mean",
    "brier_score",
    "calibration",
    "choose_mask_threshold",
    "choose_threshold",
    "class_names",
    "class_views",
    "compare",
    "decision_scores",
    "delong",
    "detection",
    "equal_mass",
    "equal_width",
    "evaluate",
    "evaluate_labels",
    "expected_calibration_error",
    "fit_temperature",
    "fold_scores",
    "kind_of",
    "known_spacings",
    "label_metric_names",
    "label_scores",
    "label_uncertainty",
    "logits_of",
    "lower_is_better",
    "mask_row",
    "mask_uncertainty",
    "metric_columns",
    "operating_point",
    "outcomes_of",
    "overall_view",
    "paired_difference",
    "read_outcomes",
    "reliability",
    "risk_coverage",
    "save_mask",
    "scores_table",
    "segmentation_row",
    "share_interval",
    "size_agreement",
    "structures_of",
    "subgroup_scores",
    "surface_scores",
    "table_risk_coverage",
    "temperature_of_logits",
    "temperature_of_probabilities",
]
