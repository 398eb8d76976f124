"""``medgraft predict``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medgraft.pipeline.predict import Predicted, PredictOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the images, how often it looks, where the predictions go."""
    parser.add_argument("run", type=Path, metavar="RUN",
                        help="the folder of a trained run, or of a cross-validation, whose folds answer "
                        "together")  # fmt: skip
    parser.add_argument("files", nargs="+", metavar="PATH", help="images, volumes, DICOM files, folders of them, and "
                        "patterns such as 'scans/**/*.dcm'")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("predictions"), metavar="DIR",
                        help="where NAME_mask.png, NAME_overlay.png and predictions.csv go "
                        "(default: predictions)")  # fmt: skip
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="NUMBER",
        help="probability from which a pixel is foreground, or an image positive (default: the run's own)",
    )
    _add_looks(parser)
    written = parser.add_argument_group("what is written")
    written.add_argument("--masks", choices=("auto", "png", "nifti", "dicom"), default="auto",
                         help="auto: NIfTI of whole volumes, PNG of all else; dicom: a DICOM segmentation for each "
                         "series, with the patient's name and ID in it (extra dicom)")  # fmt: skip
    written.add_argument("--overlays", action=argparse.BooleanOptionalAction, default=True,
                         help="the image with the outline of its mask (default: yes)")  # fmt: skip
    written.add_argument("--table", type=Path, metavar="FILE",
                         help="a row an image, .csv or .parquet (default: predictions.csv in DIR)")  # fmt: skip
    written.add_argument("--resume", action="store_true", help="go on where a prediction into DIR was broken off")
    written.add_argument("--json", action="store_true", help="print what was written as JSON")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where the model runs")


def _add_looks(parser: argparse.ArgumentParser) -> None:
    looks = parser.add_argument_group("more than one look")
    looks.add_argument("--with", dest="others", type=Path, action="append", default=[], metavar="RUN",
                       help="another run that answers with the first (may be given again); their disagreement is "
                       "written, too")  # fmt: skip
    looks.add_argument("--tta", default="none", metavar="VIEWS",
                       help="test-time augmentation; policy: flips and quarter turns as the training had them; or "
                       "names: left-right, up-down, turn-90, turn-180, turn-270, transpose, "
                       "anti-transpose")  # fmt: skip
    looks.add_argument("--windows", type=float, metavar="OVERLAP",
                       help="masks: cut images that are larger than the training's into windows of their size that "
                       "overlap by this share, such as 0.5")  # fmt: skip
    looks.add_argument("--window-side", type=int, metavar="PIXELS",
                       help="side of a window in the image (default: that of the training's images)")  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Predict each image, print what was written, and leave with an error that lists what could not be read."""
    from medgraft.pipeline.predict import predict_files
    from medgraft.progress import Terminal

    terminal = Terminal(sys.stderr if arguments.json else sys.stdout)
    try:
        predicted = predict_files(arguments.run, arguments.files, _options(arguments), terminal)
    finally:
        terminal.close()
    if arguments.json:
        print(json.dumps(_summary(predicted, arguments.out), indent=2))
    predicted.raise_failed()


def _options(arguments: argparse.Namespace) -> PredictOptions:
    from medgraft.inference import Windows
    from medgraft.pipeline.predict import PredictOptions

    windows = None
    if arguments.windows is not None or arguments.window_side is not None:
        windows = Windows(0.5 if arguments.windows is None else arguments.windows, arguments.window_side)
    return PredictOptions(
        out=arguments.out, threshold=arguments.threshold, tta=arguments.tta, windows=windows,
        others=tuple(arguments.others), masks=arguments.masks, overlays=arguments.overlays, table=arguments.table,
        resume=arguments.resume, device=arguments.device,
    )  # fmt: skip


def _summary(predicted: Predicted, out: Path) -> dict[str, object]:
    failed = [{"image": image, "error": error} for image, error in predicted.failed]
    return {
        "out": str(out),
        "table": None if predicted.table is None else str(predicted.table),
        "predictions": predicted.rows,
        "failed": failed,
    }
