"""Run a project's own `__main__.py` without Pulumi's engine and create its resources on MiniStack.

It stands in for an AWS account, not for the engine: nothing is deleted, and resource options that only the engine
gives a meaning (ignore_changes, protect, aliases, transforms) have none here.
"""

import contextlib
import contextvars
import logging
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, settings
from pulumi.runtime.config import set_all_config

from local.configuration import Configuration, read_configuration
from local.event_loop import event_loop
from local.ministack import LocalAws
from local.monitor import SECRET, Monitor, OnResource, Resources
from local.stack_state import StackState

OnLog = Callable[[str], None]
ORGANIZATION = "organization"  # what the engine calls it in a backend without organizations


def deploy(
    project: Path,
    stack: str,
    aws: LocalAws,
    state: Path,
    *,
    config: Mapping[str, str] | None = None,
    on_resource: OnResource | None = None,
    on_log: OnLog | None = None,
) -> dict[str, Any]:
    """Deploy a stack of the project in this folder and return its outputs, with `[secret]` for a secret one.

    Args:
        project: the folder with Pulumi.yaml and `__main__.py`.
        stack: the stack's name; its configuration is in Pulumi.<stack>.yaml.
        aws: where the resources are created, in one region whatever the configuration says.
        state: the folder that keeps what the stack has, so that an interrupted deployment can be repeated.
        config: values that win over the stack's file.
        on_resource: called with type, name and `create`, `update`, `replace` or `same` after each resource, from
            other threads, one call at a time.
        on_log: called with each message that the program gives to pulumi.log.

    Raises:
        LocalError: the configuration is wrong, or the program asks for what the local AWS does not have.
        Exception: whatever the program raised, or boto3 when a resource was refused.

    """
    project = project.resolve()
    configuration = read_configuration(project, stack, config)
    deployed = StackState(state.resolve() / "stacks" / f"{stack}.json", aws)
    resources = Resources(aws, deployed, on_resource or (lambda _type, _name, _action: None))
    own_name = f"{ORGANIZATION}/{configuration.project}/{stack}"
    monitor = Monitor(resources, aws, own_name, deployed)

    # Pulumi keeps its root, settings and configuration in context variables and leaves event loops open: a context
    # and a thread of its own give every deployment a clean start and leave nothing to the caller.
    with aws.activated(), _inside(project), ThreadPoolExecutor(1, thread_name_prefix="pulumi") as thread:
        try:
            context = contextvars.Context()
            outputs = thread.submit(context.run, _run, project, stack, configuration, monitor, on_log).result()
        except KeyboardInterrupt:
            resources.stopped = True
            raise
    deployed.put_outputs(outputs, resources.components)
    return outputs


def _run(
    project: Path, stack: str, configuration: Configuration, monitor: Monitor, on_log: OnLog | None
) -> dict[str, Any]:
    outputs: dict[str, Any] = {}

    def program() -> None:
        try:
            runpy.run_path(str(project / "__main__.py"), run_name="__main__")
        except BaseException as error:
            monitor.stack.failed(error)
            raise

    failure: BaseException | None = None
    with event_loop() as loop:
        set_all_config(configuration.values, list(configuration.secrets))
        logger = _logger(on_log)
        mocks.set_mocks(
            monitor.mocks,
            project=configuration.project,
            stack=stack,
            preview=False,
            logger=logger,
            monitor=monitor,
            organization=ORGANIZATION,
        )
        try:
            mocks.test(program)()  # type: ignore[no-untyped-call]  # Pulumi leaves it without types
            root: Any = settings.get_root_resource()
            outputs = loop.run_until_complete(_plain(root.outputs))
        except BaseException as error:  # noqa: BLE001  # raised below, or the failure that it follows from
            failure = error
    if monitor.stack.failures:
        # Pulumi sets causes of its own on the way, even an exception as its own cause.
        failure, cause = monitor.stack.failures[0]
        failure.__cause__ = cause
    if failure:
        raise failure
    return outputs


async def _plain(outputs: Mapping[str, Any]) -> dict[str, Any]:
    plain = {}
    for name, value in outputs.items():
        output = pulumi.Output.from_input(value)
        plain[name] = SECRET if await output.is_secret() else await output.future()
    return plain


@contextlib.contextmanager
def _inside(project: Path) -> Iterator[None]:
    """Give the program its folder and its modules, and the caller its own afterwards."""
    path = list(sys.path)
    sys.path.insert(0, str(project))
    try:
        with contextlib.chdir(project):
            yield
    finally:
        sys.path[:] = path


def _logger(on_log: OnLog | None) -> logging.Logger:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if on_log:
                on_log(record.getMessage())

    # Not from logging.getLogger, which would keep it, and its handler, for the whole process.
    logger = logging.Logger("pulumi", logging.INFO)  # noqa: LOG001  # for the reason above
    logger.addHandler(Handler())
    return logger
