"""How many requests the registry makes, as the benchmark counts them."""

import pytest

from benchmarks import registry as benchmark
from benchmarks.proxy import Proxy, running
from benchmarks.registry import OURS, Size
from local.ministack import LocalAws

TINY = Size(versions=3, moves=4, repeats=1, at_scale=True)


@pytest.mark.usefixtures("bucket")
def test_reading_takes_the_requests_that_the_page_says(aws: LocalAws) -> None:
    with running(Proxy(aws.port)) as proxy:
        results = benchmark.measure_ours(aws, proxy, "benchmark-tiny", TINY)
    requests = {verb: measured.requests for verb, measured in results.items()}
    assert requests["resolve a version"] == 1
    assert requests["pin a tag"] == 1, "the tag holds the digest of its manifest"
    assert requests["resolve a tag"] == 2, "the tag, and the manifest of the version that it points at"
    assert requests["history"] == 1
    assert requests["add"] == 5, "the counter twice, the model, the manifest, a look at both"
    assert requests["publish"] == 7, "the same, the recorded rows, and what the layers are made of"

    lines = benchmark.rows([TINY], {(OURS, TINY): results})
    assert lines[0] == ["verb", "versions; moves", OURS]
    assert {line[0] for line in lines[1:]} == set(results)
