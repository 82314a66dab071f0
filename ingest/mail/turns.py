"""Whose first import goes on now, when many mailboxes have one to make. Pure.

A first import takes as much as a disk and a server give. So only a few go on at a time, of one
server fewer still, and each only for a while as long as others wait: a large or a slow mailbox
holds nobody up. New mail does not wait for any of this.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Import:
    host: str
    since: float | None = None  #: when its turn began; None: it waits


@dataclass(slots=True, kw_only=True)
class Turns:
    """The first imports of one process, in the order in which they asked."""

    most: int = 6  #: at a time
    most_a_host: int = 3
    turn_s: float = 20.0  #: after which another gets the turn, if one waits
    _asked: dict[object, _Import] = field(default_factory=dict)

    def mine(self, who: object, host: str, now: float) -> bool:
        """Tell whether this one may import now; asked again and again until it leaves."""
        mine = self._asked.setdefault(who, _Import(host))
        if mine.since is not None and now - mine.since > self.turn_s and self._waits(host):
            self.leave(who)
            self._asked[who] = mine = _Import(host)
        if mine.since is None and self._next() is mine:
            mine.since = now
        return mine.since is not None

    def leave(self, who: object) -> None:
        """Say that this one imports no more, or is gone."""
        self._asked.pop(who, None)

    def _waits(self, host: str) -> bool:
        """Tell whether anybody would get the turn that one of this host gives up."""
        return any(
            each.since is None and (each.host == host or self._going(each.host) < self.most_a_host)
            for each in self._asked.values()
        )

    def _next(self) -> _Import | None:
        """Return who of those that wait may begin: the first whose server has a turn to give."""
        if self._going() >= self.most:
            return None
        return next(
            (
                each
                for each in self._asked.values()
                if each.since is None and self._going(each.host) < self.most_a_host
            ),
            None,
        )

    def _going(self, host: str | None = None) -> int:
        return sum(
            1
            for each in self._asked.values()
            if each.since is not None and host in (None, each.host)
        )
