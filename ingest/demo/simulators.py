"""Telephone systems that tell what they would tell of a call, signed as they would sign it.

Written from the providers' documents, as our readers are; they share no code with those, or a
mistake would hide itself. Requests go over real HTTP to the public door.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp

from ingest.demo.pbx import generic, mango, megafon, twilio, zadarma
from ingest.demo.pbx.script import Report, Request, Script, Secrets


@dataclass(frozen=True, slots=True)
class Simulator:
    """One provider: its secrets, its reports of a call, its signature."""

    new_secrets: Callable[[], dict[str, str]]
    reports: Callable[[Script], Iterator[Report]]
    sign: Callable[[Report, Secrets, str, datetime], Request]  #: address of the source, now


SIMULATORS: Mapping[str, Simulator] = {
    "generic": Simulator(generic.new_secrets, generic.reports, generic.sign),
    "mango": Simulator(mango.new_secrets, mango.reports, mango.sign),
    "megafon": Simulator(megafon.new_secrets, megafon.reports, megafon.sign),
    "twilio": Simulator(twilio.new_secrets, twilio.reports, twilio.sign),
    "zadarma": Simulator(zadarma.new_secrets, zadarma.reports, zadarma.sign),
}


class Refused(Exception):
    """The public door did not take what a simulator sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pbx:
    """One account at one provider, as its telephone system posts to us."""

    name: str  #: of the source
    provider: str
    url: str  #: address that the provider was told
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]
    secrets: Secrets = field(repr=False)

    def signed(self, report: Report) -> Request:
        """Return a report as a request, signed now."""
        return SIMULATORS[self.provider].sign(report, self.secrets, self.url, self.clock())

    async def post(self, request: Request) -> int:
        """Post a request and return the status of the answer."""
        async with self.http.post(
            request.url, data=request.body, headers=request.headers
        ) as answer:
            await answer.read()
            return answer.status

    async def tell(self, report: Report) -> None:
        """Post a report. Raises Refused unless it was taken."""
        status = await self.post(self.signed(report))
        if not 200 <= status < 300:
            raise Refused(f"{self.name}: the public door answered {status}")

    async def play(self, call: Script) -> None:
        """Tell of a call while it goes on; what happens at one moment is told in order."""
        for report in self.reports(call):
            await self.wait_until(call.at(report.after_s))
            await self.tell(report)

    async def recount(self, call: Script) -> None:
        """Tell of a call that is long over."""
        for report in self.reports(call):
            await self.tell(report)

    def reports(self, call: Script) -> list[Report]:
        """Return what this provider tells of the call, in order of time."""
        found = list(SIMULATORS[self.provider].reports(call))
        return sorted(found, key=lambda report: report.after_s)

    async def wait_until(self, moment: datetime) -> None:
        """Return at that moment, at once if it has passed."""
        await asyncio.sleep(max(0.0, (moment - self.clock()).total_seconds()))
