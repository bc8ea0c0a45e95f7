import json

import numpy as np
import pytest

from handler.app import App
from handler.bodies import FORMS
from model_runtime.manifest import Feature, Signature
from tests.handler.api_page import _FORMS, PAGE, page
from tests.handler.conftest import gateway, model


def test_the_page_of_the_api_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.handler.api_page`"


@pytest.mark.parametrize("form", _FORMS)
def test_each_form_of_the_page_is_read_where_the_page_says(form: str) -> None:
    signature = Signature(features=(Feature(name="a", type="number"), Feature(name="b", type="string")), output="value")
    app = App(lambda: model(lambda rows: np.ones(len(rows)), signature))
    where, example = _FORMS[form]
    content = {"Content-Type": "text/csv" if form == "CSV" else "application/json"}
    for path in ("/predict", "/invocations"):
        answer = app(gateway("POST", path, example, headers=content), None)
        assert (answer["statusCode"] == 200) == (f"`{path}`" in where)
    if "direct" in where:
        assert app(json.loads(example), None)["statusCode"] == 200


def test_the_page_has_every_form() -> None:
    assert {f"`{form}`" for form in FORMS} <= _FORMS.keys()
