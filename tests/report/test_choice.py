import math

import pytest

from medgraft.report.choice import choose


def run(name, value, learned=None, minutes=None, metric="auc"):
    score = {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 90}
    return {"name": name, "scores": {metric: score}, "learned": learned, "minutes": minutes}


def gaps(**leads):
    """Leads over a run by its name, as (value, low, high)."""

    def gap(_, other):
        return dict(zip(("value", "low", "high"), leads[other], strict=True)) if leads.get(other) else None

    return gap


NOISE, CLEAR = (0.02, -0.01, 0.05), (0.1, 0.06, 0.14)
FROZEN, FULL = run("frozen", 0.88, 1_281, 0.1), run("full", 0.9, 3_400_000, 6.2)


def test_a_clear_lead_is_taken_whatever_it_costs():
    choice = choose([FROZEN, FULL], "auc", 90, gaps(frozen=CLEAR))
    assert choice.name == "full"
    assert choice.sentences == [
        "Take full: its AUC, 0.900 (0.850 to 0.950), is the highest, and its lead over frozen is more than noise: "
        "+0.100 (+0.060 to +0.140)."
    ]


def test_the_cheaper_of_two_that_cannot_be_told_apart():
    choice = choose([FULL, FROZEN], "auc", 90, gaps(frozen=NOISE))
    assert choice.name == "frozen"
    assert choice.sentences[0] == (
        "Take frozen: as far as these 90 images can tell it is as good as full, and it is cheaper. Its AUC is 0.880 "
        "(0.830 to 0.930), that of full 0.900 (0.850 to 0.950), and the lead of +0.020 (−0.010 to +0.050) may be "
        "noise. It learned 1,281 parameters instead of 3.4 M and trained in 0.1 minutes instead of 6.2 minutes."
    )
    # Half the width of the interval of the lead.
    assert "differences of AUC below about 0.03 do not show" in choice.sentences[1]


@pytest.mark.parametrize("lead", [(0.02, 0.0, 0.04), (0.0, 0.0, 0.0), (0.02, math.nan, math.nan), None])
def test_an_interval_that_holds_or_touches_0_or_is_not_there_proves_nothing(lead):
    assert choose([FROZEN, FULL], "auc", 90, gaps(frozen=lead)).name == "frozen"


def test_the_best_is_taken_where_it_is_the_cheapest_too():
    cheap_and_best = run("frozen", 0.92, 1_281, 0.1)
    choice = choose([cheap_and_best, FULL], "auc", 90, gaps(full=NOISE))
    assert choice.name == "frozen"
    assert "these 90 images cannot tell it from full, but that is not clearly cheaper" in choice.sentences[0]


@pytest.mark.parametrize(
    ("learned", "minutes", "taken"),
    [(3_300_000, 6.0, "full"), (3_300_000, 4.0, "other"), (3_000_000, 9.0, "other"), (3_700_000, 1.0, "other"),
     (4_000_000, 1.0, "full"), (None, None, "full")],
)  # fmt: skip
def test_cheaper_is_clearly_fewer_parameters_or_as_many_in_clearly_less_time(learned, minutes, taken):
    other = run("other", 0.89, learned, minutes)
    assert choose([FULL, other], "auc", 90, gaps(other=NOISE)).name == taken


def test_among_several_the_cheapest_of_those_that_cannot_be_told_from_the_best():
    partial, scratch = run("partial", 0.89, 900_000, 1.5), run("scratch", 0.7, 10, 0.01)
    choice = choose([scratch, FROZEN, partial, FULL], "auc", 90, gaps(frozen=NOISE, partial=NOISE, scratch=CLEAR))
    assert choice.name == "frozen"
    rest = " ".join(choice.sentences[1:])
    assert "Lead of full over partial in AUC: +0.020 (−0.010 to +0.050), may be noise." in rest
    assert "Lead of full over scratch in AUC: +0.100 (+0.060 to +0.140), more than noise." in rest
    assert "over frozen" not in rest and "picked on these very images" in rest


def test_slower_but_smaller_is_said_honestly():
    slow = run("slow", 0.89, 1_281, 60.0)
    assert "took longer to train: 60.0 minutes instead of 6.2 minutes" in " ".join(
        choose([slow, FULL], "auc", 90, gaps(slow=NOISE)).sentences
    )


def test_runs_without_the_score_are_left_out():
    nothing = run("nothing", math.nan)
    assert choose([nothing, FULL], "auc", 90, gaps()).name == ""
    assert choose([nothing, FROZEN, FULL], "auc", 90, gaps(frozen=CLEAR)).name == "full"


def test_a_run_that_any_other_beats_is_not_taken_though_the_best_cannot_be_told_from_it():
    partial, deeper = run("partial", 0.893, 1_000_000, 2.2), run("deeper", 0.895, 2_700_000, 5.5)
    leads = {
        ("deeper", "frozen"): (0.018, -0.002, 0.04),
        ("deeper", "partial"): (0.001, -0.014, 0.018),
        ("partial", "frozen"): (0.017, 0.003, 0.032),
        ("frozen", "partial"): (-0.017, -0.032, -0.003),
    }

    def gap(first, other):
        return dict(zip(("value", "low", "high"), leads[first, other], strict=True))

    choice = choose([FROZEN, partial, deeper], "auc", 600, gap)
    assert choice.name == "partial"
    assert choice.sentences[1] == (
        "frozen would be cheaper still, but the lead of partial over it is more than noise: +0.017 (+0.003 to +0.032)."
    )
