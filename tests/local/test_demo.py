"""The demo itself."""

import io
import re
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from local import demo, iris


def test_the_demo_goes_the_whole_way_and_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions 1, 2 and 1 again answer, the gateway refuses what is incomplete, and the summary has every step."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    output = io.StringIO()
    demo.run(Console(file=output, width=200))
    text = output.getvalue()
    answered = re.findall(r"^ ?\d+\. .*answered by version (\d)", text, flags=re.MULTILINE)
    assert answered == ["1", "2", "1"]
    assert "400 Missing required request parameters: [pw]" in text
    assert "accuracy 0.98" in text
    assert "MB unzipped" in text
    assert re.search(r"all .* \d+\.\d", text)
    assert re.search(r"^ 6\. GET a prediction .*\n    GET /predict.*\n    200 ", text, re.MULTILINE), (
        "below its heading"
    )
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_answer_ends_the_demo_with_one_clear_line() -> None:
    wrong = iris.Answer(200, {"x-model-version": "7"}, {"label": "setosa", "version": 7})
    with pytest.raises(demo.DemoError, match="a step went wrong: status, label and version are") as error:
        demo._predicted(wrong, 1, "virginica")
    assert "\n" not in str(error.value)
