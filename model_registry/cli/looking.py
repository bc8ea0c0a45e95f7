"""`ui` and `site`: the registry as pages."""

from typing import Annotated

import typer

from model_registry.cli.common import (
    READ,
    Bucket,
    By,
    InAccount,
    Profile,
    PromoterKeyFile,
    account_verifier,
    app,
    known_errors,
    open_registry,
    talk,
)
from model_runtime.errors import StorageError


@app.command(rich_help_panel=READ)
def ui(
    context: typer.Context,
    bucket: Bucket,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port; default: a free one.")] = 0,
    write: Annotated[
        bool, typer.Option("--write", help="With pages that promote and roll back; keep the address to yourself.")
    ] = False,
    in_account: InAccount = False,
    promoter_key: PromoterKeyFile = None,
    by: By = None,
    profile: Profile = None,
) -> None:
    """Show the registry in a browser: serves pages on this machine alone, until Ctrl-C. They change nothing.

    With --write they move tags, by the gates that `promote` has; then the address holds a token of this start. A model
    that is to be verified for that runs here, or with --in-account in the registry's account.
    """
    from model_registry.site.server import HOST, Server

    for name in () if write else ("in_account", "promoter_key", "by"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":  # what is set in the environment is for other commands
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter("only pages that move tags use it: add --write", param_hint=option)
    with known_errors():
        registry = open_registry(bucket, profile, by, promoter_key=promoter_key if write else None)
        next(registry.pages(), None)  # what cannot be read at all is said here, and not in the browser
        try:
            verifier = account_verifier(bucket, profile) if in_account else None
            server = Server(registry, port, may_write=write, verifier=verifier)
        except OSError as error:
            raise StorageError(f"cannot listen on {HOST}:{port} ({error.strerror}): take another port") from error
    print(server.url, flush=True)
    talk.print("stop it with Ctrl-C")
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            talk.print("stopped")


@app.command(rich_help_panel=READ)
def site(
    bucket: Bucket,
    to: Annotated[str, typer.Option("--to", help="A folder, or s3://BUCKET/PREFIX, for the pages.")],
    profile: Profile = None,
) -> None:
    """Write the registry as pages of HTML: with examples and who moved what, so for those who may read the registry.

    Pages that were there are replaced, and those of versions that were deleted are removed.
    """
    from model_registry.site import files
    from model_registry.site.writing import place_at, require_outside, write_pages

    with known_errors():
        registry = open_registry(bucket, profile)
        require_outside(to, registry.location)
        written, removed = write_pages(place_at(to, profile), files(registry), registry)
    print(f"{to.rstrip('/')}/index.html")
    talk.print(f"{written} pages" + (f", {removed} of deleted versions removed" if removed else ""))
