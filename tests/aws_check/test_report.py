"""What is sent: every row, each difference with what was assumed, and nothing of the account."""

from pathlib import Path

from rich.console import Console

from aws_check.report import Report


def made() -> Report:
    report = Report("eu-central-1", {"123456789012": "ACCOUNT"})
    report.add("a | b holds", "200", "200")
    report.add("the gateway says 413", "413", "200\narn:aws:iam::123456789012:role/x")
    report.figures["first update"] = "61 s"
    return report


def test_a_difference_has_what_was_seen_and_what_was_assumed() -> None:
    report = made()
    assert [row.assumption for row in report.different] == ["the gateway says 413"]
    assert "| a \\| b holds | 200 | yes |" in report.markdown()
    assert "| the gateway says 413 | 200<br>arn:aws:iam::ACCOUNT:role/x (assumed: 413) | **no** |" in report.markdown()
    assert "1 of 2 the same" in report.markdown()
    assert "| first update | 61 s |" in report.markdown()


def test_the_account_is_not_in_what_is_sent(tmp_path: Path) -> None:
    report = made()
    report.failure = "AccessDenied in 123456789012"
    report.write(tmp_path / "sent.md")
    sent = (tmp_path / "sent.md").read_text()
    assert "It did not come to its end: AccessDenied in ACCOUNT" in sent
    assert "123456789012" not in sent


def test_the_terminal_shows_the_same_rows() -> None:
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as shown:
        console.print(made().table())
    assert "not" in shown.get()
    assert "(assumed: 413)" in shown.get()
    assert "61 s" in shown.get()
