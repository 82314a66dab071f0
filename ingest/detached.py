"""Blocking work that must not hold up the end of the process: done in a thread of its own.

A pool's threads are waited for when the process ends, however long they take. What is begun here
is not: it must leave nothing half done if it is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def detached(work: Callable[..., T], *values: Any, within_s: float) -> T:
    """Return what it returns, or raise what it raises; TimeoutError if that takes too long.

    A thread that took too long goes on by itself, and nobody hears of it any more.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(outcome: T | BaseException) -> None:
        if done.done():  # nobody waits any more
            return
        if isinstance(outcome, BaseException):
            done.set_exception(outcome)
        else:
            done.set_result(outcome)

    def run() -> None:
        outcome: T | BaseException
        try:
            outcome = work(*values)
        except BaseException as error:  # the waiting side raises it
            outcome = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name="detached", daemon=True).start()
    async with asyncio.timeout(within_s):
        return await done
