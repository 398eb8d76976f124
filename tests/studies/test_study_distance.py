"""The distance of a study's images from the pretraining images: measured at its end, and never a reason to fail."""

import json

import pytest

from medgraft.data import apply_split_file, open_data
from medgraft.errors import DataError
from medgraft.studies import distance
from medgraft.studies.distance import IMAGES, measure_distance, read_distance


@pytest.fixture(scope="module")
def study(conduct, tmp_path_factory):
    return conduct(tmp_path_factory.mktemp("measured") / "study")


def test_it_is_measured_without_test_images_by_the_default_encoder(study, pairs, heard):
    measure_distance(study, open_data(pairs), heard)
    plain = json.loads((study.folder / "distance.json").read_text())
    kept = apply_split_file(open_data(pairs), study.split_file()).split_counts()
    assert plain["data"]["images"] == kept["train"] + kept["val"] < 32
    assert (plain["encoder"], plain["size"]) == ("tf_efficientnet_lite0", 224)
    found = read_distance(study.folder)
    assert found.value == plain["layers"]["value"] > 0 and found.ruler == "tf_efficientnet_lite0 at 224 px"
    assert heard.progress[-1][1:] == (1, 1) and not heard.lines
    page = study.report().read_text(encoding="utf-8")
    assert f"The images are {found.value:.2f} away from the pretraining images" in page


def test_what_goes_wrong_is_said_and_a_distance_that_is_there_is_kept(conduct, pairs, heard, tmp_path, monkeypatch):
    def broken(*_, **options):
        assert options["images"] == IMAGES
        raise DataError("the disk was unplugged")

    monkeypatch.setattr(distance, "layers_from_pretraining", broken)
    study = conduct(tmp_path / "study")
    measure_distance(study, open_data(pairs), heard)
    assert heard.lines == ["the distance from the pretraining images is not known: the disk was unplugged"]
    file = study.folder / "distance.json"
    assert not file.exists() and read_distance(study.folder) is None
    file.write_text("{}")
    measure_distance(study, open_data(pairs), heard)
    assert file.read_text() == "{}" and len(heard.lines) == 1
    assert "away from the pretraining images" not in study.report().read_text(encoding="utf-8")
