import json
import re

import numpy as np
import pytest
from fake_label_run import CELLS, CHEST, SIGNS, epochs_history, matrices, penalties_history, table_of
from page_reader import read
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_auc_score, roc_curve

from medgraft.report import run_report
from medgraft.report.folder import read_run_folder
from medgraft.report.label_pictures import most_confident
from medgraft.report.label_table import label_table
from medgraft.report.label_tables import class_rows


@pytest.fixture(scope="module")
def binary(make_label_run, tmp_path_factory):
    folder = make_label_run(tmp_path_factory.mktemp("binary") / "run", history=penalties_history(), threshold=0.4)
    return folder, read(run_report(folder))


@pytest.fixture(scope="module")
def cells(make_label_run, tmp_path_factory):
    folder = make_label_run(tmp_path_factory.mktemp("cells") / "run", CELLS, count=90, groups=0,
                            history=epochs_history(6, "balanced_accuracy"))  # fmt: skip
    return folder, read(run_report(folder))


def test_every_score_stands_on_the_page_with_its_interval(binary, cells):
    for folder, page in (binary, cells):
        scores = json.loads((folder / "scores.json").read_text())
        whole = [m for m in scores["test"] if m in ("auc", "average_precision", "accuracy", "brier")]
        for split in ("test", "val"):
            for metric in whole:
                value = scores[split][metric]
                assert f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})" in page.text
        for metric, value in scores["test"].items():
            assert f"{value['value']:.3f}" in page.text, metric
            assert f"{value['low']:.3f} to {value['high']:.3f}" in page.text, metric


def test_the_verdict_says_what_it_means_at_the_threshold(binary):
    folder, page = binary
    truth, decided, probability = matrices(table_of(folder), CHEST)
    area = roc_auc_score(truth[:, 1], probability[:, 1])
    found, alarms = decided[truth[:, 1], 1].mean(), decided[truth[:, 0], 1].mean()
    assert "On 60 test images of 24 patients that played no part in training" in page.text
    assert "In brackets the 95% bootstrap interval, drawing whole patients." in page.text
    assert f"in {100 * area:.0f} of 100 pairs (AUC {area:.3f}, 95% interval" in page.text
    assert f"At the threshold of 0.4 it finds {100 * found:.0f} of 100 (" in page.text
    assert re.search(rf"wrongly flags {100 * alarms:.0f} of 100 \(\d+ to \d+\) without it \(no_finding\)", page.text)


def test_false_alarms_have_the_interval_of_the_specificity_turned_round(binary):
    folder, page = binary
    spared = json.loads((folder / "scores.json").read_text())["test"]["recall_no_finding"]
    assert f"({100 - 100 * spared['high']:.0f} to {100 - 100 * spared['low']:.0f}) without it" in page.text


def test_the_verdict_names_the_best_and_the_worst_class(cells):
    folder, page = cells
    truth, decided, _ = matrices(table_of(folder), CELLS)
    recalls = [decided[truth[:, k], k].mean() for k in range(4)]
    best, worst = int(np.argmax(recalls)), int(np.argmin(recalls))
    wrong = confusion_matrix(truth.argmax(1), decided.argmax(1))[worst]
    wrong[worst] = 0
    balanced = np.mean(recalls)
    assert f"the right class for {100 * balanced:.0f} of 100 images where every class counts the same" in page.text
    assert f"(balanced accuracy {balanced:.3f}, 95% interval" in page.text and "guessing gives 25." in page.text
    assert (
        f"It finds {CELLS[best]} most often ({100 * recalls[best]:.0f} of 100) and {CELLS[worst]} least "
        f"({100 * recalls[worst]:.0f} of 100), which it mostly takes for {CELLS[int(wrong.argmax())]}." in page.text
    )
    assert "drawing single images, as no groups are known" in page.text


@pytest.mark.parametrize(("fixture", "names"), [("binary", CHEST), ("cells", CELLS)])
def test_the_confusion_matrix_is_that_of_sklearn(request, fixture, names):
    folder, page = request.getfixturevalue(fixture)
    truth, decided, _ = matrices(table_of(folder), names)
    wanted = confusion_matrix(truth.argmax(1), decided.argmax(1))
    cells = re.findall(r'<td class="(hit|miss)[^>]*><b>(\d+)</b>(?:<small>(\d+)%</small>)?', page.source)
    assert [int(count) for _, count, _ in cells] == wanted.ravel().tolist()
    shares = 100 * wanted / wanted.sum(axis=1, keepdims=True)
    assert [int(share) if share else 0 for *_, share in cells] == [int(f"{s:.0f}") for s in shares.ravel()]
    n = len(names)
    assert [kind for kind, *_ in cells] == ["hit" if i % (n + 1) == 0 else "miss" for i in range(n * n)]


def test_class_by_class_counts(cells):
    folder, _ = cells
    run = read_run_folder(folder)
    truth, decided, _ = matrices(table_of(folder), CELLS)
    for k, row in enumerate(class_rows(label_table(run, "test"), run.scores["test"])):
        matrix = confusion_matrix(truth[:, k], decided[:, k])
        assert (row.found, row.missed, row.alarms) == (matrix[1, 1], matrix[1, 0], matrix[0, 1])
        assert row.images == truth[:, k].sum() == row.groups


@pytest.mark.parametrize(("fixture", "names", "drawn"), [("binary", CHEST, (1,)), ("cells", CELLS, (0, 1, 2, 3))])
def test_curves_say_what_sklearn_says(request, fixture, names, drawn):
    folder, page = request.getfixturevalue(fixture)
    truth, _, probability = matrices(table_of(folder), names)
    said = " ".join(page.charts)
    for k in drawn:
        false, true, _ = roc_curve(truth[:, k], probability[:, k])
        area = roc_auc_score(truth[:, k], probability[:, k])
        assert f"area {area:.3f}; {np.interp(0.1, false, true):.0%} found at 10% false alarms" in said
        assert f"AUC {area:.3f}" in page.source
        precision, recall, _ = precision_recall_curve(truth[:, k], probability[:, k])
        assert f"precision {precision[recall >= 0.5][-1]:.0%} at half found, {precision[recall >= 0.9][-1]:.0%}" in said
        assert f"where guessing gives {truth[:, k].mean():.3f}" in said
        assert (folder / "figures" / f"roc-{k}.png").is_file()
    assert said.count("ROC curve, ") == len(drawn)
    assert "95% bootstrap interval by" in page.text and "the curve's height at each place" in page.text


def test_probabilities_by_class(binary):
    folder, page = binary
    truth, _, probability = matrices(table_of(folder), CHEST)
    with_it, without = (np.median(probability[truth[:, k], 1]) for k in (1, 0))
    (words,) = [alt for alt in page.charts if alt.startswith("Probability of")]
    assert f"median {with_it:.2f} on {truth[:, 1].sum()} images (pneumonia), upwards" in words
    assert f"{without:.2f} on {truth[:, 0].sum()} images (no_finding), downwards" in words


def test_penalties_and_what_was_computed_once(binary):
    _, page = binary
    said = " ".join(page.charts)
    assert "AUC by penalty over 6 penalties from 0.001 to 100: validation 0.800 to 0.700" in said
    assert "chosen 0.1." in said and "chosen: 0.1" in page.source
    assert "once for each penalty; 0.1 was kept for its score on the validation images" in page.text
    assert "11.8 s in all; the head was solved as a logistic regression for 6 penalties." in page.text
    assert "an epoch over" not in page.text
    assert "600 images was computed once, by onnxruntime in 3.1 s (3.1 MB)" in page.text


def test_epochs_are_drawn_for_the_monitored_score(cells):
    _, page = cells
    said = " ".join(page.charts)
    assert "Balanced accuracy while training over 6 epochs: validation from 0.690 to" in said
    assert "Loss while training over 6 epochs" in said and "over 6 epochs" in page.text


def test_data_and_model_sections(binary):
    folder, page = binary
    wanted = ["0 = no_finding, 1 = pneumonia (positive)", "Class balance", "210 (50%)", "head", "trained", "0.1%)",
              "column nih_patient read as the patient (group)", "Apache-2.0", "dermoscopy: flip horizontal 0.5",
              "task: classification", "812.5"]  # fmt: skip
    assert [words for words in wanted if words not in page.text] == []
    assert "Mask values" not in page.text and "mask move together" not in page.text
    test, val = (matrices(table_of(folder, split), CHEST)[0].sum(axis=0) for split in ("test", "val"))
    for k, name in enumerate(CHEST):
        cells = f"{test[k]} ({100 * test[k] / 60:.0f}%) {val[k]} ({100 * val[k] / 30:.0f}%)"
        assert f"{name} 210 (50%) {cells}" in page.text
    assert "Groups – 24 24" in page.text


def test_the_surest_images_by_hand(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "run", count=5, val=0, groups=0)
    rows = [("pneumonia", "pneumonia", 0.6), ("pneumonia", "no_finding", 0.2), ("no_finding", "pneumonia", 0.9),
            ("no_finding", "no_finding", 0.05), ("pneumonia", "pneumonia", 0.95)]  # fmt: skip
    table = table_of(folder)
    table["target"], table["predicted"], table["p_pneumonia"] = zip(*rows, strict=True)
    table["p_no_finding"] = 1 - table["p_pneumonia"]
    table.to_csv(folder / "predictions.csv", index=False)
    found = label_table(read_run_folder(folder), "test")
    # Sure of what was said: 0.6, 0.8, 0.9, 0.95, 0.95; ties in the order of ids.
    assert most_confident(found, right=True).tolist() == [3, 4, 0]
    assert most_confident(found, right=False).tolist() == [2, 1]
    assert most_confident(found, right=True, count=1).tolist() == [3]
    page = read(run_report(folder))
    assert page.text.index("Wrong, and sure of it") < page.text.index("Right, and sure of it")
    assert "The surest 2 of 2 that it got wrong. true: no_finding predicted: pneumonia, 0.90 case_002" in page.text
    assert "true: no_finding predicted: no_finding, 0.95 case_003" in page.text
    assert page.all("img")[0]["alt"] == "Image case_002; true: no_finding; predicted: pneumonia, 0.90; case_002"
    assert {path.name for path in (folder / "figures").glob("[rw]*-?.png")} >= {"wrong-2.png", "right-3.png"}


def test_the_surest_images_of_several_labels_by_hand(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "run", SIGNS, count=4, val=0, multilabel=True)
    table = table_of(folder)
    table["target"] = ["", "nodule", "effusion", "atelectasis|nodule"]
    table["predicted"] = ["", "effusion", "effusion", "atelectasis"]
    table[[f"p_{name}" for name in SIGNS]] = [(0.1, 0.2, 0.3), (0.1, 0.7, 0.4), (0.2, 0.9, 0.1), (0.8, 0.3, 0.05)]
    table.to_csv(folder / "predictions.csv", index=False)
    found = label_table(read_run_folder(folder), "test")
    # Right: the least sure decision, 0.7 and 0.8. Wrong: the surest wrong one, 0.7 (effusion) and 0.95 (no nodule).
    assert found.sureness.tolist() == pytest.approx([0.7, 0.7, 0.8, 0.95])
    assert most_confident(found, right=True).tolist() == [2, 0]
    assert most_confident(found, right=False).tolist() == [3, 1]
    assert found.given_to_truth.tolist()[1] == pytest.approx((0.9 + 0.3 + 0.4) / 3)
    page = read(run_report(folder))
    assert "true: atelectasis, nodule predicted: atelectasis probability of nodule 0.05 case_003" in page.text
    assert "true and predicted: none sure of each label by 0.70 or more case_000" in page.text


def test_several_labels_an_image(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "run", SIGNS, count=80, multilabel=True)
    page = read(run_report(folder))
    truth, decided, probability = matrices(table_of(folder), SIGNS)
    areas = [roc_auc_score(truth[:, k], probability[:, k]) for k in range(3)]
    assert f"averaged over 3 labels (AUC {np.mean(areas):.3f}, 95% interval" in page.text
    best, worst = int(np.argmax(areas)), int(np.argmin(areas))
    assert f"It ranks {SIGNS[best]} best (AUC {areas[best]:.3f}) and {SIGNS[worst]} worst (" in page.text
    assert f"all labels are right on {100 * (truth == decided).all(axis=1).mean():.0f} of 100 images" in page.text
    assert "What is taken for what" not in page.text and "an image may have several or none" in page.text
    assert sum(alt.startswith("ROC curve") for alt in page.charts) == 3
