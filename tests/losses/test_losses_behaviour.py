"""What every loss of the registry promises, whichever it is."""

import pytest
import torch

from medgraft.errors import RecipeError
from medgraft.losses import Combo, Dice, Focal, IoU, create

NAMES = ["bce", "combo", "dice", "focal", "iou"]
MODES = ["binary", "multiclass"]


def example(mode: str, batch: int = 4, side: int = 12, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    channels = 1 if mode == "binary" else 3
    logits = 3 * torch.randn(batch, channels, side, side, generator=generator)
    truth = torch.randint(0, max(channels, 2), (batch, side, side), generator=generator, dtype=torch.uint8)
    truth[0] = 0
    return logits, truth


def certain(truth: torch.Tensor, mode: str, logit: float) -> torch.Tensor:
    """Logits that say exactly what the truth says."""
    if mode == "binary":
        return (2.0 * truth.unsqueeze(1) - 1) * logit
    return (2.0 * torch.nn.functional.one_hot(truth.long(), 3).movedim(-1, 1) - 1) * logit


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_two_half_batches_average_to_the_whole(name, mode):
    logits, truth = example(mode)
    loss = create(name, mode)
    halves = (loss(logits[:2], truth[:2]) + loss(logits[2:], truth[2:])) / 2
    torch.testing.assert_close(halves, loss(logits, truth), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_perfect_is_almost_zero_and_wrong_is_much_worse(name, mode):
    _, truth = example(mode)
    loss = create(name, mode)
    right, wrong = loss(certain(truth, mode, 20.0), truth), loss(certain(truth, mode, -20.0), truth)
    assert right.item() < 1e-4
    assert wrong.item() > right.item() + 0.3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_descent_shrinks_a_blob_on_an_empty_target(name, mode):
    channels, side = (1 if mode == "binary" else 3), 32
    logits = torch.full((1, channels, side, side), -2.0)
    if mode == "multiclass":
        logits[:, 0] = 1.0
    logits[:, -1, 4:28, 4:28] = 2.0
    logits.requires_grad_()
    truth = torch.zeros(1, side, side, dtype=torch.uint8)
    loss = create(name, mode)

    def area() -> int:
        found = logits.detach()[:, 0] > 0 if mode == "binary" else logits.detach().argmax(1) > 0
        return int(found.sum())

    before, areas = area(), []
    for _ in range(40):
        (slope,) = torch.autograd.grad(loss(logits, truth), logits)
        assert (slope[:, -1, 4:28, 4:28] > 0).all()
        # A rate in proportion to the pixels, as a mean over pixels divides every gradient by them.
        logits.data -= 0.5 * side * side * slope
        areas.append(area())
    assert before == 24 * 24
    assert areas[-1] == 0


@pytest.mark.parametrize("loss", [Dice(), IoU()], ids=["dice", "iou"])
def test_gradient_on_an_empty_target_does_not_fade_with_the_blob(loss):
    """With p = 1/2 everywhere the blob is half the image; the fraction's own gradient would be 1 / P**2."""
    logits = torch.zeros(1, 1, 64, 64, requires_grad=True)
    loss(logits, torch.zeros(1, 64, 64, dtype=torch.uint8)).backward()
    pixels, slope_of_sigmoid = 64 * 64, 0.25
    assert logits.grad.min().item() >= 0.9 * slope_of_sigmoid / (2 * pixels)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_does_not_overflow(name, mode, dtype):
    _, truth = example(mode)
    for sign in (1.0, -1.0):
        logits = certain(truth, mode, sign * 1e4).to(dtype).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            value = create(name, mode)(logits, truth)
        value.backward()
        assert value.dtype == torch.float32
        assert torch.isfinite(value)
        assert logits.grad.dtype == dtype
        assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name, mode):
    logits, truth = example(mode)
    loss = create(name, mode)
    with torch.autocast("cpu", torch.bfloat16):
        under = loss(logits, truth)
    assert torch.equal(under, loss(logits, truth))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_the_slope(name, mode):
    logits, truth = example(mode, batch=2, side=4)
    loss, step = create(name, mode), 1e-2
    logits = (0.3 * logits).requires_grad_()
    (slope,) = torch.autograd.grad(loss(logits, truth), logits)
    for position in [(0, 0, 1, 2), (1, 0, 3, 0)]:
        shift = torch.zeros_like(logits)
        shift[position] = step
        numeric = (loss(logits + shift, truth) - loss(logits - shift, truth)) / (2 * step)
        assert slope[position].item() == pytest.approx(numeric.item(), abs=2e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("mode", MODES)
def test_focal_gradient_is_finite_where_the_model_is_certain(mode, gamma):
    _, truth = example(mode)
    logits = certain(truth, mode, 100.0).requires_grad_()
    Focal(mode, gamma=gamma)(logits, truth).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64])
def test_integer_targets_of_any_type_are_one(dtype):
    logits, truth = example("binary")
    assert torch.equal(Combo()(logits, truth.to(dtype)), Combo()(logits, truth))


def test_channels_last_logits_give_the_same():
    logits, truth = example("multiclass")
    last = logits.to(memory_format=torch.channels_last)
    torch.testing.assert_close(Combo("multiclass")(last, truth), Combo("multiclass")(logits, truth))


@pytest.mark.parametrize(
    ("mode", "logits", "target", "word"),
    [
        ("binary", torch.zeros(2, 2, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8), "logits"),
        ("multiclass", torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8), "logits"),
        ("binary", torch.zeros(2, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8), "logits"),
        ("binary", torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4, dtype=torch.uint8), "target"),
        ("binary", torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 4), "integer"),
        ("binary", torch.zeros(2, 1, 4, 4), torch.full((2, 4, 4), 255, dtype=torch.uint8), "255"),
        ("multiclass", torch.zeros(2, 3, 4, 4), torch.full((2, 4, 4), 3), "0 to 2"),
        ("multiclass", torch.zeros(2, 3, 4, 4), torch.full((2, 4, 4), -1), "-1"),
    ],
)
def test_input_that_does_not_fit_is_refused(mode, logits, target, word):
    with pytest.raises(ValueError, match=word):
        Combo(mode)(logits, target)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Dice("multilabel"), "mode"),
        (lambda: Dice(smooth=0.0), "smooth"),
        (lambda: Dice(per="pixel"), "per"),
        (lambda: Combo(alpha=1.5), "alpha"),
        (lambda: Focal(alpha=-0.1), "alpha"),
        (lambda: Focal(gamma=float("nan")), "gamma"),
    ],
)
def test_options_out_of_range_are_refused(make, word):
    with pytest.raises(RecipeError, match=word):
        make()
