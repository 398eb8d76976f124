"""What a run was made with."""

import onnxruntime
import openvino
from accelerate import Accelerator

from medgraft.pipeline.environment import environment


def test_the_versions_of_the_engines_are_recorded():
    engines = environment(Accelerator(cpu=True))["engines"]
    assert engines["onnxruntime"] == onnxruntime.__version__
    assert openvino.__version__.startswith(engines["openvino"])
