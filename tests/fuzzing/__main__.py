"""Mutate recorded requests, records, answers and mails for a while, and watch every reader.

Nothing but the named exceptions may come out, nothing may take longer than its bound. What breaks
a rule is written to a file, and the seed that made it is printed. Ends with status 1 then.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzzing import mails, telephony
from tests.fuzzing.mutations import KIB_64

GROWTH_MIB = 256
HANG_S = 2.0  #: of process CPU time, whatever the bound says


class Hang(BaseException):
    """Reading one thing took too much CPU time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A reader with what it was recorded to read."""

    name: str
    seeds: Sequence[Any]
    mutate: Callable[[Any, random.Random], tuple[bytes, Any]]  #: the octets, and what is tried
    attempt: Callable[[Any], None]  #: raises whatever must not come out
    cpu_s: float


@dataclass(slots=True)
class Found:
    """What a run came to."""

    tried: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    slowest_s: dict[str, float] = field(default_factory=dict)


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang


def cpu_of(attempt: Callable[[Any], None], what: Any) -> float:
    """Return the CPU time of one attempt. Raises whatever it raises, and Hang."""
    signal.setitimer(signal.ITIMER_VIRTUAL, HANG_S)
    begin = time.process_time()
    try:
        attempt(what)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - begin


def try_one(subject: Subject, chance: random.Random, found: Found, failures: Path) -> None:
    """Mutate and read once; note what breaks a rule."""
    octets, what = subject.mutate(chance.choice(subject.seeds), chance)
    found.tried[subject.name] += 1
    why = ""
    try:
        spent = cpu_of(subject.attempt, what)
        if spent > subject.cpu_s:  # a collection of garbage, or a busy machine: not twice
            spent = min(cpu_of(subject.attempt, what) for _ in range(2))
        found.slowest_s[subject.name] = max(found.slowest_s.get(subject.name, 0.0), spent)
        if spent > subject.cpu_s:
            why = f"took {spent * 1000:.0f} ms of CPU time for {len(octets)} octets"
    except Hang:
        why = f"took more than {HANG_S:g} s of CPU time"
    except Exception as error:
        why = f"raised {type(error).__name__}: {error}"[:300]
    if why:
        failures.mkdir(exist_ok=True)
        file = failures / hashlib.sha256(octets).hexdigest()[:16]
        file.write_bytes(octets)
        found.broken.append(f"{subject.name} {why} ({file})")


def subjects(only: str) -> list[Subject]:
    """Return the readers to try."""
    made = []
    if only in ("all", "telephony"):
        made += [
            Subject(
                name=name,
                seeds=seeds,
                mutate=telephony.mutate,
                attempt=telephony.attempt,
                cpu_s=telephony.CPU_S,
            )
            for name, seeds in telephony.seeds().items()
        ]
    if only in ("all", "mail"):
        made.append(
            Subject(
                name="mail",
                seeds=mails.seeds(),
                mutate=mails.mutate,
                attempt=mails.attempt,
                cpu_s=HANG_S,
            )
        )
    return made


def peak_mib() -> float:
    """Return the most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(only: str, seconds: float, tries: int | None, seed: int, failures: Path) -> Found:
    """Try until time is up, or that many times."""
    signal.signal(signal.SIGVTALRM, _hang)
    chance, found = random.Random(seed), Found()
    readers = subjects(only)
    for subject in readers:  # everything is imported and warm before memory is looked at
        try_one(subject, chance, found, failures)
    begin, before = time.monotonic(), peak_mib()
    while True:
        for subject in readers:
            for _ in range(20 if subject.name == "mail" else 1):
                try_one(subject, chance, found, failures)
        done = sum(found.tried.values())
        enough = done >= tries if tries is not None else time.monotonic() - begin >= seconds
        if enough or len(found.broken) >= 50:
            break
    grown = peak_mib() - before
    if grown > GROWTH_MIB:
        found.broken.append(f"memory grew by {grown:.0f} MiB")
    print(f"seed {seed}: {done} mutated texts of at most {KIB_64} octets, memory +{grown:.0f} MiB")
    return found


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tries", type=int, help="so many instead of a time")
    parser.add_argument("--only", choices=("all", "telephony", "mail"), default="all")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    given = parser.parse_args()
    found = run(given.only, given.seconds, given.tries, given.seed, given.failures)
    for name, slowest in sorted(found.slowest_s.items(), key=lambda it: -it[1])[:5]:
        print(f"  slowest of {name}: {slowest * 1000:.1f} ms of CPU time")
    for line in found.broken:
        print(f"BROKEN {line}")
    print("nothing broke" if not found.broken else f"{len(found.broken)} broke")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
