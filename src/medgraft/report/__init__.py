"""Pages that people read: the report of a run, the comparison of runs, and outlines on images."""

from medgraft.report.comparison import compare_report
from medgraft.report.handed_on import report_to_hand_on
from medgraft.report.overlay import CLASS_COLOURS, PREDICTION, TRUTH, Layer, overlay
from medgraft.report.page import run_report

__all__ = [
    "CLASS_COLOURS",
    "PREDICTION",
    "TRUTH",
    "Layer",
    "compare_report",
    "overlay",
    "report_to_hand_on",
    "run_report",
]
