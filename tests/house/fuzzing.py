"""The profile of `make fuzz`: the same properties, many more examples, no deadline.

Loaded by name (`-p tests.house.fuzzing`), so that ordinary runs do not know of it.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "5000")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
