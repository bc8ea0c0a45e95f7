"""Each measure runs, with tiny counts and without the peers' servers, and gives what the page needs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import deployment, layer, models, scale, servers, starts, warm
from benchmarks.bench import Bench
from benchmarks.models import FRAME, FULL_TEXTS
from benchmarks.page import Goal, Section, at_most
from benchmarks.plots import Panel, draw, draw_goals
from local.ministack import local_aws


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A run on a local AWS of its own, as `python -m benchmarks --quick` has it."""
    folder = tmp_path_factory.mktemp("bench")
    with local_aws(folder / "aws") as aws:
        yield Bench.on(aws, folder / "bench", lambda _line: None, quick=True)


@pytest.fixture
def bench(prepared: Bench) -> Iterator[Bench]:
    with prepared.aws.activated():
        yield prepared


def _checked(section: Section) -> Section:
    for table in section.tables:
        assert len(table) > 1
        assert {len(line) for line in table} == {len(table[0])}
        assert all(cell for line in table for cell in line)
    assert section.note
    assert all(goal.found for goal in section.goals)
    return section


def _column(section: Section, number: int, table: int = 0) -> list[str]:
    return [line[number] for line in section.tables[table][1:]]


def test_cold_starts(bench: Bench) -> None:
    section = _checked(starts.measure(bench))
    sides = [starts.GUIDE, *(f"ours, {model_format} format" for model_format in bench.formats)]
    assert _column(section, 0) == [*sides, starts.THREADS]
    assert _column(section, 0, table=1) == sides
    assert float(section.tables[0][1][2]) == 1
    assert all(set(enforced) for enforced in _column(section, 2, table=1))
    ratios = [float(cell) for cell in _column(section, 2)[1:]]
    assert all(ratio < 1 for ratio in ratios), "bytecode in the layer saves most of the import"


def test_warm_requests(bench: Bench) -> None:
    section = _checked(warm.measure(bench))
    assert _column(section, 0)[:2] == [warm.PREDICT, f"{warm.GUIDE}, GET"]
    assert len(section.goals) == 1 + 2 * len(bench.formats), "the recipe; one row and a batch of each format"


def test_models_that_people_have(bench: Bench) -> None:
    section = _checked(models.measure(bench))
    assert len(section.goals) == len(section.tables[0]) - 1
    assert {line[1] for line in section.tables[0][1:]} == {"1", "1,000", "10,000"}


def test_our_handler_behind_a_server(bench: Bench) -> None:
    section = _checked(servers.measure(bench))
    assert _column(section, 0) == [servers.IRIS] * 2 * len(bench.formats) + [FRAME] * 2 + [FULL_TEXTS] * 2
    assert not section.goals, "without peers nothing can be said"


def test_a_server_that_answers_otherwise_than_the_estimator_is_not_measured(bench: Bench) -> None:
    model = replace(servers._iris(bench), numbers=[0] * len(bench.estimator.classes_))
    model = replace(model, rows=model.rows[: len(model.numbers)])
    with pytest.raises(RuntimeError, match="joblib answered class 2 where the estimator says 0"):
        servers.in_process(bench, model, "joblib")


def test_a_layer_of_two_small_packages(bench: Bench) -> None:
    section = _checked(layer.measure(bench))
    assert [goal.what.partition(",")[0] for goal in section.goals[:3]] == [
        "layer unzipped",
        "layer unchanged",
        "layer bytes reproducible",
    ]
    assert all(goal.reached for goal in section.goals[1:3])


def test_a_deployment_of_what_is_deployed_changes_nothing_and_another_version_little(bench: Bench) -> None:
    section = _checked(deployment.measure(bench))
    first, again, other = section.tables[0][1:]
    assert first[3] == "1"
    assert again[2:4] == ["0", "0"]
    assert other[2:4] == ["0", "0"]
    assert [goal.reached for goal in section.goals] == [True, True, True, True]


def test_growth(bench: Bench) -> None:
    section = _checked(scale.measure(bench))
    assert [table[0][0] for table in section.tables] == ["trees", "features", "rows", "MB", "MB", "functions"]


def test_pictures_are_the_same_for_the_same_numbers(tmp_path: Path) -> None:
    panel = Panel("Growth", "trees", "ms", [1, 10], {"ours": [0.5, 5], "`predict` alone": [1, 10]})
    for name in ("one.svg", "two.svg"):
        draw([panel] * 3, name, tmp_path)
    one, two = ((tmp_path / name).read_text() for name in ("one.svg", "two.svg"))
    assert one == two
    assert one.count("Growth") == 3
    assert panel.table() == [["trees", "ours, ms", "`predict` alone, ms"], ["1", "0.50", "1.00"], ["10", "5.00", "10"]]


def test_the_picture_of_the_goals_has_those_that_are_ratios(tmp_path: Path) -> None:
    draw_goals([at_most("cold", 0.2, 0.3), Goal("no upload", "none", "0", reached=True)], "goals.svg", tmp_path)
    picture = (tmp_path / "goals.svg").read_text()
    assert "cold: 0.200, at most 0.3" in picture
    assert "no upload" not in picture
