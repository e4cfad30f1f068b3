"""A listener that remembers what a run of the worker said, and clients that leave nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from Tell2RegLib.slicer_module.run.worker_client import WorkerClient

LONG_S = 120.0
"""A test that waits so long has failed; none should. How long things take is for `make bench`, not for tests."""


@dataclass
class Heard:
    """What came out of a run."""

    progress: list[tuple[str, int, int, float | None]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    ended: list[tuple[Any, ...]] = field(default_factory=list)
    """("done", reply), ("error", kind, message, detail) or ("cancelled",); one of them, once."""

    def listeners(self) -> dict[str, Callable[..., None]]:
        return {
            "on_progress": lambda *news: self.progress.append(news),
            "on_log": self.log.append,
            "on_done": lambda reply: self.ended.append(("done", reply)),
            "on_error": lambda *error: self.ended.append(("error", *error)),
            "on_cancelled": lambda: self.ended.append(("cancelled",)),
        }

    @property
    def reply(self) -> Any:
        assert [end[0] for end in self.ended] == ["done"], self.ended
        return self.ended[0][1]

    @property
    def error(self) -> tuple[str, str, str]:
        assert [end[0] for end in self.ended] == ["error"], self.ended
        return self.ended[0][1:]

    @property
    def stages(self) -> list[str]:
        return list(dict.fromkeys(stage for stage, *_ in self.progress))


def start(client: WorkerClient, request: Any) -> Heard:
    """A run that is under way."""
    heard = Heard()
    client.submit(request, **heard.listeners())
    return heard


def run(client: WorkerClient, request: Any, timeout_s: float = LONG_S) -> Heard:
    """A run to its end."""
    heard = start(client, request)
    assert client.wait(timeout_s), f"no end after {timeout_s} s: {heard}"
    return heard


def poll_until(client: WorkerClient, condition: Callable[[], bool]) -> None:
    """Poll until something is so."""
    until = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < until, "it never came"
        client.poll()
        time.sleep(0.005)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that no client tells."""
    until = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)
