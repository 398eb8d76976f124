"""Published scores: what the file holds, in which units, and what is refused when it is wrong."""

import textwrap
from dataclasses import FrozenInstanceError

import pytest
import yaml

from medgraft.errors import DataError
from medgraft.evaluation.label_metrics import label_metric_names
from medgraft.models.encoder_facts import list_encoders
from medgraft.studies.published import Published, read_published
from plain_yaml import NoDoubles

FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")


@pytest.fixture(scope="module")
def found():
    return read_published()


def test_scores_are_fractions_and_say_where_they_were_read(found):
    row = found.of(paper="raghu2019", data="retina", model="resnet50", initialisation="RI")[0]
    assert (row.table, row.metric, row.value, row.sd, row.n) == ("1", "auc", 0.964, 0.0005, None)
    assert "1902.07208" in row.source
    with pytest.raises(FrozenInstanceError):
        row.value = 0.5


def test_the_tables_of_transfusion(found):
    """The numbers as they are printed, in percent, in the order of the table."""
    printed = [(row.model, row.initialisation, round(100 * row.value, 2)) for row in found.of(data="retina")]
    assert printed == [
        ("resnet50", "RI", 96.4), ("resnet50", "WT", 96.7), ("inception_v3", "RI", 96.6), ("inception_v3", "WT", 96.7),
        ("cbr_larget", "RI", 96.2), ("cbr_larget", "WT", 96.2),
        ("resnet50", "RI", 92.2), ("resnet50", "WT", 94.6), ("cbr_larget", "RI", 93.6), ("cbr_larget", "WT", 93.9),
        ("cbr_largew", "RI", 93.6), ("cbr_largew", "WT", 93.7),
    ]  # fmt: skip
    assert [row.n for row in found.of(data="retina")] == [None] * 6 + [5000] * 6
    by_finding = {
        finding: [row.value for row in found.of(data="chexpert", metric=f"auc_{finding}")] for finding in FIVE
    }
    assert by_finding == {
        "Atelectasis": [0.7952, 0.7976], "Cardiomegaly": [0.7523, 0.7493], "Consolidation": [0.8549, 0.8442],
        "Edema": [0.8834, 0.8889], "Pleural Effusion": [0.8870, 0.8807],
    }  # fmt: skip
    assert all(row.sd is None for row in found.of(data="chexpert"))


def test_every_score_is_one_that_medgraft_computes_for_an_encoder_that_it_has(found):
    assert {row.model for row in found.scores} <= set(list_encoders())
    assert {row.metric for row in found.scores} <= {"auc", *label_metric_names(FIVE, True)}


def test_what_could_not_be_read_is_said_and_not_there(found):
    """Remembered numbers are none: a paper without a row says in words which are wanting."""
    assert found.of(paper="matsoukas2022") == ()
    assert "Table 1, all of it" in found.papers["matsoukas2022"].lacking
    assert not found.of(paper="raghu2019", model="cbr_tiny")
    assert "cbr_tiny" in found.papers["raghu2019"].lacking


def test_a_paper_that_is_not_known(found):
    with pytest.raises(DataError, match=r"no paper 'raghu'; there are raghu2019, matsoukas2022. Did you mean"):
        found.of(paper="raghu")


GOOD = """
    papers:
      a: {citation: "A, 2020", page: "https://example.org"}
    tables:
      - paper: a
        table: "1"
        data: toy
        metric: auc
        unit: fraction
        source: Table 1
        rows:
          - {model: resnet50, init: RI, value: 0.5, sd: 0.01, n: 50}
          - {model: resnet50, init: ST, value: -0.25, metric: kappa}
"""


def written(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def test_a_file_of_ones_own(tmp_path):
    found = read_published(written(tmp_path, GOOD))
    assert found.scores == (
        Published("a", "1", "toy", "auc", "resnet50", "RI", 0.5, 0.01, "Table 1", 50),
        Published("a", "1", "toy", "kappa", "resnet50", "ST", -0.25, None, "Table 1"),
    )
    assert found.papers["a"].lacking == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("value: 0.5", "value: 50"), r"mine.yaml: table 1, row 1: value and sd are scores of at most 1"),
        (("value: 0.5", "value: high"), r"row 1: value is a number, not 'high'"),
        (("value: 0.5", "value: .nan"), r"row 1: value is a number, not nan"),
        (("value: 0.5", "value: yes"), r"row 1: value is a number, not True"),
        (("value: 0.5, ", ""), r"row 1: value is missing"),
        (("sd: 0.01", "sd: -0.01"), r"row 1: value and sd are scores"),
        (("sd: 0.01", "std: 0.01"), r"row 1: no key 'std'.*Did you mean sd"),
        (("n: 50", "n: 0"), r"row 1: n is a number of images from 1 on, not 0"),
        (("n: 50", "n: all"), r"row 1: n is a number of images from 1 on, not 'all'"),
        (("init: RI", "init: R1"), r"row 1: init: no initialisation 'R1'; there are WT, ST, RI"),
        (("unit: fraction", "unit: percentage"), r"unit 'percentage' is none of percent, fraction. Did you mean"),
        (("paper: a", "paper: b"), r"paper 'b' is none of a"),
        (('table: "1"', "table: 1"), r"table is a text, not 1; put it in quotes"),
        (("source: Table 1", 'source: ""'), r"source is a text, not ''"),
        (("init: ST, value: -0.25, metric: kappa", "init: RI, value: 0.6, n: 50"), r"a score is there twice: a, 1"),
        (("page:", "url:"), r"paper a: no key 'url'"),
        (('page: "https://example.org"', "lacking: x"), r"paper a: page is missing"),
        (("tables:", "table:"), r"mine.yaml: no key 'table'; there are papers, tables. Did you mean tables"),
        (("rows:", "lines:"), r"table 1: rows: a list is wanted"),
        (("papers:\n", "papers: [\n"), r"mine.yaml: cannot be read as a list of published scores"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong(tmp_path, change, message):
    assert change[0] in GOOD
    with pytest.raises(DataError, match=message):
        read_published(written(tmp_path, GOOD.replace(*change)))


@pytest.mark.parametrize("text", ["", "- a", "papers: {a: 3}", "papers: {}", "papers: {}\ntables: [3]"])
def test_a_file_of_another_shape(tmp_path, text):
    with pytest.raises(DataError, match=r"mine\.yaml.*wanted"):
        read_published(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml: cannot be read"):
        read_published(tmp_path / "none.yaml")


def test_the_file_has_no_key_twice():
    """YAML would let the last one win in silence."""
    from importlib import resources

    text = resources.files("medgraft.studies").joinpath("published.yaml").read_text(encoding="utf-8")
    yaml.load(text, Loader=NoDoubles)
