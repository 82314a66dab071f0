"""Passwords: argon2id hashes, a few at a time, in equal time for known and unknown names.

A hash costs tens of milliseconds and tens of megabytes on purpose, so both are bounded: at most
`AT_ONCE` are computed at any moment, each in a thread. Guessing at one account is slowed down, and
never locks its owner out for longer than `LONGEST_WAIT`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB = 32 * 1024
ROUNDS = 3
AT_ONCE = 4  #: hashes computed at the same time
LONGEST_PASSWORD = 1024  #: characters; a longer one is refused unread
FREE_TRIES = 5  #: wrong passwords of one account before each next one must wait
LONGEST_WAIT = timedelta(seconds=30)
FORGET_AFTER = timedelta(hours=24)
MOST_ACCOUNTS = 10_000  #: names remembered, the ones tried longest ago are forgotten first

_hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=1)
# What an unknown name is compared with: the very same work, and never equal.
_NOBODY = _hasher.hash("no account has this password")


def hash_password(password: str) -> str:
    """Return the argon2id hash to store. Takes tens of milliseconds."""
    return _hasher.hash(password)


def is_password(stored: str | None, password: str) -> bool:
    """Tell whether that is the password; for an unknown name (None) after the same time."""
    try:
        matches = _hasher.verify(stored or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None


class Hashing:
    """Checks passwords without holding up anything else."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self.running = 0
        self.most = 0  #: that ever ran at once

    async def check(self, stored: str | None, password: str) -> bool:
        """Tell whether that is the password."""
        async with self._places:
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                return await asyncio.to_thread(is_password, stored, password)
            finally:
                self.running -= 1


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last_at: datetime | None = None


@dataclass(slots=True)
class SlowDown:
    """How long the next try for one account must wait, by its wrong passwords so far."""

    _accounts: OrderedDict[str, _Failures] = field(default_factory=OrderedDict)

    def wait(self, login: str, now: datetime) -> timedelta:
        """Return how long this account's next try must wait; zero: none."""
        failures = self._accounts.get(login.casefold())
        if failures is None or failures.last_at is None or failures.count < FREE_TRIES:
            return timedelta(0)
        doublings = min(failures.count - FREE_TRIES, 10)
        pause = min(timedelta(seconds=2.0**doublings), LONGEST_WAIT)
        return max(failures.last_at + pause - now, timedelta(0))

    def failed(self, login: str, now: datetime) -> None:
        """Count a wrong password."""
        name = login.casefold()
        failures = self._accounts.setdefault(name, _Failures())
        if failures.last_at is not None and now - failures.last_at > FORGET_AFTER:
            failures.count = 0
        failures.count = min(failures.count + 1, 1_000)
        failures.last_at = now
        self._accounts.move_to_end(name)
        while len(self._accounts) > MOST_ACCOUNTS:
            self._accounts.popitem(last=False)

    def succeeded(self, login: str) -> int:
        """Forget the account's wrong passwords; returns how many there were, for its owner."""
        failures = self._accounts.pop(login.casefold(), None)
        return failures.count if failures else 0
