"""U-Nets on every encoder of the list meet the input's size, and continue exactly from a prefix."""

import numpy as np
import pytest
import torch

from medgraft.errors import RecipeError
from medgraft.models import EncoderUNet, SmartUp, create_encoder

ENCODERS = [
    "resnet18",
    "resnet50",
    "efficientnet_b0",
    "tf_efficientnet_lite0",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "densenet121",
    "convnext_tiny",
    "swin_tiny_patch4_window7_224",
]


@pytest.mark.parametrize("name", ENCODERS)
@torch.no_grad()
def test_any_size_and_any_cut_on_every_encoder(name):
    torch.manual_seed(0)
    model = EncoderUNet(create_encoder(name), classes=2).eval()
    for size in ((32, 32), (65, 50), (33, 47)):
        images = torch.rand(1, 3, *size)
        logits = model(images)
        assert logits.shape == (1, 2, *size) and torch.isfinite(logits).all()
    for cut in (1, len(model.encoder.blocks) // 2, len(model.encoder.blocks)):
        outputs = model.encoder.forward_prefix(images, cut)
        assert torch.equal(model.forward_from(outputs, cut, size), logits)


def test_parameters_of_the_default_decoder_by_hand():
    model = EncoderUNet(create_encoder("tf_efficientnet_lite0"))

    def step(i, skip, o):
        return 4 * i * o + o + 9 * (o + skip) * o + 9 * o * o + 4 * o

    bottleneck = 320 * 512 + 2 * 512
    steps = step(512, 112, 128) + step(128, 40, 64) + step(64, 24, 32) + step(32, 16, 16)
    expected = bottleneck + steps + 4 * 16 + 1
    assert expected == 1_024_241
    learned = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("encoder."))
    assert learned == expected


@pytest.mark.parametrize("skip", [(8, 8), (9, 7)])
def test_a_step_up_meets_the_size_of_its_skip(skip):
    step = SmartUp(6, 5, 4)
    assert step(torch.rand(2, 6, 4, 4), [torch.rand(2, 5, *skip)], skip).shape == (2, 4, *skip)
    bare = SmartUp(6, 0, 4)
    assert bare(torch.rand(2, 6, 4, 4), [], skip).shape == (2, 4, *skip)


@torch.no_grad()
def test_an_encoder_with_a_level_at_full_resolution():
    model = EncoderUNet(create_encoder("vgg11_bn")).eval()
    assert model.encoder.strides[0] == 1
    assert model(torch.rand(1, 3, 65, 50)).shape == (1, 1, 65, 50)


def test_a_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    model = EncoderUNet(create_encoder("mobilenetv2_100"), widths=(16, 16, 8, 8), bottleneck=16)
    model(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    assert all(p.grad.abs().sum() > 0 for p in model.bottleneck.parameters())


def test_too_few_widths_are_refused():
    with pytest.raises(RecipeError, match="wants 4"):
        EncoderUNet(create_encoder("resnet18"), widths=(8, 8))


@pytest.mark.parametrize("in_channels", [3, 1])
def test_the_prefix_exports_to_onnx_with_a_free_batch(tmp_path, in_channels):
    import onnxruntime

    torch.manual_seed(0)
    encoder = create_encoder("resnet18", in_channels).eval()

    class Prefix(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = encoder

        def forward(self, images):
            return self.encoder.forward_prefix(images, 2)

    program = torch.onnx.export(
        Prefix().eval(), (torch.rand(2, in_channels, 48, 40),), dynamo=True, verbose=False,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )  # fmt: skip
    program.save(tmp_path / "prefix.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "prefix.onnx", providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        images = torch.rand(batch, in_channels, 48, 40)
        outputs = session.run(None, {session.get_inputs()[0].name: images.numpy()})
        with torch.no_grad():
            expected = encoder.forward_prefix(images, 2)
        assert len(outputs) == len(expected)
        for output, truth in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(output, truth.numpy(), atol=1e-4)
