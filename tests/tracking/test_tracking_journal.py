"""A tracker never gets an epoch twice, and whatever it raises costs one warning."""

import pytest

from medgraft.tracking import Journal, Place

SCORES = {"test": {"dice": {"value": 0.5, "low": 0.25, "high": 0.75, "n": 4, "level": 0.95}, "iou": {"value": None}}}


class Fake:
    """Remembers what it is told; raises in the methods named."""

    where = "a fake"

    def __init__(self, *failing):
        self.failing = set(failing)
        self.told = []

    def _maybe(self, method):
        if method in self.failing:
            raise ConnectionError(f"{method}: http://ada:secret@host/ is gone")

    def begin(self, name, config, before):
        self._maybe("begin")
        self.told.append("begin")
        return before or Place("1")

    def epoch(self, number, figures):
        self._maybe("epoch")
        self.told.append((number, figures))

    def end(self, number, scores, papers):
        self._maybe("end")
        self.told.append(("end", number, scores))

    def stop(self):
        self._maybe("stop")
        self.told.append("stop")


def journal(tracker, before=None):
    said, places = [], []
    return Journal("fake", tracker, "run", {}, before, places.append, said.append), said, places


def line(number):
    return {"epoch": number, "train": {"loss": float(number)}}


def test_a_run_is_told_whole():
    tracker = Fake()
    made, said, places = journal(tracker)
    made.begin()
    for number in (1, 2):
        made.epoch(line(number))
    made.end([line(1), line(2)], SCORES, list)
    scores = {
        f"scores/test/dice/{key}": value for key, value in (("value", 0.5), ("low", 0.25), ("high", 0.75), ("n", 4))
    }
    assert tracker.told == ["begin", (1, {"train/loss": 1.0}), (2, {"train/loss": 2.0}), ("end", 2, scores)]
    assert said == ["tracked in fake: a fake"] and places == [Place("1"), Place("1", 1), Place("1", 2)]


def test_a_resumed_run_is_told_what_is_missing_and_nothing_twice():
    tracker = Fake()
    made, _, _ = journal(tracker, Place("7", 2))
    made.begin([line(number) for number in (1, 2, 3)])  # the third was written and not sent
    for number in (3, 4):  # the last checkpoint was that of the second
        made.epoch(line(number))
    made.end([line(number) for number in (1, 2, 3, 4)], {}, list)
    assert [entry[0] for entry in tracker.told[1:-1]] == [3, 4] and made.place == Place("7", 4)


def test_lines_that_were_never_epochs_are_told_at_the_end():
    tracker = Fake()
    made, _, _ = journal(tracker)
    made.begin()
    made.end([line(1), line(2)], {}, list)
    assert [entry[0] for entry in tracker.told[1:]] == [1, 2, "end"]


@pytest.mark.parametrize("method", ["begin", "epoch", "end", "stop"])
def test_one_warning_then_silence(method):
    made, said, _ = journal(Fake(method))
    made.begin()
    made.epoch(line(1))
    made.epoch(line(2))
    if method == "stop":
        made.stop()
    made.end([line(1), line(2)], SCORES, list)
    warnings = [sentence for sentence in said if sentence.startswith("warning: fake fails")]
    assert len(warnings) == 1 and f"{method}: http://host/ is gone" in warnings[0]
    assert ("tried once more" in warnings[0]) == (method != "end")


@pytest.mark.parametrize("method", ["begin", "epoch"])
def test_a_tracker_that_comes_back_has_the_whole_run_at_the_end(method):
    tracker = Fake(method)
    made, said, _ = journal(tracker)
    made.begin()
    made.epoch(line(1))
    tracker.failing.clear()
    made.epoch(line(2))
    assert len(tracker.told) <= 1  # it is left alone until the end
    made.end([line(1), line(2)], SCORES, list)
    assert [entry[0] for entry in tracker.told if entry != "begin"] == [1, 2, "end"]
    assert sum("warning" in sentence for sentence in said) == 1


def test_an_interruption_is_no_failure():
    class Interrupted(Fake):
        def epoch(self, number, figures):
            raise KeyboardInterrupt

    made, _, _ = journal(Interrupted())
    made.begin()
    with pytest.raises(KeyboardInterrupt):
        made.epoch(line(1))
