"""`python -m tests.storm --calls 10000`: the storm at its full size.

`--each 5`: instead of losing and withholding reports, tell each so many times, all shuffled.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from ingest import logs
from tests.storm.run import Result, calls_of_all, compared, heard
from tests.storm.weather import calm, manifold, storm


async def weathered(path: Path, *, count: int, seed: int, each: int = 0) -> Result:
    """Tell so many calls through calm and through storm, and compare what is recorded."""
    calls = calls_of_all(count, seed)
    perfect = await heard(path / "calm", calm(calls), calls, ask=False)
    weather = manifold(calls, seed, each) if each else storm(calls, seed)
    stormy = await heard(path / "storm", weather, calls, ask=not each)
    return compared(calls, perfect, stormy, weather)


def main() -> int:
    """Print what no source can restore, what differs and the figures; 0 if nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=0, help="tell each report so many times")
    asked = parser.parse_args()
    logs.configure("error", "text")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        result = asyncio.run(
            weathered(Path(directory), count=asked.calls, seed=asked.seed, each=asked.each)
        )
    for difference in result.unrestorable:
        print(f"not restorable: {difference}")
    for difference in result.differing:
        print(f"DIFFERS: {difference}")
    print(f"{asked.calls:>10,}  calls of six providers, seed {asked.seed}")
    for name, figure in result.figures.items():
        print(f"{figure:>10,}  {name}")
    print(f"{time.monotonic() - begun:>10,.0f}  seconds")
    return 1 if result.differing else 0


if __name__ == "__main__":
    sys.exit(main())
