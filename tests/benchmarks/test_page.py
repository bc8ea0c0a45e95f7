"""What the benchmark writes, and where."""

from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.__main__ import GOALS, PARTS
from benchmarks.page import Goal, Section, at_most


def test_a_part_is_written_between_its_markers_and_nothing_else_changes(tmp_path: Path) -> None:
    begin, end = page.markers("cold")
    path = tmp_path / "page.md"
    path.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    page.write("cold", "new", path)
    assert path.read_text() == f"before\n{begin}\n\nnew\n\n{end}\nafter\n"
    page.write("cold", "newer", path)
    assert path.read_text() == f"before\n{begin}\n\nnewer\n\n{end}\nafter\n"


def test_a_page_without_a_place_for_a_part_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("prose\n")
    with pytest.raises(ValueError, match="has no place for cold: it needs the lines <!-- make bench, cold: begin"):
        page.write("cold", "new", path)
    assert path.read_text() == "prose\n"


@pytest.mark.parametrize("name", [GOALS, *PARTS])
def test_the_project_s_page_has_a_place_for_each_part(name: str) -> None:
    text = page.PAGE.read_text()
    assert [text.count(marker) for marker in page.markers(name)] == [1, 1]


def test_a_goal_says_whether_it_is_reached() -> None:
    assert at_most("cold", 0.25, 0.30).line() == ["cold", "at most 0.3", "0.250", "yes"]
    assert at_most("cold", 0.30, 0.30).reached
    assert at_most("warm", 4.2, 0.5).line() == ["warm", "at most 0.5", "4.20", "**no**"]
    assert Goal("within 128 MB", "answers", "no limit can be set", None).line()[-1] == "-"


def test_a_section_is_its_note_its_tables_and_its_pictures() -> None:
    section = Section("cold", [[["side", "time"], ["ours", "1 ms"]]], "A note.", images=[("a.svg", "a picture")])
    assert section.markdown() == (
        "A note.\n\n| side | time |\n| --- | --- |\n| ours | 1 ms |\n\n![a picture](images/a.svg)"
    )
