"""The command line of `make aws-check`."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from aws_check.account import Account, open_account, require_engine
from aws_check.cleaning import destroy as destroy_all
from aws_check.cleaning import remedy
from aws_check.engine import PROJECT
from aws_check.errors import CheckError, RefusedError
from aws_check.life import PATIENCE_SECONDS, Life
from aws_check.workspace import make_workspace, open_workspace

app = typer.Typer(name="aws_check", help="AWS beside what is assumed of it.", no_args_is_help=True)
talk = Console(stderr=True)

FOLDER = PROJECT / ".aws-check"
DIFFERENT = 3
"""Exit code where an assumption does not hold."""


@app.command()
def run(
    profile: Annotated[str | None, typer.Option("--profile", help="AWS profile.")] = None,
    region: Annotated[str | None, typer.Option("--region", help="AWS region; default: the profile's.")] = None,
    folder: Annotated[Path, typer.Option("--folder", help="Where the check keeps its state and its report.")] = FOLDER,
    patience: Annotated[
        float, typer.Option("--patience", help="Seconds for which a different answer is asked for again.")
    ] = PATIENCE_SECONDS,
) -> None:
    """Deploy to a real account, call everything, destroy it all, and print what AWS did beside what is assumed.

    Asks before anything is created; CONFIRM=yes in the environment answers. Exit code 3 where something differs.
    """
    with _known_errors():
        require_engine()
        account = open_account(profile, region)
        _confirm(account)
        workspace = make_workspace(folder, account)
        talk.print(f"If this is killed: {remedy(workspace.folder)}", highlight=False, soft_wrap=True)
        with talk.status("beginning") as status:
            life = Life(workspace, status.update, patience=patience)
            try:
                life.run()
            finally:
                path = folder / f"{workspace.number}.md"
                life.report.write(path)
        Console(width=None if sys.stdout.isatty() else 160).print(life.report.table())
        print(f"To send: {path}")
        if life.report.failure:
            raise CheckError(f"the check did not come to its end, nothing of it is left: {life.report.failure}")
        if life.report.different:
            raise typer.Exit(DIFFERENT)


@app.command()
def destroy(folder: Annotated[Path, typer.Argument(help="The folder of a check that left something behind.")]) -> None:
    """Remove what a check left in the account."""
    with _known_errors():
        require_engine()
        destroy_all(open_workspace(folder))
        print("nothing is left")


def main() -> None:
    """Run the command line; SIGTERM ends it as Ctrl-C does, so that nothing is left in the account."""
    signal.signal(signal.SIGTERM, _interrupt)
    app()


def _confirm(account: Account) -> None:
    talk.print(
        f"In account {account.number}, {account.region}, as {account.caller}: two stacks are made and destroyed again "
        "within about 15 minutes. It costs less than 5 US cents (docs/aws.md).",
        highlight=False,
        soft_wrap=True,
    )
    if os.environ.get("CONFIRM") == "yes":
        return
    if not sys.stdin.isatty():
        raise RefusedError("nobody can be asked whether to begin: `make aws-check CONFIRM=yes`")
    if talk.input("Begin? (yes) ") != "yes":
        raise RefusedError("nothing was begun: answer `yes`")


@contextmanager
def _known_errors() -> Iterator[None]:
    try:
        yield
    except CheckError as error:
        talk.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        talk.print("interrupted; what had been made is removed", style="yellow")
        raise typer.Exit(130) from error


def _interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt
