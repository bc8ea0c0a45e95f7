"""Times, and how they are written."""

from benchmarks.measured import Measured, interleaved


def test_a_cell_has_the_median_the_spread_and_the_requests() -> None:
    assert str(Measured([0.001, 0.0025, 1.5], 1)) == "2.50 ms (1.00 to 1,500), 1 request"
    assert str(Measured([0.02], 2)) == "20 ms (20 to 20), 2 requests"
    assert str(Measured([0.02])) == "20 ms (20 to 20)"


def test_what_is_short_is_in_microseconds() -> None:
    assert str(Measured([0.000_009_9, 0.000_05, 0.000_2])) == "50 us (9.90 to 200)"


def test_a_percentile_is_the_time_within_which_that_part_of_the_calls_was_done() -> None:
    measured = Measured([n / 1000 for n in range(100, 0, -1)])
    assert [measured.percentile(percent) for percent in (1, 50, 99, 100)] == [0.001, 0.05, 0.099, 0.1]
    assert measured.quartiles() == "50 ms (25 to 75)"
    assert Measured([0.5]).percentile(99) == 0.5


def test_sides_are_called_in_turn_and_the_first_round_is_not_counted() -> None:
    called: list[str] = []
    found = interleaved({"a": (2, lambda: called.append("a")), "b": (1, lambda: called.append("b"))}, 2)
    assert "".join(called) == "aab" * 3
    assert {name: len(measured.seconds) for name, measured in found.items()} == {"a": 4, "b": 2}
