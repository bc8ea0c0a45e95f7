"""The event loop in which a Pulumi program runs without Pulumi's engine."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Give this thread an event loop whose workers' loops are closed with it: Pulumi opens those and leaves them."""
    opened: list[asyncio.AbstractEventLoop] = []

    def open_loop() -> None:
        opened.append(asyncio.new_event_loop())
        asyncio.set_event_loop(opened[-1])

    open_loop()
    loop = opened[0]
    executor = ThreadPoolExecutor(8, thread_name_prefix="pulumi-resource", initializer=open_loop)
    loop.set_default_executor(executor)
    # After a failure many of Pulumi's tasks end with the same exception, which is raised to the caller once.
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        yield loop
    finally:
        executor.shutdown()
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        if pending:
            loop.run_until_complete(asyncio.wait(pending))
        for one in opened:
            one.close()
        asyncio.set_event_loop(None)
