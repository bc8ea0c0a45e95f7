"""How many requests the registry makes, as the benchmark counts them, and that its page can be written."""

from pathlib import Path

import pytest

from benchmarks import registry as benchmark
from benchmarks.proxy import proxy_to
from benchmarks.registry import OURS, Measured, Size
from local.ministack import LocalAws

TINY = Size(versions=3, moves=4, repeats=1, at_scale=True)


@pytest.mark.usefixtures("bucket")
def test_reading_takes_the_requests_that_the_page_says(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with proxy_to(aws.port) as proxy:
        results = benchmark.measure_ours(aws, proxy, "benchmark-tiny", TINY)
    requests = {verb: measured.requests for verb, measured in results.items()}
    assert requests["resolve a version"] == 1
    assert requests["pin a tag"] == 1, "the tag holds the digest of its manifest"
    assert requests["resolve a tag"] == 2, "the tag, and the manifest of the version that it points at"
    assert requests["history"] == 1
    assert requests["publish"] == requests["add"] == 3, "the numbers that are taken, the model, the manifest"

    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{benchmark.BEGIN}\nold\n{benchmark.END}\nafter\n")
    monkeypatch.setattr(benchmark, "PAGE", page)
    benchmark.write_page(benchmark.rows([TINY], {(OURS, TINY): results}))
    text = page.read_text()
    assert text.startswith(f"before\n{benchmark.BEGIN}\n")
    assert text.endswith(f"{benchmark.END}\nafter\n")
    assert "old" not in text
    assert text.count("\n| ") == 2 + len(results)


def test_a_cell_has_the_median_the_spread_and_the_requests() -> None:
    assert str(Measured([0.001, 0.0025, 1.5], 1)) == "2.50 ms (1.00 to 1,500), 1 request"
    assert str(Measured([0.02], 2)) == "20 ms (20 to 20), 2 requests"
    assert str(Measured([0.02])) == "20 ms (20 to 20)"
