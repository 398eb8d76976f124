import io

import numpy as np
from PIL import Image

from medgraft.report.figures import curves, gains, histogram, paired
from medgraft.scores import Interval


def line(epoch, stage="frozen", **val):
    return {"epoch": epoch, "stage": stage, "train": {"loss": 1 / epoch}, "val": val}


def test_curves_follow_the_page_colours_and_are_pictures_too():
    chart = curves([line(e, loss=2 / e) for e in range(1, 6)], "loss", "Loss", "SYNTHETIC data")
    assert chart is not None
    assert "var(--series-1)" in chart.svg and "var(--series-2)" in chart.svg and "#0102" not in chart.svg
    assert "http" not in chart.svg and "SYNTHETIC data" in chart.svg
    assert chart.alt == "Loss over 5 epochs: validation from 2.000 to 0.400; training from 1.000 to 0.200."
    picture = np.asarray(Image.open(io.BytesIO(chart.png)).convert("RGB"))
    assert (picture == 255).all(-1).mean() > 0.5 and (picture != 255).any()


def test_one_epoch_none_and_missing_measures():
    assert curves([], "loss", "Loss") is None
    assert curves([line(1, loss=1.0)], "dice", "Dice") is None
    one = curves([line(1, dice=0.5)], "dice", "Dice")
    assert one is not None and "best 0.500" in one.svg


def test_each_stage_change_is_marked_once_and_hostile_names_are_text():
    stages = ["decoder", "decoder", "<script>$x$", "<script>$x$"]
    chart = curves([line(e, s, loss=1.0) for e, s in enumerate(stages, 1)], "loss", "Loss")
    assert chart is not None
    assert chart.svg.count("&lt;script&gt;$x$") == 1 and "<script" not in chart.svg
    assert ">decoder<" not in chart.svg


def test_histogram_leaves_undefined_values_out():
    chart = histogram([0.2, 0.8, float("nan"), 0.9], Interval(0.633, 0.4, 0.8, 3), "test")
    assert chart is not None and "3 test images: lowest 0.20, median 0.80, highest 0.90" in chart.alt
    assert "mean 0.633" in chart.svg
    assert histogram([float("nan")], None, "test") is None


def test_paired_counts_by_hand():
    x, y = np.array([0.1, 0.5, 0.9, 0.4]), np.array([0.2, 0.5, 0.8, 0.7])
    chart = paired(x, y, "a", "b", "p")
    assert "of 4 images: b is better on 2, worse on 1 and equal on 1 than a" in chart.alt


def test_gains_by_hand():
    chart = gains(np.array([0.2, -0.1, 0.05]), "a", "b", "g")
    assert chart.alt.endswith("b less a: from -0.100 over a median of +0.050 to +0.200.")
    assert "var(--series-1)" in chart.svg and "var(--series-2)" in chart.svg


def test_same_input_gives_the_same_drawing():
    history = [line(e, loss=2 / e) for e in range(1, 4)]
    first, second = curves(history, "loss", "Loss"), curves(history, "loss", "Loss")
    assert first is not None and first == second
