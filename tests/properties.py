"""How properties are tried: always with the same few examples, or at random with many more.

Ordinary runs must not fail because the machine is busy or the dice fell otherwise, so they have
no deadline and the same examples each time. `make fuzz` looks for what those do not show.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

ORDINARY, FUZZ = "ordinary", "fuzz"
USUAL = 100  #: examples of a property that asks for no number of its own

settings.register_profile(
    ORDINARY, max_examples=USUAL, deadline=None, derandomize=True, database=None
)
settings.register_profile(
    FUZZ,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "5000")),
    deadline=None,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def examples(number: int) -> settings:
    """Return the settings of a property that ordinary runs try so often.

    `make fuzz` tries FUZZ_EXAMPLES for each of the usual 100, so that a property whose examples
    are dear stays as much dearer than the others as it is.
    """
    found = settings()
    if settings.get_current_profile_name() != FUZZ:
        return settings(found, max_examples=number)
    return settings(found, max_examples=max(1, found.max_examples * number // USUAL))
