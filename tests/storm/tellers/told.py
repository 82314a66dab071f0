"""One report of an invented call, and what the storm has to know of it."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.demo.pbx.script import Report, Script
from tests.storm.calls import Tale


@dataclass(frozen=True, slots=True)
class Told:
    """A report as its provider sends it."""

    report: Report
    what: str  #: the provider's word for it, with the telephone where there is one
    timed: bool = True  #: False: it states no moment, so that its receipt has to do


def tale(call: Script) -> Tale:
    """Return the call as what it is."""
    assert isinstance(call, Tale), "the storm's simulators know its own calls only"
    return call
