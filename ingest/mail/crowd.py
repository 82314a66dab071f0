"""What the followers of one process share, so that hundreds of them stay polite and patient."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ingest.mail.turns import Turns


@dataclass(slots=True, kw_only=True)
class Crowd:
    """Turns for first imports, and places for connecting: a slow server keeps only its own busy."""

    arriving: int = 8  #: connections to one server that are being made or sign in at a time
    turns: Turns = field(default_factory=Turns)
    _doors: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    @asynccontextmanager
    async def door(self, host: str) -> AsyncIterator[None]:
        """Wait for a place among those that connect to this server, and hold it meanwhile."""
        async with self._doors.setdefault(host, asyncio.Semaphore(self.arriving)):
            yield
