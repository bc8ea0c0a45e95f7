"""AWS on this machine: deploy the unchanged program to it, call it, look into it."""

import json
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from local import iris, ministack
from local.errors import LocalError
from local.stack_state import StackState
from model_registry import Registry
from model_runtime.errors import NotFoundError, RegistryError

app = typer.Typer(name="local", help="AWS on this machine.", no_args_is_help=True, pretty_exceptions_enable=False)
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
            aws = ministack.start(state, port=port)
        try:
            with aws.activated(), talk.status("deploying") as status:
                outputs = _deploy(aws, state, model, status.update)
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
        print(f'\nRegistry: eval "$({sys.executable} -m local env)" && {sys.executable} -m model_registry list')
        print("Stop it with: make stop")


@app.command()
def down(state: State = DEFAULT_STATE) -> None:
    """Stop the local AWS and forget what was deployed."""
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
    if as_json:
        print(json.dumps({"running": True, "url": aws.url, "pid": aws.pid, "functions": functions}))
        return
    print(f"running at {aws.url}, process {aws.pid}, log {aws.log}")
    print(f"functions: {', '.join(functions) or 'none'}")


@app.command()
def env(state: State = DEFAULT_STATE) -> None:
    """Print the shell lines that point the AWS tools and `python -m model_registry` at the local AWS."""
    with _known_errors():
        variables = {**_running(state).environment(), "MODEL_REGISTRY": f"s3://{iris.BUCKET}"}
        print(*(f"export {name}={shlex.quote(value)}" for name, value in variables.items()), sep="\n")


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
def logs(state: State = DEFAULT_STATE) -> None:
    """Print what the function logged, oldest first."""
    with _known_errors():
        aws = _running(state)
        client = aws.client("logs")
        for group in client.describe_log_groups()["logGroups"]:
            for event in client.filter_log_events(logGroupName=group["logGroupName"])["events"]:
                print(event["message"].rstrip())


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
        answer = aws.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=payload)
        print(answer["Payload"].read().decode())
        if "FunctionError" in answer:
            raise LocalError("the function ended with the error above: `python -m local logs` shows its log")


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


def _running(state: Path) -> ministack.LocalAws:
    aws = ministack.running(state)
    if aws is None:
        raise LocalError("the local AWS is not running: start it with `make serve` or `python -m local up`")
    return aws


def _function_name(aws: ministack.LocalAws, state: Path) -> str:
    for resource in _stack(aws, state).resources.values():
        if resource.type == "aws:lambda/function:Function":
            return resource.id
    raise LocalError("the stack dev is not deployed: run `python -m local up`")


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
    except KeyboardInterrupt as error:
        talk.print("interrupted, everything is stopped", style="yellow")
        raise typer.Exit(130) from error


def _interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt
