"""Recorded mails, mutated."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from ingest.domain.deliveries import UnreadableDelivery
from ingest.mail.message import parse
from tests.fuzzing.mutations import mutated

CASES = Path(__file__).parent.parent / "mail" / "reading" / "cases"
MOST = 256 * 1024


@cache
def seeds() -> tuple[bytes, ...]:
    """Return every recorded mail."""
    return tuple(path.read_bytes()[:MOST] for path in sorted(CASES.rglob("*.eml")))


def mutate(seed: bytes, chance: random.Random) -> tuple[bytes, bytes]:
    """Return a mutated mail."""
    raw = mutated(seed, chance, seeds(), most=MOST)
    return raw, raw


def attempt(raw: bytes) -> None:
    """Read it; only the one named exception is allowed."""
    try:
        parse(raw)
    except UnreadableDelivery:
        return
