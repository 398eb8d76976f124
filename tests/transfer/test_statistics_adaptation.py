"""BatchNorm statistics estimated anew: worked by hand, against torch's own update, and what stays untouched."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import SmallClassifier, changed, small_encoder, snapshot
from torch import nn
from torch.optim.swa_utils import update_bn

from medgraft.errors import DataError
from medgraft.models import EncoderUNet, UNet, create_encoder
from medgraft.transfer import Strategy, adapt_statistics


def _images(count: int, seed: int = 0, size: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def _first_maps(encoder, images):
    """What the first BatchNorm sees: [B, 4, 16, 16]."""
    with torch.no_grad():
        return encoder.blocks[0][0](encoder.normalise(images))


def test_one_batch_gives_its_own_mean_and_unbiased_variance():
    encoder, images = small_encoder().eval(), _images(5)
    maps = _first_maps(encoder, images).double()
    mean = maps.mean(dim=(0, 2, 3))
    variance = (maps - mean.view(1, -1, 1, 1)).square().sum(dim=(0, 2, 3)) / (5 * 16 * 16 - 1)
    assert adapt_statistics(encoder, [images]) == 2
    norm = encoder.blocks[0][1]
    torch.testing.assert_close(norm.running_mean.double(), mean, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(norm.running_var.double(), variance, rtol=1e-5, atol=1e-7)
    assert norm.num_batches_tracked == 1


def test_a_later_batch_norm_sees_what_the_first_makes_of_the_batch_itself():
    encoder, images = small_encoder().eval(), _images(5)
    _, norm, relu = encoder.blocks[0]
    maps = _first_maps(encoder, images)
    centred = maps - maps.mean(dim=(0, 2, 3), keepdim=True)
    scaled = centred / (maps.var(dim=(0, 2, 3), keepdim=True, unbiased=False) + norm.eps).sqrt()
    with torch.no_grad():
        hidden = encoder.blocks[2][:2](encoder.blocks[1](relu(scaled)))  # dropout is off
    adapt_statistics(encoder, [images])
    torch.testing.assert_close(encoder.blocks[2][2].running_mean, hidden.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-6)


def _adapted(*batches):
    """The deepest BatchNorm after a pass over ``batches``."""
    encoder = small_encoder()
    adapt_statistics(encoder, batches)
    return encoder.blocks[2][2]


def test_batches_of_equal_size_count_the_same_and_unequal_ones_by_their_images():
    four, other_four, two = _images(4, 1), _images(4, 2), _images(2, 3)
    a, b, c = _adapted(four), _adapted(other_four), _adapted(two)
    equal, unequal = _adapted(four, other_four), _adapted(four, two)
    for name in ("running_mean", "running_var"):
        of_a, of_b, of_c = (getattr(norm, name) for norm in (a, b, c))
        torch.testing.assert_close(getattr(equal, name), (of_a + of_b) / 2, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(getattr(unequal, name), (4 * of_a + 2 * of_c) / 6, rtol=1e-5, atol=1e-6)
    assert equal.num_batches_tracked == 2


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_the_first_mean_is_that_of_all_images_however_they_are_batched(sizes):
    encoder, images = small_encoder(), _images(sum(sizes))
    wanted = _first_maps(encoder, images).mean(dim=(0, 2, 3))
    adapt_statistics(encoder, iter(images.split(sizes)))
    torch.testing.assert_close(encoder.blocks[0][1].running_mean, wanted, rtol=1e-4, atol=1e-6)


def test_a_last_image_alone_joins_the_batch_before_it():
    together, joined = small_encoder(), small_encoder()
    images = _images(7)
    adapt_statistics(together, [images[:3], images[3:]])
    adapt_statistics(joined, [images[:3], images[3:6], images[6:]])
    assert changed(snapshot(together), joined) == set()


def test_it_is_what_torch_does_where_batches_are_equal():
    ours, theirs = create_encoder("resnet18"), create_encoder("resnet18")
    theirs.load_state_dict(ours.state_dict())
    batches = [_images(2, seed, 64) for seed in range(3)]
    assert adapt_statistics(ours, batches) == 20
    update_bn(batches, theirs)
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)


def test_nothing_but_the_statistics_of_the_encoder_changes():
    model = EncoderUNet(create_encoder("tf_efficientnet_lite0"), widths=(8,) * 5, bottleneck=8)
    Strategy.partial(2, batch_norm="adapt").apply(model)
    model.train()
    model.encoder.blocks[-1][0].eval()  # a mode of the user's own
    modes = {name: module.training for name, module in model.named_modules()}
    momenta = {name: m.momentum for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    learns = {name: p.requires_grad for name, p in model.named_parameters()}
    before = snapshot(model)
    count = adapt_statistics(model, [_images(2, size=64)])
    statistics = {n for n in before if n.startswith("encoder.") and n.endswith(("running_mean", "running_var"))}
    assert len(statistics) == 2 * count > 80
    counters = {n for n in before if n.startswith("encoder.") and n.endswith("num_batches_tracked")}
    assert changed(before, model) == statistics | counters
    assert modes == {name: module.training for name, module in model.named_modules()}
    assert momenta == {n: m.momentum for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert learns == {name: p.requires_grad for name, p in model.named_parameters()}
    assert all(p.grad is None for p in model.parameters())


def test_the_same_batches_give_the_same_bits_whatever_was_there_before():
    first, second = SmallClassifier().train(), SmallClassifier().eval()
    for norm in (second.encoder.blocks[0][1], second.encoder.blocks[2][2]):
        norm.running_mean.fill_(7.0)
        norm.num_batches_tracked.fill_(99)
    for model, seed in ((first, 1), (second, 2)):
        torch.manual_seed(seed)  # of dropout, were it on
        adapt_statistics(model, [_images(3), _images(3, 1)])
    assert changed(snapshot(first), second) == set()


def test_the_last_batches_of_a_long_pass_weigh_no_more_than_the_first():
    images = _images(12)
    forward, backward = small_encoder(), small_encoder()
    adapt_statistics(forward, images.split(2))
    adapt_statistics(backward, reversed(images.split(2)))
    for name in ("running_mean", "running_var"):
        a, b = (getattr(encoder.blocks[2][2], name) for encoder in (forward, backward))
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_pass_is_in_float32_and_keeps_no_graph():
    plain, under_autocast, seen = small_encoder(), small_encoder(), []
    plain.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[-1].requires_grad))
    adapt_statistics(plain, [_images(3)])
    with torch.autocast("cpu", torch.bfloat16):
        adapt_statistics(under_autocast, [_images(3)])
    assert changed(snapshot(plain), under_autocast) == set()
    assert seen == [False]


def test_a_batch_norm_that_keeps_no_statistics_has_none_to_adapt():
    encoder = small_encoder()
    encoder.blocks[0][1] = nn.BatchNorm2d(4, track_running_stats=False)
    assert adapt_statistics(encoder, [_images(2)]) == 1


@pytest.mark.parametrize("model", [EncoderUNet(create_encoder("convnext_atto"), widths=(8,) * 5), UNet(widths=(4, 8))])
def test_where_there_is_no_batch_norm_to_adapt_no_image_is_read(model):
    def images():
        raise AssertionError("read")
        yield

    before = snapshot(model)
    assert adapt_statistics(model, images()) == 0
    assert changed(before, model) == set()


def test_no_image_and_an_image_too_small_alone_are_refused_and_modes_come_back():
    encoder = create_encoder("resnet18").train()
    before = snapshot(encoder)
    with pytest.raises(DataError, match="there is none"):
        adapt_statistics(encoder, [])
    assert {n for n in changed(before, encoder) if "running" in n} == set()
    with pytest.raises(DataError, match="two training images or more"):
        adapt_statistics(encoder, [_images(1)])  # 32 px at stride 32 is one value
    assert all(module.training for module in encoder.modules())
    assert encoder.blocks[0][1].momentum == 0.1
