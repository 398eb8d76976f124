"""The summary says what the optimiser does."""

import torch

from medgraft.models import EncoderUNet, UNet, create_encoder
from medgraft.transfer import Strategy, summarise


def test_rows_add_up_and_match_the_optimiser():
    model = EncoderUNet(create_encoder("resnet18"))
    strategy = Strategy.partial(2, lr=1e-3, encoder_lr=1e-4, decay=0.5)
    optimiser = torch.optim.AdamW(strategy.apply(model))
    rows = summarise(model, strategy, 64)
    assert [row.part for row in rows] == [f"encoder {name}" for name in model.encoder.block_names] + ["decoder"]
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in model.parameters())
    rates = {group["part"]: group["lr"] for group in optimiser.param_groups}
    assert {row.part: row.lr for row in rows if row.lr} == rates
    assert rows[-2].shape == (512, 2, 2), "ResNet-18 at stride 32"
    assert rows[-1].shape == (1, 64, 64)
    assert [row.trainable for row in rows] == [row.parameters if row.lr else 0 for row in rows]


def test_a_model_without_an_encoder_is_one_row():
    model = UNet(widths=(4, 8))
    strategy = Strategy.scratch(lr=0.1)
    strategy.apply(model)
    (row,) = summarise(model, strategy, 32)
    assert (row.part, row.shape, row.lr) == ("model", (1, 32, 32), 0.1)
