"""How fast something goes lately. Pure."""

from __future__ import annotations

from collections import deque

LATELY_S = 10.0


class Rate:
    """Counts of the last seconds; older ones do not count any more."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()
        self._since: float | None = None

    def add(self, count: int, now: float) -> None:
        """Count so many at this moment."""
        if self._since is None or not self._recent(now):
            self._since = now  # it begins, or begins again
        self._counts.append((now, count))

    def lately(self, now: float) -> float | None:
        """Return how many a second; None: nothing to tell it by."""
        counts = self._recent(now)
        if self._since is None or not counts:
            return None
        spent = min(LATELY_S, now - self._since)
        return sum(counts) / spent if spent > 0 else None

    def _recent(self, now: float) -> list[int]:
        while self._counts and self._counts[0][0] < now - LATELY_S:
            self._counts.popleft()
        return [count for _, count in self._counts]
