"""AWS on this machine: deploy the unchanged program to it, call it, look into it."""

import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from local import iris, kept, log_lines, ministack, shell
from local.errors import LocalError, StartError
from local.stack_state import StackState
from model_registry import Registry
from model_registry.printable import ignore_useless_width
from model_runtime.errors import NotFoundError, RegistryError

app = typer.Typer(name="local", help="AWS on this machine.", no_args_is_help=True, pretty_exceptions_enable=False)
ignore_useless_width()
talk = Console(stderr=True)

State = Annotated[
    Path, typer.Option("--state", envvar="LOCAL_AWS_STATE", help="Folder that keeps what the local AWS needs.")
]
DEFAULT_STATE = ministack.ENVIRONMENTS


@app.command()
def up(
    state: State = DEFAULT_STATE,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on; default: a free one.")] = None,
    model: Annotated[str, typer.Option("--model", help="The model that is served.")] = iris.MODEL,
) -> None:
    """Start the local AWS unless it is running, and deploy the registry and the stack dev.

    The Iris model is published first where the registry does not have it; another one is yours to publish and to tag.
    Run again, it deploys what the tag dev points at by then.
    """
    with _known_errors():
        aws = ministack.running(state)
        started = aws is None
        if aws is None:
            aws = _start(state, port)
        try:
            with aws.activated(), talk.status("deploying") as status:
                outputs = _deploy(aws, state, model, status.update)
                if outputs is not None:
                    status.update("waiting for an answer")
                    _require_answer(outputs)
        except BaseException:
            if started:
                ministack.stop(state)
            raise
        if outputs is None:
            print(
                f"the registry is ready; {model}@{iris.STACK} is not set: publish a version, tag it, run this again\n"
            )
        else:
            _print_urls(outputs)
        print(f'\nRegistry: eval "$({_command("env", state)})" && {sys.executable} -m model_registry list')
        print(f'Undo that with: eval "$({_command("env --undo", state)})"')
        print(f"Stop it with: {'make stop' if state == DEFAULT_STATE else _command('down', state)}")


@app.command()
def down(state: State = DEFAULT_STATE) -> None:
    """Stop the local AWS; the next `up` finds the registry as it is now, and the same port."""
    aws = ministack.running(state)
    if aws is not None:
        try:
            kept.keep(aws, state, iris.BUCKET)
        except (BotoCoreError, ClientError, OSError) as error:
            talk.print(
                f"the registry could not be kept: {_one_line(error)}", style="yellow", markup=False, soft_wrap=True
            )
    was_running = ministack.stop(state)
    print("stopped" if was_running else "was not running")


@app.command()
def status(
    state: State = DEFAULT_STATE,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell whether the local AWS is running, where, and which functions it has. Exit code 3 if it is not running."""
    aws = ministack.running(state)
    if aws is None:
        print(json.dumps({"running": False}) if as_json else "not running")
        raise typer.Exit(3)
    functions = [function["FunctionName"] for function in aws.client("lambda").list_functions()["Functions"]]
    outputs = _stack(aws, state).outputs
    if as_json:
        served = {name: outputs.get(name) for name in ("modelName", "modelVersion", "invokeUrl")}
        told = {"running": True, "url": aws.url, "pid": aws.pid, "functions": functions, "stack": iris.STACK}
        print(json.dumps(told | served))
        return
    print(f"running at {aws.url}, process {aws.pid}, log {aws.log}")
    print(_served(outputs))
    print(f"functions: {', '.join(functions) or 'none'}")


@app.command()
def env(
    state: State = DEFAULT_STATE,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Print what gives the shell its own settings back.")] = False,
) -> None:
    """Print the shell lines that point the AWS tools and `python -m model_registry` at the local AWS.

    Where it does not run, they point nowhere, and `eval` fails: what follows reaches no account.
    """
    with _known_errors():
        if undo:
            lines = shell.restoring(os.environ)
            if lines is None:
                raise LocalError("this shell does not point at the local AWS: there is nothing to undo")
            print(lines)
            return
        try:
            variables = {**_running(state).environment(), "MODEL_REGISTRY": f"s3://{iris.BUCKET}"}
        except LocalError:
            print(shell.pointing(shell.NOWHERE, os.environ, ends="false"))
            raise
        print(shell.pointing(variables, os.environ))


@app.command()
def output(
    name: Annotated[str | None, typer.Argument(help="One output; default: all, as JSON.")] = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Print the outputs of the stack dev, as `pulumi stack output` does."""
    with _known_errors():
        outputs = _stack(_running(state), state).outputs
        if name is None:
            print(json.dumps(outputs, indent=2))
        elif name in outputs:
            print(outputs[name])
        else:
            raise LocalError(f"the stack {iris.STACK} has no output {name!r}: it has {', '.join(outputs) or 'none'}")


@app.command()
def logs(
    state: State = DEFAULT_STATE,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is logged from now on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as the function wrote them.")] = False,
) -> None:
    """Print what the function logged, oldest first, with times; in colours on a terminal."""
    with _known_errors():
        aws = _running(state)
        talk.print(_served(_stack(aws, state).outputs), style="dim", markup=False, highlight=False, soft_wrap=True)
        out = Console(soft_wrap=True, highlight=False)
        try:
            for event in log_lines.events(aws, follow=follow):
                if as_json:
                    print(event["message"].rstrip(), flush=True)
                else:
                    out.print(log_lines.readable(event))
        except KeyboardInterrupt:
            if not follow:
                raise


@app.command()
def invoke(
    event: Annotated[str, typer.Argument(help="The event: JSON, or a file with it, as in handler/events.")],
    state: State = DEFAULT_STATE,
) -> None:
    """Invoke the function directly, as the Lambda console's test does, and print what it returns."""
    with _known_errors():
        aws = _running(state)
        payload = _event(event)
        name = _function_name(aws, state)
        talk.print(_served(_stack(aws, state).outputs), style="dim", markup=False, highlight=False, soft_wrap=True)
        answer = aws.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=payload)
        print(answer["Payload"].read().decode())
        if "FunctionError" in answer:
            raise LocalError(f"the function ended with the error above: `{_command('logs', state)}` shows its log")


@app.command()
def demo() -> None:
    """Show a model's life from training to rollback; everything is stopped at the end."""
    from local.demo import run

    with _known_errors():
        run(Console())


def main() -> None:
    """Run the command line; SIGTERM ends it as Ctrl-C does, so that nothing is left running."""
    signal.signal(signal.SIGTERM, _interrupt)
    app()


def _deploy(aws: ministack.LocalAws, state: Path, model: str, say: iris.Talk) -> iris.Outputs | None:
    """Deploy the registry and the model; None where there is none to deploy."""
    iris.deploy_registry(aws, state, say)
    kept.bring_back(aws, state, iris.BUCKET)
    registry = iris.open_registry()
    if model == iris.MODEL:
        _publish_iris_once(registry, say)
    else:
        try:
            registry.pin(f"{model}@{iris.STACK}")
        except NotFoundError:
            return None
    return iris.deploy_model(aws, state, say, model)


def _publish_iris_once(registry: Registry, say: iris.Talk) -> None:
    try:
        registry.model(iris.MODEL)
    except NotFoundError:
        from training.train_iris import publish, train

        say("training")
        release = publish(registry, train(), "Random forest of the guide")
        registry.tag(release.manifest.reference, iris.STACK, reason="first version")


def _print_urls(outputs: iris.Outputs) -> None:
    print(f"{outputs['modelName']}/{outputs['modelVersion']} answers at {outputs['invokeUrl']}\n")
    if "pageUrl" in outputs:
        print(f"Try it in a browser: {outputs['pageUrl']}\n")
    print(outputs["curlGet"], outputs["curlPost"], sep="\n")


def _start(state: Path, port: int | None) -> ministack.LocalAws:
    """Start at the port, or at that of the last time where it is still free."""
    last = kept.kept_port(state)
    if port is None and last is not None:
        try:
            return ministack.start(state, port=last)
        except StartError as error:
            if "cannot be used" not in str(error):
                raise
            talk.print(f"port {last}, which it had before, is taken: it gets another", style="yellow", soft_wrap=True)
    return ministack.start(state, port=port)


def _require_answer(outputs: iris.Outputs) -> None:
    """LocalError unless the API answers as the version that was deployed."""
    answer = iris.call(outputs["invokeUrl"].removesuffix("predict") + "health")
    if answer.status != HTTPStatus.OK or str(answer.body.get("version")) != str(outputs["modelVersion"]):
        raise LocalError(
            f"{outputs['modelName']}/{outputs['modelVersion']} was deployed and does not answer: {answer.status} "
            f"{answer.body}; run this again"
        )


def _served(outputs: iris.Outputs) -> str:
    if not outputs:
        return f"stack {iris.STACK}: nothing is deployed"
    return f"stack {iris.STACK}: {outputs['modelName']}/{outputs['modelVersion']} at {outputs['invokeUrl']}"


def _command(words: str, state: Path) -> str:
    """A command line of ours that means the same state folder."""
    more = "" if state == DEFAULT_STATE else f" --state {shlex.quote(str(state))}"
    return f"{shlex.quote(sys.executable)} -m local {words}{more}"


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _running(state: Path) -> ministack.LocalAws:
    aws = ministack.running(state)
    if aws is None:
        start = "`make serve` or `python -m local up`" if state == DEFAULT_STATE else f"`{_command('up', state)}`"
        raise LocalError(f"the local AWS is not running: start it with {start}")
    return aws


def _function_name(aws: ministack.LocalAws, state: Path) -> str:
    for resource in _stack(aws, state).resources.values():
        if resource.type == "aws:lambda/function:Function":
            return resource.id
    raise LocalError(f"the stack {iris.STACK} is not deployed: run `{_command('up', state)}`")


def _stack(aws: ministack.LocalAws, state: Path) -> StackState:
    return StackState(state.resolve() / "stacks" / f"{iris.STACK}.json", aws)


def _event(text: str) -> bytes:
    path = Path(text)
    try:
        content = path.read_text(encoding="utf-8") if text.endswith(".json") else text
        return json.dumps(json.loads(content)).encode()
    except OSError as error:
        raise LocalError(f"cannot read the event {text}: {error.strerror}") from error
    except ValueError as error:
        raise LocalError(f"the event is not valid JSON ({error}): give an object, or a file named *.json") from error


@contextmanager
def _known_errors() -> Iterator[None]:
    import pulumi

    try:
        yield
    except (LocalError, RegistryError, pulumi.RunError) as error:
        talk.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except (BotoCoreError, ClientError, HTTPException, OSError) as error:
        # A machine that is too busy, as a rule; none of them is what a bug of ours looks like.
        said = f"error: the local AWS did not answer as it should ({_one_line(error)}): try again"
        talk.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        talk.print("interrupted, everything is stopped", style="yellow")
        raise typer.Exit(130) from error


def _interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt
