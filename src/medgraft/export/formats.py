"""The forms that an exported model may be written in, and what goes with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from medgraft.errors import EngineError, RecipeError
from medgraft.export.onnx_file import with_info
from medgraft.files import replacing
from medgraft.serving.model_info import KEY, ModelInfo
from medgraft.threads import openvino_core

PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
    "torch": ("fp32",),
}
"""By format, the precisions that it can have."""

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}


def check_choice(form: str, precision: str) -> None:
    """Raise RecipeError for a precision that the format cannot have, EngineError where OpenVINO is not installed."""
    if precision not in PRECISIONS[form]:
        able = [name for name, precisions in PRECISIONS.items() if precision in precisions]
        raise RecipeError(
            f"--precision {precision}: a file of the format {form} is in {' or '.join(PRECISIONS[form])}; "
            f"for {precision} choose --format {' or '.join(able)}."
        )
    if form == "openvino":
        try:
            openvino_core()
        except ImportError:
            raise EngineError("--format openvino needs OpenVINO; install it by: pip install 'medgraft[cpu]'.") from None


def write_onnx(path: Path, content: bytes, info: ModelInfo) -> None:
    """Write one ``.onnx`` file, whole or not at all."""
    complete = with_info(content, info)
    with replacing(path) as temporary:
        temporary.write_bytes(complete)


def write_openvino(path: Path, content: bytes, info: ModelInfo) -> None:
    """Write ``.xml`` and ``.bin``; the weights stay as they are, bf16 is made of them when the file is loaded."""
    import openvino

    model = openvino_core().read_model(content)
    model.set_rt_info(info.to_json(), [KEY])
    with ExitStack() as stack:
        # The one that names the pair is renamed last.
        described = stack.enter_context(replacing(path))
        weights = stack.enter_context(replacing(path.with_suffix(".bin")))
        openvino.serialize(model, described, weights)


WRITERS: Mapping[str, Callable[[Path, bytes, ModelInfo], None]] = {"onnx": write_onnx, "openvino": write_openvino}
"""By format, what writes a file from ONNX bytes."""
