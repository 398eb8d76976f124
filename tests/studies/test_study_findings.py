"""The pure parts of a study's report, on tables that are made up: contrasts, table, gain, convergence, answer."""

import math

import numpy as np
import pandas as pd
import pytest

from medgraft.studies.answer import answers, cautions, correction
from medgraft.studies.contrasts import contrasts
from medgraft.studies.convergence import Cost, Reached, Speed, at_the_edge, costs, speed_of
from medgraft.studies.gain import gain_by_distance, gain_curves
from medgraft.studies.naming import shown
from medgraft.studies.published import Paper, Publications, Published
from medgraft.studies.scored import Scored, Way
from medgraft.studies.table import beside_published, table_of_study

NAN = math.nan


def made(scores, *, metric="auc", encoders=("a",), seeds=3, data="retina"):
    """Scores by (init, n) and seed, of each encoder the same; a list that is too short lacks its last seeds."""
    rows, by_seed, draws = [], {}, {}
    noise = np.random.default_rng(0).normal(0, 0.002, 100)
    for seed in range(seeds):
        for encoder in encoders:
            for (init, n), values in scores.items():
                there = seed < len(values) and not math.isnan(values[seed])
                rows.append({
                    "id": f"{encoder}-{init}-{n}-{seed}", "data": data, "encoder": encoder, "strategy": "full",
                    "init": init, "n": n, "seed": seed, "fold": 0, "status": "finished" if there else "failed",
                    "lr": 0.1 if there else NAN, "seconds": 2.0 * (seed + 1) if there else 0.5,
                    "images": 400 if n == "all" else int(n), "score": values[seed] if there else NAN,
                    f"test_{metric}": values[seed] if there else NAN,
                })  # fmt: skip
                if there:
                    way = Way(encoder, "full", init, n)
                    by_seed.setdefault(way, {})[seed] = values[seed]
                    draws.setdefault(way, {})[seed] = values[seed] + noise
    return Scored(metric, pd.DataFrame(rows), by_seed, draws, 90, 60)


CLEAR = {
    ("RI", "50"): [0.60, 0.61, 0.605], ("ST", "50"): [0.61, 0.621, 0.614], ("WT", "50"): [0.70, 0.711, 0.706],
    ("RI", "all"): [0.80, 0.86, 0.83], ("ST", "all"): [0.84, 0.80, 0.85], ("WT", "all"): [0.86, 0.81, 0.83],
}  # fmt: skip


def test_contrasts_are_pairs_that_differ_in_their_start_alone():
    found = contrasts(made(CLEAR, encoders=("a", "b")))
    assert [(each.better.encoder, each.better.n, each.better.init, each.worse.init) for each in found[:4]] == [
        ("a", "50", "ST", "RI"), ("a", "50", "WT", "RI"), ("a", "50", "WT", "ST"), ("a", "all", "ST", "RI"),
    ]  # fmt: skip
    assert len(found) == 12
    low = found[1]
    assert low.found.value == pytest.approx((0.70 + 0.711 + 0.706 - 0.60 - 0.61 - 0.605) / 3) and low.told == "told"
    assert found[4].told == "not" and found[4].corrected == pytest.approx(1)


def _holm(values):
    """The k-th smallest of m times m - k + 1, none below one before."""
    order, found, least = sorted(range(len(values)), key=values.__getitem__), [0.0] * len(values), 0.0
    for k, place in enumerate(order):
        least = max(least, min(1.0, values[place] * (len(values) - k)))
        found[place] = least
    return found


def test_the_gains_of_a_model_are_corrected_together_and_other_pairs_by_themselves():
    scores = {key: values for key, values in CLEAR.items() if key[1] == "50"}
    planned = contrasts(made(scores))
    assert [each.comparisons for each in planned] == [3] * 3
    assert [each.corrected for each in planned] == pytest.approx(_holm([each.found.p for each in planned]))
    # Another model, and another initialisation, change nothing of what is said of this one.
    more = scores | {("mean_var", "50"): [0.62, 0.63, 0.61]}
    several = contrasts(made(more, encoders=("a", "b")))
    gains = [each for each in several if each.family == ("gains", "a", "full")]
    assert [(each.better, each.corrected) for each in gains] == [(each.better, each.corrected) for each in planned]
    others = [each for each in several if each.family == ("others", "b", "full")]
    assert {"mean_var"} <= set.intersection(*({each.better.init, each.worse.init} for each in others))
    assert [each.corrected for each in others] == pytest.approx(_holm([each.found.p for each in others]))
    said = correction(several)
    assert said.startswith("for the 3 gains of each model (WT − RI, WT − ST, ST − RI, at 1 number of images)")
    assert said.endswith("; the 3 other pairs of each model are corrected by themselves")


def test_what_was_corrected_together_is_said_of_models_and_of_lost_cells():
    scores = {("WT", "50"): [0.7, 0.71, 0.72], ("WT", "all"): [0.8, 0.8, 0.8]}
    assert correction(contrasts(made(scores, encoders=("a", "b", "c")))) == "for all 6 pairs of models"
    lost = {("RI", "50"): [0.6, 0.61, 0.6], ("mean_var", "50"): [], ("WT-ST-1", "50"): [0.7, 0.71, 0.72]}
    assert correction(contrasts(made(lost))) == "for nothing, as there is one comparison"
    assert correction([]) == ""


def test_a_contrast_has_the_seeds_that_both_have():
    scores = {("RI", "50"): [0.6, NAN, 0.6], ("WT", "50"): [0.7, 0.9, 0.71]}
    (found,) = contrasts(made(scores))
    assert found.found.seeds == 2 and found.of == 3 and found.found.value == pytest.approx(0.105)
    (none,) = contrasts(made({("RI", "50"): [0.6], ("WT", "50"): [NAN, 0.9, 0.9]}))
    assert none.found.seeds == 0 and none.told == "unknown"


def test_of_scores_that_are_better_low_the_gain_is_turned():
    scores = {("RI", "50"): [0.30, 0.31, 0.32], ("WT", "50"): [0.20, 0.21, 0.22]}
    scored = made(scores, metric="brier")
    (found,) = contrasts(scored)
    assert found.found.value == pytest.approx(0.1)
    (line,) = table_of_study(scored, [found]).lines
    assert [entry.best for entry in line.entries] == [False, True]


def test_the_table_has_means_deviations_and_what_is_missing():
    scored = made(CLEAR | {("ST", "50"): [0.61, NAN, 0.63]})
    table = table_of_study(scored, contrasts(scored))
    assert table.heads == ("n",) and table.columns == ("RI", "ST", "WT")
    assert [line.names for line in table.lines] == [("50",), ("all",)]
    two = made(CLEAR, encoders=("a", "b"))
    named = table_of_study(two, contrasts(two))
    assert named.heads == ("model", "n")
    assert [line.names for line in named.lines] == [("a", "50"), ("a", "all"), ("b", "50"), ("b", "all")]
    random, statistics, weights = table.lines[0].entries
    assert random.mean == pytest.approx(0.605) and random.sd == pytest.approx(0.005)
    assert (statistics.finished, statistics.of) == (2, 3) and statistics.mean == pytest.approx(0.62)
    assert weights.best and not random.best and not random.tied
    # In the last row nothing is told from anything.
    assert [entry.best or entry.tied for entry in table.lines[1].entries] == [True] * 3


def test_of_one_initialisation_models_are_the_columns():
    scores = {("WT", "50"): [0.7, 0.71, 0.72], ("WT", "all"): [0.8, 0.8, 0.8]}
    scored = made(scores, encoders=("a", "b@/x/own.safetensors"))
    found = contrasts(scored)
    assert {(each.better.encoder, each.worse.encoder) for each in found} == {("b@/x/own.safetensors", "a")}
    table = table_of_study(scored, found)
    assert table.heads == ("n",) and table.columns == ("a", "b (own)")
    said = answers(scored, table, gain_curves(scored, found))
    assert said[0].startswith("50 images: a has the best AUC (0.710 ± 0.010), not told from noise against b (own)")


def test_gains_are_against_n_in_rising_order():
    scored = made(dict(reversed(CLEAR.items())))
    curves = gain_curves(scored, contrasts(scored))
    assert [(curve.better, curve.worse) for curve in curves] == [("WT", "RI"), ("WT", "ST"), ("ST", "RI")]
    whole, weights, statistics = curves
    assert [point.n for point in whole.points] == ["50", "all"] and [p.images for p in whole.points] == [50, 400]
    for k in range(2):
        parts = weights.points[k].contrast.found.value + statistics.points[k].contrast.found.value
        assert whole.points[k].contrast.found.value == pytest.approx(parts)
    # The grid has WT before RI here, and the gain is of WT all the same.
    first = whole.points[0].contrast.found
    assert first.low < first.value < first.high and first.value == pytest.approx(0.1006667, abs=1e-6)


def test_gain_by_distance_takes_the_most_images_of_studies_whose_distance_is_known():
    curves = {name: gain_curves(s := made(CLEAR), contrasts(s)) for name in ("far", "near", "unknown")}
    placed = gain_by_distance(curves, {"far": 0.4, "near": 0.1})
    assert [(each.data, each.distance, each.point.n) for each in placed] == [("near", 0.1, "all"), ("far", 0.4, "all")]
    assert all((each.curve.better, each.curve.worse) == ("WT", "RI") for each in placed)


def _line(value, seconds=2.0, **more):
    return {"seconds": seconds, "monitor": "auc", "val": {"loss": 1.0, "auc": value}} | more


def test_convergence_by_hand():
    # From 0.5, chance, to 0.80: 95% of the way is 0.785, first reached in the third epoch, after 2 + 3 + 2 seconds.
    history = [_line(0.5), _line(0.77, 3.0), _line(0.79), _line(0.80), _line(0.75)]
    assert speed_of(history, "auc") == ("auc", 3, 7.0, 5)
    assert speed_of(history, "kappa") == ("auc", 3, 7.0, 5), "without kappa in each epoch it is what was watched"
    assert speed_of([_line(0.5, penalty=1.0)], "auc") is None and speed_of([], "auc") is None
    assert speed_of([_line(NAN), _line(None)], "auc") is None
    # Dice starts at 0: 95% of 0.80 is 0.76.
    masks = [_line(0.5, dice=value) | {"val": {"loss": 1.0, "dice": value}} for value in (0.75, 0.77, 0.80)]
    assert speed_of(masks, "dice") == ("dice", 2, 4.0, 3)
    lower = [{"seconds": 1.0, "monitor": "brier", "val": {"loss": 1.0, "brier": v}} for v in (0.4, 0.21, 0.2)]
    assert speed_of(lower, "brier") == ("brier", 2, 2.0, 3)


def test_a_model_that_learns_nothing_is_not_the_fastest():
    # 0.95 of 0.53 is below 0.51; of the way from chance to 0.53 it is the third epoch that comes near.
    assert speed_of([_line(0.51), _line(0.52), _line(0.53)], "auc").epochs == 3
    never = speed_of([_line(0.48), _line(0.50), _line(0.45)], "auc")
    assert math.isnan(never.epochs) and math.isnan(never.seconds) and never.all_epochs == 3
    kappa = [{"seconds": 1.0, "monitor": "kappa", "val": {"kappa": value}} for value in (-0.3, -0.1)]
    assert math.isnan(speed_of(kappa, "kappa").epochs)
    way = Way("a", "full", "RI", "50")
    timed = [Speed("c", way, 0, never), Speed("d", way, 1, Reached("auc", 4, 8.0, 5))]
    (cost,) = costs(made({("RI", "50"): [0.6, 0.6]}, seeds=2), timed)
    assert (cost.epochs, cost.near_seconds, cost.timed, cost.never) == (4, 8.0, 2, 1)


def test_costs_count_what_is_finished():
    cost = costs(made({("RI", "50"): [0.6, 0.6], ("WT", "50"): []}), [])
    assert (cost[0].cells, cost[0].seconds, cost[0].rates) == (2, 3.0, {0.1: 2})
    assert cost[1].cells == 0 and math.isnan(cost[1].seconds) and math.isnan(cost[1].epochs)


def test_rates_at_the_edge_of_what_was_tried():
    cost = [Cost(Way("a", "full", "RI", "50"), 5, 1.0, {1e-3: 4, 3e-4: 1}, 1, 1, 5, 0)]
    assert at_the_edge(cost, (1e-4, 3e-4, 1e-3)) == (0, 4) and at_the_edge(cost, (1e-3,)) == (0, 0)
    scored = made({("RI", "50"): [0.6, 0.6, 0.6]})
    (said,) = cautions(scored, [], cost, (1e-4, 3e-4, 1e-3))
    assert said.startswith("Most cells of RI (4 of 5) kept the highest rate that was tried (0.001)")


def _said(scored):
    found = contrasts(scored)
    return answers(scored, table_of_study(scored, found), gain_curves(scored, found))


def test_the_answer_says_how_much_and_of_what():
    (said,) = _said(made(CLEAR))
    assert said.startswith("With 50 images pretrained weights gave +0.101 AUC over random ones (+0.09")
    assert "of which +0.010 is explained by their statistics; with all images the gain is not told from noise" in said


def test_statistics_that_explain_nothing_are_said_to():
    (said,) = _said(made(CLEAR | {("ST", "50"): [0.59, 0.601, 0.594]}))
    assert ", none of it explained by their statistics (−0.010); with all images" in said


def test_statistics_that_give_more_than_the_weights_are_no_part_of_their_gain():
    (said,) = _said(made(CLEAR | {("ST", "50"): [0.72, 0.731, 0.724]}))
    assert ", no more than their statistics gave by themselves (+0.120); with all images" in said


def test_the_answer_says_what_was_lost_and_what_is_not_known():
    worse = {
        ("RI", "50"): [0.70, 0.711, 0.706],
        ("WT", "50"): [0.60, 0.61, 0.605],
        ("RI", "all"): [],
        ("WT", "all"): [],
    }
    (said,) = _said(made(worse))
    assert said.startswith("With 50 images pretrained weights took away 0.101 AUC against random ones (−0.1")
    assert said.endswith("with all images nothing can be said, as no seed has both trainings finished.")
    assert _said(made({("RI", "50"): []})) == ["No cell of this study is finished, so it says nothing yet."]


def test_the_answer_names_models_seeds_and_statistics_as_needed():
    scores = {("ST", "50"): [0.60, NAN, 0.605], ("WT", "50"): [0.70, 0.711, 0.706]}
    first, second = _said(made(scores, encoders=("a", "b")))
    assert first.startswith("a: with 50 images") and second.startswith("b: with 50 images")
    assert "over random ones with the same statistics" in first and "on 2 of 3 seeds" in first


def test_one_seed_is_said():
    scored = made({("RI", "50"): [0.6], ("WT", "50"): [0.7]}, seeds=1)
    assert cautions(scored, contrasts(scored), [], (0.1,))[0].startswith("One seed: intervals and p values")


def test_what_papers_published_stands_beside_what_agrees():
    common = {"paper": "p", "table": "1", "metric": "auc", "value": 0.9, "sd": None, "source": "s"}
    rows = (
        Published(data="Retina", model="a", initialisation="WT", **common),
        Published(data="Retina", model="a", initialisation="WT", n=50, **common),
        Published(data="Retina", model="a", initialisation="mean_var", **common),
        Published(data="other", model="a", initialisation="WT", **common),
        Published(data="Retina", model="b", initialisation="WT", **common),
        Published(data="Retina", model="a", initialisation="WT", **common | {"metric": "kappa"}),
    )
    found = beside_published(made(CLEAR, encoders=("a@own.pt",)), Publications({"p": Paper("p", "c", "u")}, rows))
    assert [(each.published, each.way.n) for each in found] == [(rows[1], "50"), (rows[0], "all")]
    assert found[0].mean == pytest.approx(0.7056667, abs=1e-6) and found[0].cells == 3


def test_two_files_of_weights_of_one_name_have_a_row_each():
    encoders = ("resnet50@photographs/best.pth", "resnet50@x-rays/best.pth")
    two = made({("RI", "all"): [0.7, 0.71], ("WT", "all"): [0.8, 0.81]}, encoders=encoders, seeds=2)
    assert [line.names for line in table_of_study(two, contrasts(two)).lines] == [(name, "all") for name in encoders]
    one = made({("WT", "all"): [0.8, 0.81]}, encoders=encoders, seeds=2)
    assert table_of_study(one, contrasts(one)).columns == encoders


def test_a_hub_name_keeps_its_tag():
    assert shown("resnet50@hf-hub:timm/resnet50.tv_in1k") == "resnet50 (resnet50.tv_in1k)"
    assert shown("resnet50@weights/mine.pth") == "resnet50 (mine)"
    assert shown("resnet50") == "resnet50"


@pytest.mark.parametrize(("metric", "most"), [("auc", 1.0), ("kappa", 2.0), ("dice", 1.0), ("hd95_px", math.inf)])
def test_no_interval_goes_beyond_what_a_difference_can_be(metric, most):
    """Two seeds that disagree have one degree of freedom: the interval would reach from -6 to +6."""
    wild = made({("RI", "all"): [0.1, 0.9], ("WT", "all"): [0.9, 0.1]}, metric=metric, seeds=2)
    (contrast,) = contrasts(wild)
    assert contrast.found.low == max(-most, contrast.found.low) and contrast.found.high <= most
    if most < math.inf:
        assert (contrast.found.low, contrast.found.high) == (-most, most)
    else:
        assert contrast.found.high > 6
