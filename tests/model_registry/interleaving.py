"""Every order in which several callers can use one store: a scheduler that lets one storage call happen at a time.

Callers run in threads, but never two at once: each waits before every storage call until the scheduler lets it go on.
Which caller goes next is a list of choices, so that an order can be repeated, and all orders with a few switches can be
gone through. The store is in memory and knows conditional writes.
"""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from obstore.store import MemoryStore

from model_runtime.errors import StorageError
from model_runtime.storage import Content, Storage, Stored

STEP_SECONDS = 60
"""How long a step may take before the test fails; none comes near it."""


class Scheduler:
    """Lets callers take their steps in an order given by `choices`; after them each caller goes on to its end."""

    def __init__(self, choices: Sequence[int]) -> None:
        self._choices = list(choices)
        self._turn = threading.Condition()
        self._running: int | None = None
        self._waiting: dict[int, str] = {}
        self._left = 0
        self.taken: list[tuple[int, tuple[int, ...]]] = []
        """For each step who took it, and who could have."""

    def following(self, able: tuple[int, ...]) -> int:
        """Who goes on where nothing is chosen: who went last, as long as possible."""
        last = self.taken[-1][0] if self.taken else able[0]
        return last if last in able else able[0]

    def step(self, caller: int, what: str) -> None:
        """Wait for the caller's turn."""
        with self._turn:
            self._waiting[caller] = what
            self._running = None
            self._turn.notify_all()
            if not self._turn.wait_for(lambda: self._running == caller, STEP_SECONDS):
                raise AssertionError(f"caller {caller} waited too long before {what}")

    def run(self, callers: Sequence[Callable[[], object]]) -> list[object]:
        """Run the callers to their end; what each returned or raised."""
        results: list[object] = [None] * len(callers)
        self._left = len(callers)

        def act(number: int) -> None:
            try:
                self.step(number, "start")
                results[number] = callers[number]()
            except Exception as error:  # noqa: BLE001  # the test looks at it
                results[number] = error
            with self._turn:
                self._left -= 1
                self._running = None
                self._turn.notify_all()

        threads = [threading.Thread(target=act, args=(number,), daemon=True) for number in range(len(callers))]
        for thread in threads:
            thread.start()
        while True:
            with self._turn:
                ready = self._turn.wait_for(
                    lambda: self._running is None and len(self._waiting) == self._left, STEP_SECONDS
                )
                assert ready, f"a caller hangs; steps so far: {self.taken}"
                if not self._left:
                    return results
                able = tuple(sorted(self._waiting))
                place = len(self.taken)
                chosen = self._choices[place] if place < len(self._choices) else self.following(able)
                assert chosen in able
                self.taken.append((chosen, able))
                del self._waiting[chosen]
                self._running = chosen
                self._turn.notify_all()


class Stepped(Storage):
    """A caller's way to the store; `fails` may raise in place of its n-th call."""

    def __init__(
        self, store: MemoryStore, scheduler: Scheduler, caller: int, fails: Callable[[str, str], bool] | None = None
    ) -> None:
        super().__init__(store, "memory")
        self._scheduler, self._caller, self._fails = scheduler, caller, fails

    def _before(self, verb: str, key: str) -> None:
        self._scheduler.step(self._caller, f"{verb} {key}")
        if self._fails and self._fails(verb, key):
            raise StorageError(f"memory: cannot {verb} {key}: 503 SlowDown")

    def read(self, key: str) -> Stored | None:
        self._before("read", key)
        return super().read(key)

    def create(self, key: str, data: Content, *, token: str | None = None) -> None:
        self._before("create", key)
        super().create(key, data, token=token)

    def replace(self, key: str, data: bytes, etag: str | None) -> None:
        self._before("replace", key)
        super().replace(key, data, etag)

    def delete(self, key: str) -> None:
        self._before("delete", key)
        super().delete(key)

    def entries(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        self._before("list", prefix)
        return iter(list(super().entries(prefix)))

    def folders(self, prefix: str) -> list[str]:
        self._before("list", prefix)
        return super().folders(prefix)


def orders(run: Callable[[Scheduler], Any], *, switches: int) -> int:
    """Run in every order with at most so many switches away from a caller that could go on; how many there were."""
    stack: list[tuple[list[int], int]] = [([], 0)]
    count = 0
    while stack:
        choices, used = stack.pop()
        scheduler = Scheduler(choices)
        run(scheduler)
        count += 1
        for place in range(len(choices), len(scheduler.taken)):
            chosen, able = scheduler.taken[place]
            before = scheduler.taken[place - 1][0] if place else None
            for other in able:
                # Another than the one that went on is a switch; where the one before is done, somebody must be chosen.
                cost = 1 if before in able else 0
                if other != chosen and used + cost <= switches:
                    stack.append(([taken for taken, _ in scheduler.taken[:place]] + [other], used + cost))
    return count


def sampled(run: Callable[[Scheduler], Any], *, count: int) -> None:
    """Run in so many orders with any number of switches, drawn from a fixed seed."""
    for seed in range(count):
        run(Drawn(random.Random(seed)))  # noqa: S311  # no secret


class Drawn(Scheduler):
    """Chooses at random among those that can go on, now and then only."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__([])
        self._chance = chance

    def following(self, able: tuple[int, ...]) -> int:
        last = self.taken[-1][0] if self.taken else able[0]
        if last in able and self._chance.random() < 0.7:
            return last
        return self._chance.choice(able)
