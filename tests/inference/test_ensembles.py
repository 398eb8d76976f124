"""Several models together: the mean of their probabilities and how far they disagree, against worked figures."""

import math
import threading

import numpy as np
import pytest
from fake_runs import BINARY, PAIR, THREE, Constant, FakeRun, Pixelwise

from medgraft.data import LabelClasses, MaskClasses
from medgraft.errors import DataError, RunError
from medgraft.inference import answerer_of, answers, stream
from medgraft.inference.stream import BATCH, batches

GREY = np.full((10, 12), 128, np.uint8)
LN3 = math.log(3)


def _entropy(*shares):
    return -sum(p * math.log(p) for p in shares if p)


def test_two_labels_worked_by_hand(tmp_path):
    """Logits ln 3 and -ln 3 are 3/4 and 1/4; the mean is 1/2, the mutual information ln 2 - H(1/4)."""
    one, other = (FakeRun(tmp_path / name, Constant(logit), PAIR) for name, logit in (("a", LN3), ("b", -LN3)))
    answer = answerer_of(one, others=[other]).predict(GREY)
    np.testing.assert_allclose(answer.prediction.probabilities, [0.5, 0.5], atol=1e-6)
    assert answer.prediction.label == "ill" and answer.confidence == pytest.approx(0.5)
    assert answer.entropy == pytest.approx(math.log(2))
    assert answer.disagreement == pytest.approx(math.log(2) - _entropy(0.25, 0.75), abs=1e-6)


def test_models_of_one_mind_do_not_disagree(tmp_path):
    runs = [FakeRun(tmp_path / name, Constant(LN3), PAIR) for name in "abc"]
    answer = answerer_of(runs[0], others=runs[1:]).predict(GREY)
    assert answer.disagreement == pytest.approx(0, abs=1e-12)
    assert answer.entropy == pytest.approx(_entropy(0.25, 0.75))
    assert answerer_of(runs[0]).predict(GREY).disagreement is None


def test_several_labels_at_once_worked_by_hand(tmp_path):
    """Each label is a question of its own: entropy and mutual information are means over the labels."""
    classes = LabelClasses(("round", "filled"), multilabel=True)
    logits = ((LN3, 0.0), (-LN3, 0.0))
    one, other = (FakeRun(tmp_path / str(i), Constant(*pair), classes) for i, pair in enumerate(logits))
    answer = answerer_of(one, others=[other]).predict(GREY)
    np.testing.assert_allclose(answer.prediction.probabilities, [0.5, 0.5], atol=1e-6)
    assert answer.entropy == pytest.approx(math.log(2))
    assert answer.disagreement == pytest.approx((math.log(2) - _entropy(0.25, 0.75)) / 2, abs=1e-6)


def test_two_masks_worked_by_hand(tmp_path):
    """3/4 and 1/4 everywhere: the mean is 1/2, the spread 1/4, and one of the two marks every pixel."""
    one, other = (FakeRun(tmp_path / n, Constant(v, maps=True), BINARY) for n, v in (("a", LN3), ("b", -LN3)))
    answer = answerer_of(one, others=[other], threshold=0.6).predict(GREY)
    np.testing.assert_allclose(answer.prediction.probability, 0.5, atol=1e-6)
    np.testing.assert_allclose(answer.spread, 0.25, atol=1e-6)
    assert answer.spread.shape == GREY.shape and answer.disagreement == pytest.approx(0.25, abs=1e-6)
    assert not answer.prediction.mask.any() and answer.entropy == pytest.approx(math.log(2), abs=1e-6)
    # Where no model marks anything, they agree that there is nothing.
    nobody = answerer_of(one, others=[other], threshold=0.9).predict(GREY)
    assert nobody.disagreement == 0 and nobody.confidence == pytest.approx(0.5, abs=1e-6)


def test_the_spread_of_classes_is_that_of_the_one_decided(tmp_path):
    logits = [(math.log(6), math.log(3), 0.0), (math.log(2), math.log(7), 0.0)]
    one, other = (FakeRun(tmp_path / str(i), Constant(*v, maps=True), THREE) for i, v in enumerate(logits))
    answer = answerer_of(one, others=[other]).predict(GREY)
    # Shares (6, 3, 1)/10 and (2, 7, 1)/10: the mean is (4, 5, 1)/10, and class 1 has 0.3 and 0.7.
    np.testing.assert_allclose(answer.prediction.probability[:, 0, 0], [0.4, 0.5, 0.1], atol=1e-6)
    np.testing.assert_allclose(answer.spread, 0.2, atol=1e-6)
    assert (answer.prediction.mask == 1).all() and answer.confidence == pytest.approx(0.5, abs=1e-6)
    assert answer.disagreement == pytest.approx(0.2, abs=1e-6)


def test_each_model_keeps_its_size_channels_and_temperature(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    one = FakeRun(tmp_path / "a", Pixelwise(), size=16, channels=3)
    other = FakeRun(tmp_path / "b", Pixelwise(), size=24, channels=3, temperature=2.0)
    both = answerer_of(one, others=[other])
    assert [shown.shape for shown in both.look(colour).shown] == [(16, 16, 3), (24, 24, 3)]
    alone = [run.predictor.predict(colour).probability for run in (one, other)]
    np.testing.assert_allclose(both.predict(colour).prediction.probability, np.mean(alone, axis=0), atol=1e-6)


def test_a_file_is_read_as_each_model_wants_it(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "c.png"), np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    one, other = (FakeRun(tmp_path / str(c), Pixelwise(), channels=c) for c in (1, 3))
    seen = answerer_of(one, others=[other]).look(tmp_path / "c.png")
    assert [shown.shape[2] for shown in seen.shown] == [1, 3] and seen.pixels.shape == (20, 30, 1)


def test_folds_answer_together(tmp_path):
    folds = [FakeRun(tmp_path / f"fold-{i}", Constant(v), PAIR) for i, v in enumerate((LN3, 0.0, -LN3))]
    whole = FakeRun(tmp_path, Constant(9.0), PAIR, folds=folds, threshold=0.7)
    answer = answerer_of(whole).predict(GREY)
    assert answer.prediction.probabilities[1] == pytest.approx(0.5) and answer.prediction.label == "normal"


def test_runs_that_do_not_fit_together(tmp_path):
    labels, mask = FakeRun(tmp_path / "labels", Constant(0.0), PAIR), FakeRun(tmp_path / "mask", Pixelwise())
    with pytest.raises(RunError, match=r"mask is a run for segmentation and .*labels one for classification"):
        answerer_of(labels, others=[mask])
    turned = FakeRun(tmp_path / "turned", Constant(0.0), LabelClasses(("ill", "normal")))
    with pytest.raises(RunError, match=r"turned knows the classes ill, normal and .*labels normal, ill"):
        answerer_of(labels, others=[turned])
    values = FakeRun(tmp_path / "values", Pixelwise(), MaskClasses(BINARY.names, ((0, 0, 0), (1, 1, 1))))
    with pytest.raises(RunError, match=r"background, lesion with other values"):
        answerer_of(mask, others=[values])
    with pytest.raises(RunError, match="named twice"):
        answerer_of(mask, others=[FakeRun(tmp_path / "mask", Pixelwise())])


def test_images_of_8_and_16_bits_in_one_batch(tmp_path):
    run = FakeRun(tmp_path, Pixelwise())
    shallow = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    deep = shallow.astype(np.uint16) * 257
    found = [a.prediction.probability for a in answers(answerer_of(run), [shallow, deep, shallow])]
    for one in found[1:]:
        np.testing.assert_allclose(one, found[0], atol=1e-6)


def test_a_stream_keeps_order_and_goes_on_past_what_cannot_be_read(tmp_path):
    run = FakeRun(tmp_path, Pixelwise(0.0, 0.0))
    images = [np.full((4 + i, 5), i, np.uint8) for i in range(BATCH * 2 + 3)]
    images[7] = np.zeros((3, 3), np.float32)
    found = [
        one for batch in stream(answerer_of(run), batches(images), lambda *a: a[1].pixels.shape[0]) for one in batch
    ]
    assert isinstance(found[7], DataError) and "float32" in str(found[7])
    assert [one for i, one in enumerate(found) if i != 7] == [4 + i for i in range(len(images)) if i != 7]
    with pytest.raises(DataError, match="float32"):
        list(answers(answerer_of(run), images))


def test_a_stream_takes_a_few_batches_ahead_and_concludes_in_threads(tmp_path):
    """Memory is bounded: what is taken of an endless source stays near what is answered."""
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield [np.zeros((4, 4), np.uint8)] * BATCH

    flow = stream(answerer_of(FakeRun(tmp_path, Pixelwise())), endless(), lambda *a: threading.get_ident())
    for answered in range(1, 6):
        found = next(flow)
        assert len(found) == BATCH and threading.get_ident() not in found and taken <= answered + 3
    flow.close()


def test_batches_hold_few_large_images():
    side = 5000
    large = np.broadcast_to(np.uint8(0), (side, side))
    small = np.zeros((10, 10), np.uint8)
    assert [len(batch) for batch in batches([large] * 5)] == [2, 2, 1]
    assert [len(batch) for batch in batches([small] * 40)] == [16, 16, 8]
    assert [len(batch) for batch in batches([np.broadcast_to(np.uint8(0), (9000, 9000)), small])] == [1, 1]
