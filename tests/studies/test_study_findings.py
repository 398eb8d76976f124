"""The pure parts of a study's report, on tables that are made up: contrasts, table, gain, convergence, answer."""

import math

import numpy as np
import pandas as pd
import pytest

from medgraft.studies.answer import answers, cautions
from medgraft.studies.contrasts import contrasts
from medgraft.studies.convergence import Cost, at_the_edge, costs, speed_of
from medgraft.studies.gain import gain_by_distance, gain_curves
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
    # The grid has WT before RI here, so that the contrast was turned round with its interval.
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
    # 0.95 of 0.80 is 0.76: first reached in the third epoch, after 2 + 3 + 2 seconds.
    history = [_line(0.5), _line(0.7, 3.0), _line(0.77), _line(0.80), _line(0.75)]
    assert speed_of(history, "auc") == (3, 7.0, 5)
    assert speed_of(history, "kappa") == (3, 7.0, 5), "without kappa in each epoch it is what was watched"
    assert speed_of([_line(0.5, penalty=1.0)], "auc") is None and speed_of([], "auc") is None
    assert speed_of([_line(NAN), _line(None)], "auc") is None
    # Of a score below 0 (kappa may be) no share is taken.
    assert speed_of([_line(-0.3), _line(-0.1), _line(-0.2)], "auc") == (2, 4.0, 3)
    lower = [{"seconds": 1.0, "monitor": "brier", "val": {"loss": 1.0, "brier": v}} for v in (0.4, 0.21, 0.2)]
    assert speed_of(lower, "brier") == (2, 2.0, 3)


def test_costs_count_what_is_finished():
    cost = costs(made({("RI", "50"): [0.6, 0.6], ("WT", "50"): []}), [])
    assert (cost[0].cells, cost[0].seconds, cost[0].rates) == (2, 3.0, {0.1: 2})
    assert cost[1].cells == 0 and math.isnan(cost[1].seconds) and math.isnan(cost[1].epochs)


def test_rates_at_the_edge_of_what_was_tried():
    cost = [Cost(Way("a", "full", "RI", "50"), 5, 1.0, {1e-3: 4, 3e-4: 1}, 1, 1, 5)]
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
