"""What runs an exported file: onnxruntime, or OpenVINO for files that were written for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from medgraft.errors import EngineError, RunError
from medgraft.prediction import Array
from medgraft.serving.model_info import KEY, ModelInfo
from medgraft.threads import openvino_core

Outputs = dict[str, Array]


class Session(Protocol):
    """An open file.

    Attributes
    ----------
    info : what the file says of itself.
    dtype : of the images that it takes.
    """

    info: ModelInfo
    dtype: np.dtype[Any]

    def run(self, images: Array) -> Outputs:
        """All outputs by name for images [B, H, W, C]; threads may call it at once."""


def as_input(pixels: Array, dtype: np.dtype[Any]) -> Array:
    """Pixels, uint8 or uint16, as a graph takes them: values from 0 to 255 in its own type."""
    if pixels.dtype != np.uint16:
        return pixels.astype(dtype)
    scaled = pixels.astype(np.float32) / np.float32(257)
    return (scaled.round() if dtype == np.uint8 else scaled).astype(dtype)


def open_session(path: str | Path, threads: int | None = None) -> Session:
    """Open an exported file: ``.onnx``, or ``.xml`` with its ``.bin``.

    Raises
    ------
    RunError
        Where there is no such file, it is cut short, or it is no model that Medgraft exported.
    EngineError
        Where OpenVINO is wanted and not installed, or cannot run the file.
    """
    path, cores = Path(path), threads or os.cpu_count() or 1
    if not path.is_file():
        raise RunError(f"{path}: no exported model there; write one by medgraft export RUN.")
    if path.suffix == ".xml":
        return OpenVinoSession(path, cores)
    return OnnxSession(path, cores)


class OnnxSession:
    """An ONNX file under onnxruntime.

    A batch is cut into one part a core, and each core takes a part through the whole model by itself: on two cores
    that is a third faster than to have both work on every layer together. A single image has all cores to itself.
    """

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        # As bytes, so that nothing in the file can name another file to be opened.
        content = _read(path)

        def opened(cores: int) -> Any:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4
            options.intra_op_num_threads = cores
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

        try:
            self._whole = opened(threads)
            self._single = opened(1) if threads > 1 else self._whole
            text = self._whole.get_modelmeta().custom_metadata_map.get(KEY)
        except Exception:
            raise RunError(
                f"{path} cannot be read as ONNX; it is cut short or something else. Export the run again."
            ) from None
        self.info = _info(text, path)
        self.dtype = np.dtype(np.uint8 if "uint8" in self._whole.get_inputs()[0].type else np.float32)
        self._names = [output.name for output in self._whole.get_outputs()]
        self._pool = _Shared(threads)

    def run(self, images: Array) -> Outputs:
        """See :class:`Session`."""
        session = self._whole if len(images) == 1 else self._single
        return self._pool(lambda part: self._outputs(session, part), images)

    def _outputs(self, session: Any, images: Array) -> Outputs:
        return dict(zip(self._names, session.run(None, {"images": images}), strict=True))


class OpenVinoSession:
    """A file of OpenVINO's (the extra ``cpu``), in the precision that it names, with a stream a core."""

    def __init__(self, path: Path, threads: int) -> None:
        try:
            core = openvino_core()
        except ImportError:
            raise EngineError(f"{path} needs OpenVINO; install it by: pip install 'medgraft[cpu]'.") from None
        weights = path.with_suffix(".bin")
        try:
            model = core.read_model(_read(path), _read(weights))
            text = model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else None
        except RunError:
            raise
        except Exception:
            raise RunError(
                f"{path} cannot be read by OpenVINO; it or its {weights.name} is cut short or something else. "
                "Export the run again."
            ) from None
        self.info = _info(text, path)
        options = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": str(threads),
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "bf16" if self.info.precision == "bf16" else "f32",
        }
        nearest = _without_distance(model) if self.info.precision == "bf16" else None
        try:
            self._compiled = core.compile_model(model, "CPU", options)
            exact = options | {"INFERENCE_PRECISION_HINT": "f32"}
            self._nearest = nearest and core.compile_model(nearest, "CPU", exact)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[-200:]
            raise EngineError(
                f"{path.name}: OpenVINO cannot run it (... {reason}); export the run with --format onnx."
            ) from None
        self.dtype = np.dtype(self._compiled.inputs[0].get_element_type().to_dtype())
        self._names = [output.get_any_name() for output in self._compiled.outputs]
        self._requests = threading.local()
        self._pool = _Shared(threads)

    def run(self, images: Array) -> Outputs:
        """See :class:`Session`."""
        return self._pool(self._outputs, images)

    def _outputs(self, images: Array) -> Outputs:
        own = self._requests
        if not hasattr(own, "whole"):
            own.whole = self._compiled.create_infer_request()
            own.nearest = self._nearest and self._nearest.create_infer_request()
        found = own.whole.infer([images], share_inputs=True)
        outputs = {name: found[index] for index, name in enumerate(self._names)}
        if own.nearest:
            outputs["distance"] = own.nearest.infer([outputs["features"]])[0]
        return outputs


def _without_distance(model: Any) -> Any:
    """Take the output ``distance`` out of an OpenVINO model; return what makes it of ``features``, as a model.

    Cosines are near 1, where bf16 has steps of 1/256: as large as the distances themselves.
    """
    from openvino import Model, opset13

    if not any("distance" in output.names for output in model.outputs):
        return None
    features, distance = model.output("features"), model.output("distance")
    given = opset13.parameter(features.partial_shape, np.float32)
    source = features.node.input_value(0)
    for reader in source.get_target_inputs():
        if reader.get_node().get_friendly_name().startswith("near/"):
            reader.replace_source_output(given.output(0))
    nearest = Model([distance.node], [given])
    model.remove_result(distance.node)
    return nearest


class _Shared:
    """Runs the parts of a batch on a core each."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._pool = ThreadPoolExecutor(cores) if cores > 1 else None

    def __call__(self, run: Callable[[Array], Outputs], images: Array) -> Outputs:
        if self._pool is None or len(images) == 1:
            return run(images)
        parts = np.array_split(images, min(self._cores, len(images)))
        return _joined(list(self._pool.map(run, parts)))


def _joined(parts: list[Outputs]) -> Outputs:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}); export the run again.") from None


def _info(text: str | None, path: Path) -> ModelInfo:
    if text is None:
        raise RunError(f"{path}: a model that medgraft did not export; it does not say what its classes are.")
    return ModelInfo.from_json(text, str(path))
