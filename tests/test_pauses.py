"""What is there after a start is set aside from collections of garbage."""

from __future__ import annotations

import gc

from ingest.pauses import YOUNG, settle


def test_what_is_there_is_looked_at_no_more_and_what_comes_still_is() -> None:
    before = gc.get_threshold()
    kept = [[number] for number in range(1_000)]
    try:
        settle()
        aside = gc.get_freeze_count()
        circle: list[object] = []
        circle.append(circle)
        del circle

        assert aside >= len(kept)
        assert gc.get_threshold()[0] == YOUNG
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
