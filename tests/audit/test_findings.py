"""Each check on data made of figures alone: what it finds, how bad, which images, and what it leaves alone."""

from __future__ import annotations

import pytest
from fabricated import BINARY, examined

from medgraft.audit.audit import Audit
from medgraft.audit.checks import balance, duplicates, files, groups, masks, pixels, run_checks, shortcuts
from medgraft.audit.findings import Finding
from medgraft.audit.shortcuts import Shortcut
from medgraft.data.problems import Problem
from medgraft.errors import DataError
from medgraft.scores import Interval

TWELVE = ["x", "y"] * 12


def kinds(checked):
    return {finding.kind: finding for finding in checked.findings}


def found(checked, kind):
    """The one finding of a kind."""
    (finding,) = [finding for finding in checked.findings if finding.kind == kind]
    return finding


def images(count, **special):
    """Ordinary images, but for the rows named as ``r3={...}``."""
    return [special.get(f"r{row}", {}) for row in range(count)]


# -- files -------------------------------------------------------------------------------------------------------


def test_unreadable_and_empty_files(tmp_path):
    data = examined(tmp_path, TWELVE, images=images(24, r3={"error": "cut short"}, r5={"error": "empty", "bytes": 0}))
    broken, empty = found(files.check(data), "unreadable-files"), found(files.check(data), "empty-files")
    assert (broken.severity, broken.count, broken.images) == ("error", 1, ("im03.png",))
    assert broken.figures["reasons"] == {"im03.png": "cut short"} and broken.leave_out == ("im03.png",)
    assert (empty.severity, empty.images) == ("error", ("im05.png",))


def test_files_in_order(tmp_path):
    checked = files.check(examined(tmp_path, TWELVE))
    assert checked.findings == () and checked.passed == ("every file is there and can be read",)


@pytest.mark.parametrize(
    ("special", "kind", "severity", "says"),
    [
        ({"bits": 16}, "mixed-depths", "warning", "23 of 8 bits and 1 of 16 bits"),
        ({"grey": False}, "mixed-colour", "note", "23 grey and 1 colour"),
        ({"format": "JPEG"}, "mixed-formats", "note", "23 PNG and 1 JPEG"),
        ({"width": 200}, "mixed-shapes", "note", "1.00 to 3.12"),
        ({"height": 31}, "tiny-images", "warning", "1 image has a side below 32 pixels"),
    ],
)
def test_mixed_files(tmp_path, special, kind, severity, says):
    finding = found(files.check(examined(tmp_path, TWELVE, images=images(24, r7=special))), kind)
    assert finding.severity == severity and finding.count == (1 if kind != "mixed-shapes" else 2)
    assert says in finding.sentence and finding.leave_out == ()


def test_one_bit_and_eight_bit_images_are_of_one_depth(tmp_path):
    assert "mixed-depths" not in kinds(files.check(examined(tmp_path, TWELVE, images=images(24, r7={"bits": 1}))))


def test_what_was_refused_on_opening(tmp_path):
    problems = (
        Problem("missing images", "", (f"{tmp_path}/a.png", f"{tmp_path}/b.png")),
        Problem("no image file", "", ("labels.csv:9",)),
        Problem("listed twice", "", ("labels.csv:4",)),
        Problem("doubled names", "", (f"{tmp_path}/c.png",)),
    )
    data = examined(tmp_path, TWELVE, problems=problems, strays={"more/": 7, "./": 1})
    said = kinds(files.check(data))
    assert said["missing-files"].images == ("a.png", "b.png") and said["missing-files"].count == 2
    assert said["rows-without-image"].leave_out == ("labels.csv:9",)
    assert said["listed-twice"].severity == said["names-alike"].severity == "error"
    assert said["unlisted-files"].count == 8 and "more/ (7)" in said["unlisted-files"].sentence
    assert files.check(data).passed == ()


# -- pixels ------------------------------------------------------------------------------------------------------


def test_blank_flat_and_blown_images(tmp_path):
    data = examined(
        tmp_path,
        TWELVE,
        images=images(
            24,
            r1={"low": 0.5, "high": 0.5, "levels": (0.5,) * 5},
            r2={"levels": (0.5, 0.5, 0.5, 0.5, 0.51)},
            r3={"white": 0.7},
            r4={"black": 0.6},
        ),
    )
    said = kinds(pixels.check(data))
    assert {kind: finding.images for kind, finding in said.items()} == {
        "blank-images": ("im01.png",),
        "flat-images": ("im02.png",),
        "white-images": ("im03.png",),
        "black-images": ("im04.png",),
    }
    assert said["blank-images"].leave_out == ("im01.png",) and said["flat-images"].leave_out == ()


def test_dark_pictures_among_dark_pictures_are_usual(tmp_path):
    assert pixels.check(examined(tmp_path, TWELVE, images=[{"black": 0.7}] * 24)).findings == ()


def test_brightness_outliers_are_told_by_the_rest(tmp_path):
    brightness = [0.40 + 0.01 * (row % 3) for row in range(24)]
    assert pixels.check(examined(tmp_path, TWELVE, brightness=brightness)).findings == ()
    brightness[6], brightness[9] = 0.9, 0.05
    finding = found(pixels.check(examined(tmp_path, TWELVE, brightness=brightness)), "brightness-outliers")
    assert finding.images == ("im06.png", "im09.png") and finding.figures["median"] == pytest.approx(0.41)
    # the same two among images of every brightness are no outliers
    wide = [row / 24 for row in range(24)]
    assert pixels.check(examined(tmp_path, TWELVE, brightness=wide)).findings == ()


# -- labels ------------------------------------------------------------------------------------------------------


def test_rare_and_unbalanced_classes(tmp_path):
    said = kinds(balance.check(examined(tmp_path, ["common"] * 93 + ["rare"] * 9)))
    assert said["rare-classes"].figures == {"rare": 9} and said["rare-classes"].count == 1
    assert len(said["rare-classes"].images) == 9
    assert "10:1 (common 93, rare 9)" in said["imbalance"].sentence
    assert kinds(balance.check(examined(tmp_path, ["common"] * 90 + ["other"] * 10))) == {}


def test_labels_that_were_refused(tmp_path):
    problems = (
        Problem("no label", "", ("labels.csv:3", "labels.csv:4")),
        Problem("two labels", "", (f"{tmp_path}/im01.png",)),
        Problem("contradicted labels", "", (f"{tmp_path}/im02.png",)),
        Problem("unreadable class", "", (f"{tmp_path}/z",)),
    )
    checked = balance.check(examined(tmp_path, TWELVE, problems=problems))
    said = kinds(checked)
    assert all(finding.severity == "error" for finding in said.values())
    assert said["rows-without-label"].leave_out == ("labels.csv:3", "labels.csv:4")
    assert said["two-labels"].images == ("im01.png",) and said["labels-at-odds"].images == ("im02.png",)
    assert said["class-without-image"].sentence.endswith("z") and checked.passed == ()


def test_one_class_only(tmp_path):
    data = examined(tmp_path, ["x"] * 12)
    assert [finding.kind for finding in balance.check(data).findings] == ["one-class"]


def test_spellings(tmp_path):
    note = "warning: labels.csv: column label has labels in several spellings: 'X ' (3), 'x' (1) read as 'X'"
    finding = found(balance.check(examined(tmp_path, TWELVE, notes=(note,))), "label-spellings")
    assert finding.severity == "warning" and finding.sentence.startswith("labels.csv: column label")


def test_classes_that_a_split_lacks(tmp_path):
    labels = ["x"] * 12 + ["y"] * 12 + ["z"] * 12
    splits = ["train"] * 24 + ["test"] * 12
    said = kinds(balance.check(examined(tmp_path, labels, splits=splits)))
    assert said["class-not-in-train"].severity == "error" and said["class-not-in-train"].sentence.endswith("z")
    assert said["class-not-in-test"].severity == "warning" and said["class-not-in-test"].count == 2
    assert "class-not-in-val" not in said


# -- groups ------------------------------------------------------------------------------------------------------


def test_groups_unknown_and_a_column_that_may_hold_them(tmp_path):
    assert found(groups.check(examined(tmp_path, TWELVE)), "groups-unknown").severity == "note"
    columns = {"nih_patient": [row // 2 for row in range(24)], "width": [64] * 24, "case_id": list(range(24))}
    finding = found(groups.check(examined(tmp_path, TWELVE, columns=columns)), "groups-not-read")
    assert finding.severity == "warning" and "--group nih_patient" in finding.advice
    assert finding.figures == {"nih_patient": 12}


def test_few_large_blank_and_mixed_groups(tmp_path):
    assert found(groups.check(examined(tmp_path, TWELVE, groups=["p"] * 24)), "one-group").severity == "error"
    few = kinds(groups.check(examined(tmp_path, TWELVE, groups=[f"p{row % 9}" for row in range(24)])))
    assert few["few-groups"].severity == "warning" and few["groups-of-several-labels"].count == 9
    assert few["groups-of-several-labels"].severity == "note"
    large = ["p0"] * 8 + [f"q{row}" for row in range(16)]
    assert found(groups.check(examined(tmp_path, TWELVE, groups=large)), "large-group").count == 8
    blank = [f"p{row}" for row in range(23)] + ["image im23"]
    assert found(groups.check(examined(tmp_path, TWELVE, groups=blank)), "blank-groups").images == ("im23.png",)


def test_groups_in_order(tmp_path):
    labels = ["x"] * 12 + ["y"] * 12
    checked = groups.check(examined(tmp_path, labels, groups=[f"p{row // 2}" for row in range(24)]))
    assert checked.findings == () and checked.passed == ("groups (patients) are known",)


# -- masks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("special", "kind", "severity"),
    [
        ({"error": "no mask at all"}, "unreadable-masks", "error"),
        ({"same_size": False}, "mask-sizes", "error"),
        ({"values": (0, 7, 255), "value_count": 3}, "mask-values", "error"),
        ({"values": (0, 1), "value_count": 2}, "mask-values", "error"),
        ({"values": tuple(range(32)), "value_count": 60}, "mask-values", "error"),
        ({"foreground": 0.0, "values": (0,), "value_count": 1}, "empty-masks", "warning"),
        ({"foreground": 1.0, "values": (255,), "value_count": 1}, "full-masks", "warning"),
        ({"foreground": 15 / 4096}, "tiny-masks", "warning"),
        ({"foreground": 0.8, "top": True, "bottom": True, "left": True, "right": True}, "inverted-masks", "warning"),
        ({"foreground": 0.3, "top": True, "bottom": True, "left": True, "right": True}, "masks-at-borders", "note"),
        ({"better": "flipped left-right", "fit": 0.1, "better_fit": 0.6}, "masks-out-of-place", "warning"),
    ],
)
def test_masks(tmp_path, special, kind, severity):
    every = [special if row == 4 else {} for row in range(20)]
    checked = masks.check(examined(tmp_path, masks=every))
    (finding,) = checked.findings
    assert (finding.kind, finding.severity, finding.count, finding.images) == (kind, severity, 1, ("im04.png",))
    assert finding.leave_out == (("im04.png",) if severity == "error" else ())


def test_masks_in_order(tmp_path):
    checked = masks.check(examined(tmp_path, masks=[{}] * 20))
    assert checked.findings == () and len(checked.passed) == 2
    assert masks.check(examined(tmp_path, TWELVE)) == masks.check(examined(tmp_path, TWELVE)).__class__()


def test_mask_values_that_were_explained(tmp_path):
    every = [{"values": (0, 7, 255), "value_count": 3}] * 5
    finding = found(masks.check(examined(tmp_path, masks=every)), "mask-values")
    assert finding.count == 5 and "--mask-values 0=background,7=class1,255=class2" in finding.advice
    assert finding.leave_out == ()  # all masks are alike, so it is the rule that lacks
    finding = found(masks.check(examined(tmp_path, masks=[*every, {}], mask_classes=BINARY)), "mask-values")
    assert finding.count == 5 and finding.figures["values"] == [7]


def test_every_mask_empty(tmp_path):
    every = [{"foreground": 0.0, "values": (0,), "value_count": 1}] * 5
    (finding,) = masks.check(examined(tmp_path, masks=every)).findings
    assert finding.severity == "error" and finding.sentence == "every mask is empty"


def test_one_mask_under_two_pictures(tmp_path):
    every = [{"digest": 1 if row in (2, 5) else 10 + row} for row in range(8)]
    finding = found(masks.check(examined(tmp_path, masks=every)), "shared-masks")
    assert finding.images == ("im02.png", "im05.png")
    # near-duplicates may well have the same mask
    assert masks.check(examined(tmp_path, masks=every, pairs=[(2, 5)])).findings == ()


def test_lonely_images_and_masks(tmp_path):
    problems = (
        Problem("no mask", "", (f"{tmp_path}/images/a.png",)),
        Problem("masks without image", "", (f"{tmp_path}/masks/b.png",)),
        Problem("masks not drawn", "1 mask cannot be drawn:\n  c.png is cut short", (f"{tmp_path}/images/c.png",)),
    )
    said = kinds(masks.check(examined(tmp_path, masks=[{}] * 4, problems=problems)))
    assert said["images-without-mask"].leave_out == ("images/a.png",)
    assert said["masks-without-image"].leave_out == ("masks/b.png",)
    assert said["masks-not-drawn"].leave_out == ("images/c.png",)
    assert said["masks-not-drawn"].advice == "1 mask cannot be drawn: c.png is cut short"


# -- duplicates --------------------------------------------------------------------------------------------------


def test_exact_duplicates_keep_the_first(tmp_path):
    finding = found(
        duplicates.check(examined(tmp_path, ["x"] * 12 + ["y"] * 12, copies=[[2, 5, 9]])), "exact-duplicates"
    )
    assert finding.severity == "warning" and finding.count == 2
    assert finding.images == ("im02.png", "im05.png", "im09.png") and finding.leave_out == ("im05.png", "im09.png")
    assert finding.pairs == (("im02.png", "im05.png"), ("im02.png", "im09.png"))


def test_copies_with_different_labels_go_all(tmp_path):
    checked = duplicates.check(examined(tmp_path, TWELVE, copies=[[0, 2], [4, 5]]))
    said = kinds(checked)
    assert said["conflicting-labels"].severity == "error"
    assert said["conflicting-labels"].leave_out == ("im04.png", "im05.png")
    assert said["exact-duplicates"].leave_out == ("im02.png",)


def test_near_duplicates_between_patients_come_first(tmp_path):
    patients = [f"p{row // 2}" for row in range(24)]
    data = examined(tmp_path, TWELVE, groups=patients, pairs=[(0, 1), (4, 8)])
    said = kinds(duplicates.check(data))
    finding = said["near-duplicates"]
    assert finding.count == 2 and finding.figures["between_groups"] == 1
    assert finding.pairs == (("im04.png", "im08.png"), ("im00.png", "im01.png"))
    assert "1 of them between different patients" in finding.sentence and finding.leave_out == ()
    assert said["conflicting-near-duplicates"].pairs == (("im00.png", "im01.png"),)


def test_copies_with_different_masks(tmp_path):
    data = examined(tmp_path, masks=[{}] * 6, copies=[[0, 1]])
    assert kinds(duplicates.check(data))["conflicting-masks"].images == ("im00.png", "im01.png")
    same = examined(tmp_path, masks=[{"digest": 1}] * 6, copies=[[0, 1]])
    assert "conflicting-masks" not in kinds(duplicates.check(same))


# -- shortcuts ---------------------------------------------------------------------------------------------------


def shortcut(family, auc, beyond=True, reason=""):
    return Shortcut(family, Interval(auc, auc - 0.05, auc + 0.05, 24), 0.01, beyond, 3, reason)


def test_shortcuts(tmp_path):
    seen = (shortcut("file size", 0.6), shortcut("border pixels", 0.71), shortcut("format", 0.5, beyond=False))
    checked = shortcuts.check(examined(tmp_path, TWELVE, shortcuts=seen))
    first, second = checked.findings
    assert first.kind == "shortcut-border-pixels" and first.severity == "warning"
    assert "border pixels (AUC 0.71, 0.66 to 0.76)" in first.sentence
    assert second.severity == "note" and checked.passed == ("the label cannot be guessed from format",)


def test_shortcuts_that_could_not_be_judged(tmp_path):
    checked = shortcuts.check(examined(tmp_path, TWELVE, shortcuts=(shortcut("format", 0.5, False, "too few images"),)))
    assert checked.findings[0].kind == "shortcuts-not-judged" and "too few images" in checked.findings[0].sentence


# -- all together ------------------------------------------------------------------------------------------------


def test_worst_come_first_and_all_survives_json(tmp_path):
    import json

    data = examined(
        tmp_path,
        TWELVE,
        images=images(24, r3={"error": "cut short"}, r4={"format": "JPEG"}),
        copies=[[6, 8]],
        splits=["train"] * 16 + ["test"] * 8,
        groups=[f"p{row // 2}" for row in range(24)],
    )
    audit = Audit.of(data)
    order = [finding.severity for finding in audit.findings]
    assert order == sorted(order, key=("error", "warning", "note").index) and audit.counts["error"] == 1
    assert audit.headline.startswith("24 images · 2 classes (x 12, y 12) · 12 patients · 16 train, 8 test · 8-bit grey")
    again = Audit.from_dict(json.loads(audit.to_json()))
    assert again.findings == audit.findings and again.to_json() == audit.to_json()
    audit.save(tmp_path / "audit.json")
    assert Audit.load(tmp_path / "audit.json").passed == audit.passed


def test_files_that_are_no_audit(tmp_path):
    for text in ("", "{}", "[]", '{"kind": "inspection"}'):
        (tmp_path / "audit.json").write_text(text)
        with pytest.raises(DataError, match="cannot be read as the result of an inspection"):
            Audit.load(tmp_path / "audit.json")


def test_every_finding_says_what_to_do(tmp_path):
    data = examined(tmp_path, TWELVE, images=images(24, r3={"error": "cut short"}, r9={"height": 20}))
    for finding in run_checks(data).findings:
        assert isinstance(finding, Finding) and finding.advice and not finding.sentence.endswith(".")
