"""Turns at the public door: of many reports that come at once, a few are worked on at a time.

Whoever asks who is calling has a telephone ringing. A burst of reports, as after a slow write to
the disk, would otherwise be worked off as a whole before the loop looks at its connections again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

AT_ONCE = 4  #: reports worked on between two looks at the connections


class Turns:
    """Lets so many pass at once, the others some looks at the connections later, in their order."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._passed = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def passes(self) -> bool:
        """Tell whether the caller may go on at once; whoever may not says `later`."""
        if self._passed >= self._at_once or self._waiting:
            return False
        self._pass()
        return True

    def later(self, go_on: Callable[[], None]) -> None:
        """Call back when it is the caller's turn."""
        self._waiting.append(go_on)

    async def take(self) -> None:
        """Return when it is the caller's turn: at once, where few came."""
        if not self.passes():
            turn = asyncio.get_running_loop().create_future()
            self.later(lambda: None if turn.done() else turn.set_result(None))
            await turn

    def _pass(self) -> None:
        if not self._passed:
            asyncio.get_running_loop().call_soon(self._next)
        self._passed += 1

    def _next(self) -> None:
        """Let the next ones pass; runs once between two looks at the connections."""
        self._passed = 0
        while self._waiting and self._passed < self._at_once:
            self._pass()
            self._waiting.popleft()()
