"""The API from outside: what it answers to good images, and to whom it answers at all."""

from __future__ import annotations

import base64
import io
import logging
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_models import SIZE, array_of, file_of, picture

from dicom_making import make
from medgraft.data import MaskClasses
from medgraft.prediction import decide_mask
from medgraft.serving.answers import familiarity_sentence, own_classes
from medgraft.serving.pictures import preview_of, preview_size
from medgraft.serving.schema import NOTICE


def ask(client, *contents, headers=None, **options):
    """Predict images, which are called 0.png, 1.png, ..."""
    files = [("images", (f"{number}.png", content)) for number, content in enumerate(contents)]
    return client.post("/v1/predict", files=files, data=options, headers=headers)


def only(answer):
    """The single result of a good answer."""
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    return result


def shown(text):
    return array_of(base64.b64decode(text))


def test_health(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_models(client):
    first, second, third = client.get("/v1/models").json()
    assert first == {
        "name": "brightness", "task": "classification", "classes": ["dark", "bright"], "threshold": 0.5, "size": SIZE,
        "channels": 3, "encoder": None, "licence": "CC0-1.0", "temperature": 1.0, "familiarity": True, "notice": NOTICE,
        "kind": "binary", "limits": {"max_bytes": 64 * 1024 * 1024, "max_images": 16, "max_pixels": 32_000_000},
    }  # fmt: skip
    assert (second["name"], second["threshold"], second["channels"]) == ("light", 0.25, 1)
    assert third["classes"] == ["background", "green", "blue"]


def test_labels_of_a_grey_image(client):
    answer = ask(client, picture(102, height=40, width=60))
    result = only(answer)
    assert answer.json() | {"results": 0} == {"model": "brightness", "threshold": 0.5, "notice": NOTICE, "results": 0}
    assert (result["name"], result["width"], result["height"]) == ("0.png", 60, 40)
    assert result["probabilities"] == {"dark": 0.6, "bright": 0.4}  # 102 / 255 = 0.4
    assert result["label"] == "dark"
    # The tiny model's distance is 0.4, and 4 of its 10 held-out distances are at most that.
    assert result["familiarity"] == {"quantile": 0.4, "sentence": familiarity_sentence(0.4)}
    assert (shown(result["preview"]) == 102).all() and shown(result["preview"]).shape == (40, 60)


def test_the_threshold_decides_the_label(client):
    assert only(ask(client, picture(102), threshold="0.39"))["label"] == "bright"
    assert only(ask(client, picture(102), threshold="0.41"))["label"] == "dark"


def test_deep_images_are_scaled_by_their_depth(client):
    deep = Image.fromarray(np.full((20, 20), 26214, np.uint16))  # 0.4 of 65535
    result = only(ask(client, file_of(deep)))
    assert result["probabilities"]["bright"] == pytest.approx(0.4, abs=1e-3)
    assert (shown(result["preview"]) == 102).all()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_other_formats(client, kind):
    assert only(ask(client, picture((51, 51, 51), kind=kind)))["probabilities"]["bright"] == pytest.approx(
        0.2, abs=0.01
    )


def test_dicom_is_known_by_its_content(client, tmp_path):
    pixels = np.full((30, 50), 51, np.uint8)
    file = make(tmp_path / "scan.dcm", pixels)
    result = only(ask(client, file.read_bytes()))  # under the name 0.png
    assert (result["width"], result["height"]) == (50, 30)
    assert result["probabilities"]["bright"] == pytest.approx(0.2, abs=1e-3)


def test_two_dicom_files_of_one_size_are_not_mixed_up(client, tmp_path):
    contents = [make(tmp_path / f"{v}.dcm", np.full((30, 50), v, np.uint8)).read_bytes() for v in (51, 102, 153, 204)]
    assert len(set(map(len, contents))) == 1
    results = ask(client, *contents * 4).json()["results"]
    assert [round(result["probabilities"]["bright"], 2) for result in results] == [0.2, 0.4, 0.6, 0.8] * 4


def test_mask_of_one_class(client):
    values = np.zeros((SIZE, SIZE), np.uint8)
    values[:, 8:16], values[:, 16:] = 63, 204  # 0.247 is below the threshold of 0.25, 0.8 above
    result = only(ask(client, file_of(Image.fromarray(values)), model="light"))
    assert result["area_fraction"] == {"foreground": 0.5}
    assert (shown(result["mask"]) == np.where(np.arange(SIZE) < 16, 0, 255)).all()
    assert (shown(result["probability_map"]) == values).all()
    assert result["familiarity"]["quantile"] is None
    assert "label" not in result and "probability_maps" not in result
    lower = only(ask(client, file_of(Image.fromarray(values)), model="light", threshold="0.2"))
    assert lower["area_fraction"] == {"foreground": 0.75}


def test_mask_is_of_the_images_own_size_and_the_preview_is_not(client):
    result = only(ask(client, picture(255, height=600, width=2048), model="light"))
    assert shown(result["mask"]).shape == (600, 2048)
    assert shown(result["preview"]).shape == shown(result["probability_map"]).shape == (300, 1024)


def test_mask_of_several_classes(client):
    values = np.zeros((SIZE, SIZE, 3), np.uint8)
    values[:8, :, 0], values[8:16, :, 1], values[16:, :, 2] = 200, 200, 200
    result = only(ask(client, file_of(Image.fromarray(values)), model="colours"))
    assert result["area_fraction"] == {"green": 0.25, "blue": 0.5}
    assert np.unique(shown(result["mask"])).tolist() == [0, 100, 200]
    assert list(result["probability_maps"]) == ["background", "green", "blue"]
    assert (shown(result["probability_maps"]["blue"]) == values[..., 2]).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_classes_are_those_of_the_library(count, height, width, seed):
    planes = np.random.default_rng(seed).random((count, 9, 9), np.float32)
    planes[:, 4] = 0.5  # ties
    ranges = tuple((i, i, i) for i in range(max(count, 2)))
    classes = MaskClasses(tuple(f"c{i}" for i in range(max(count, 2))), ranges)
    expected = decide_mask(planes, height, width, classes, 0.5).classes
    assert (own_classes(planes, height, width, 0.5) == expected).all()


def test_explanation(client):
    values = np.full((SIZE, SIZE), 20, np.uint8)
    values[:8, :8] = 250
    result = only(ask(client, file_of(Image.fromarray(values)), explain="1", threshold="0.01"))
    assert result["explained_class"] == "bright"
    found = shown(result["explanation"])
    assert found.shape == (SIZE, SIZE)
    # The bright corner speaks for it, the rest does not.
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert found[row, column] == 255 and row < 8 and column < 8
    assert found[20:, 20:].max() == 0


def test_explanation_of_a_mask_is_of_its_largest_structure(client):
    values = np.zeros((SIZE, SIZE, 3), np.uint8)
    values[:20, :, 1], values[20:, :, 2] = 200, 200
    result = only(ask(client, file_of(Image.fromarray(values)), model="colours", explain="1"))
    assert result["explained_class"] == "green"


def test_each_image_gets_its_own_result_or_sentence(client):
    answer = ask(client, picture(51), b"PK\x03\x04 and more", b"", picture(102))
    assert answer.status_code == 200
    good, archive, empty, last = answer.json()["results"]
    assert good["probabilities"]["bright"] == 0.2 and last["probabilities"]["bright"] == 0.4
    assert archive == {"name": "1.png", "error": archive["error"]} and "ZIP" in archive["error"]
    assert empty["error"] == "The file is empty (0 bytes)."


def test_pictures_are_left_out_where_they_are_not_wanted(client):
    plain = only(ask(client, picture(102), pictures="0"))
    assert set(plain) == {"name", "width", "height", "familiarity", "probabilities", "label"}
    assert "mask" in only(ask(client, picture(102), model="light", pictures="0"))


def test_json_says_the_same_as_a_form(client):
    content = picture((10, 200, 30))
    image = {"name": "0.png", "data": base64.b64encode(content).decode()}
    plain = {"images": [image], "model": "brightness", "threshold": 0.3, "explain": 1}
    asked = client.post("/v1/predict", json=plain)
    assert asked.json() == ask(client, content, threshold="0.3", explain="1").json()
    image["data"] = "data:image/png;base64," + image["data"]
    assert client.post("/v1/predict", json=plain).json() == asked.json()


@pytest.mark.parametrize(
    ("given_name", "shown_name"),
    [
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\doctor\\scan.png", "scan.png"),
        ("<script>alert(1)</script>.png", "script>.png"),
        ("röntgen.png", "röntgen.png"),
        ("x" * 500, "x" * 200),
        ("a\x1b[31m\u202eb", "a[31mb"),
    ],
)
def test_names_are_said_back_as_text_alone(client, given_name, shown_name):
    image = {"name": given_name, "data": base64.b64encode(picture()).decode()}
    answer = client.post("/v1/predict", json={"images": [image]})
    assert only(answer)["name"] == shown_name
    assert answer.headers["content-type"] == "application/json"
    assert answer.text.isascii()


def test_names_in_a_form_are_utf_8(client):
    answer = client.post("/v1/predict", files=[("images", ("röntgen.png", picture()))])
    assert only(answer)["name"] == "röntgen.png"


def test_headers_bound_what_a_browser_does(client):
    for answer in (client.get("/"), client.get("/nowhere"), ask(client, b"")):
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["img-src"] == "'self' data: blob:"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert ask(client, picture()).headers["cache-control"] == "no-store"


def test_page(client):
    page = client.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    for path in ("/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/docs"):
        assert client.get(path).status_code == 404, path


def test_token(small_server):
    client = small_server(token="correct horse battery", base="http://model.example.org")
    assert client.get("/healthz").status_code == client.get("/").status_code == 200
    wrong = [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "correct horse battery"}]
    wrong += [{"Authorization": "Bearer correct horse batteryx"}, {"Authorization": "Bearer correct horse batter"}]
    for path in ("/v1/models", "/metrics", "/openapi.json", "/nowhere"):
        for headers in wrong:
            refused = client.get(path, headers=headers)
            assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    good = {"Authorization": "Bearer correct horse battery"}
    assert client.get("/v1/models", headers=good).status_code == 200
    assert ask(client, picture()).status_code == 401
    assert ask(client, picture(), headers=good).status_code == 200


@pytest.mark.parametrize("host", ["attacker.example.org", "attacker.example.org:8000", "", "127.0.0.1.attacker.org"])
def test_without_a_token_no_other_name_of_this_machine_is_answered(client, host):
    assert client.get("/v1/models", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


def test_pages_of_others_are_not_answered(client):
    assert ask(client, picture(), headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200
    for origin in ("http://attacker.example.org", "null", "http://127.0.0.1:9999"):
        assert ask(client, picture(), headers={"Origin": origin}).status_code == 403


def test_metrics(small_server):
    client = small_server()
    ask(client, picture(), picture(), b"PK")
    ask(client, b"")
    client.get("/v1/models?patient=SMITH")
    client.get("/patients/SMITH")
    text = client.get("/metrics").text
    for line in (
        'medgraft_requests_total{route="/v1/predict",status="200"} 1.0',
        'medgraft_requests_total{route="/v1/predict",status="400"} 1.0',
        'medgraft_requests_total{route="/v1/models",status="200"} 1.0',
        'medgraft_requests_total{route="other",status="404"} 1.0',
        'medgraft_images_total{outcome="answered"} 2.0',
        'medgraft_images_total{outcome="refused"} 2.0',
        'medgraft_request_seconds_count{route="/v1/predict"} 2.0',
        "medgraft_batch_images_sum 2.0",
        "medgraft_images_in_work 0.0",
        "medgraft_held_bytes 0.0",
    ):
        assert line in text.splitlines(), line
    assert "SMITH" not in text


def test_nothing_of_a_patient_is_logged(client, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    values = {"patient": "SECRET-ID", "PatientName": "SECRET^NAME", "WindowWidth": "123456", "WindowCenter": "1"}
    content = make(tmp_path / "a.dcm", np.zeros((9, 9), np.uint8), **values).read_bytes()
    assert content.count(b"SECRET") == 2 and content.count(b"123456") == 1
    for whole in (content, content.replace(b"123456", b"SECRET")):
        for sent in (whole, whole[:-40], whole[:400]):
            client.post("/v1/predict?patient=SECRET", files=[("images", ("SECRET.dcm", sent))])
    client.get("/SECRET")
    said = capfd.readouterr()
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "asyncio")))
    assert "POST /v1/predict 200" in ours
    assert "SECRET" not in ours + said.out + said.err


def test_no_upload_touches_a_disk(client, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a file was made")

    large = file_of(Image.fromarray(np.random.default_rng(0).integers(0, 255, (1100, 1100, 3), np.uint8)))
    assert len(large) > 3 << 20
    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile", "mkstemp", "mkdtemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    assert ask(client, large).status_code == 200


def test_openapi_has_examples_and_no_other_address(client):
    schema = client.get("/openapi.json").json()
    body = schema["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
    assert set(body) == {"multipart/form-data", "application/json"}
    example = schema["components"]["schemas"]["PredictRequest"]["example"]
    assert client.post("/v1/predict", json=example).status_code == 200
    assert schema["components"]["schemas"]["PredictAnswer"]["example"]["results"]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6000), st.integers(1, 6000))
def test_previews_keep_the_proportion(height, width):
    rows, columns = preview_size(height, width)
    assert 1 <= rows <= 1024 and 1 <= columns <= 1024
    assert max(rows, columns) == min(1024, max(height, width))
    assert abs(rows * width - columns * height) <= max(height, width)  # to the nearest pixel


def test_preview_of_colours_and_depth():
    deep = np.zeros((2, 2, 3), np.uint16)
    deep[0, 0] = 65535, 257, 0
    assert preview_of(deep)[0, 0].tolist() == [255, 1, 0]
    assert preview_of(np.full((3, 4, 3), 7, np.uint8)).shape == (3, 4)


@pytest.mark.parametrize(
    ("quantile", "words"),
    [
        (None, "cannot say"),
        (0.0, "As near"),
        (0.93, "than 93% of the held-out"),
        (0.9899, "than 98% of the held-out"),
        (0.996, "Unlike the training images: farther from them than 99% of the held-out images"),
        (1.0, "than all held-out"),
    ],
)
def test_familiarity_in_words(quantile, words):
    assert words in familiarity_sentence(quantile)


def test_preview_reads_back(client):
    values = np.random.default_rng(1).integers(0, 255, (33, 47, 3), np.uint8)
    result = only(ask(client, file_of(Image.fromarray(values))))
    assert (np.asarray(Image.open(io.BytesIO(base64.b64decode(result["preview"])))) == values).all()
