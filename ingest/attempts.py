"""What the worker is at, in a small file, so that what it dies of can be found and parked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.domain.deliveries import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Deliveries that were being worked on when the worker died."""

    until: int  #: the last position of them
    alone: int | None  #: the one that was tried by itself
    crashes: int  #: while that one was tried

    def parks(self, delivery: Delivery) -> bool:
        """Tell whether the worker died of this one twice, alone."""
        return self.crashes >= 2 and delivery.position == self.alone


def write_attempt(
    path: Path, name: str, partition: int, batch: Sequence[Delivery], suspect: Suspect | None
) -> None:
    """Write down what is begun, of suspects what is known of them."""
    # Not synced: a power cut is no crash of the worker's own making.
    alone = batch[0].position if len(batch) == 1 else None
    again = suspect is not None and alone is not None and suspect.alone == alone
    path.write_text(
        json.dumps(
            {
                "log": name,
                "partition": partition,
                "until": suspect.until if suspect else batch[-1].position,
                "alone": alone,
                "crashes": suspect.crashes if suspect and again else 0,
            }
        )
    )


def read_attempts(path: Path) -> dict[tuple[str, int], Suspect]:
    """Return what an earlier life was at when it died, by log and partition."""
    try:
        told = json.loads(path.read_text() or "{}")
    except (FileNotFoundError, ValueError):
        return {}
    if not told:
        return {}
    suspect = Suspect(until=told["until"], alone=told["alone"], crashes=told["crashes"] + 1)
    return {(told["log"], told["partition"]): suspect}
