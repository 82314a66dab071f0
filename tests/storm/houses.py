"""The six accounts that the storm passes over, and what of each no source can restore."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ingest.demo.pbx import generic as generic_pbx
from ingest.demo.pbx import mango as mango_pbx
from ingest.demo.pbx import megafon as megafon_pbx
from ingest.demo.pbx import twilio as twilio_pbx
from ingest.demo.pbx import zadarma as zadarma_pbx
from ingest.demo.pbx.script import Report, Request, Secrets
from ingest.domain.deliveries import Account, Provider
from ingest.telephony.providers import PROVIDERS
from tests.storm.calls import Numbers, Tale
from tests.storm.tellers import generic, mango, megafon, twilio, uis, zadarma
from tests.storm.tellers.told import Told
from tests.telephony.simulators import mango as mango_api
from tests.telephony.simulators import megafon as megafon_api
from tests.telephony.simulators import twilio as twilio_api
from tests.telephony.simulators import uis as uis_api
from tests.telephony.simulators import zadarma as zadarma_api
from tests.telephony.simulators.serving import Routes

PUBLIC_URL = "https://hooks.example.org"
PAGE = 400  #: rows of one answer of the interfaces that go page by page
EXTENSIONS = ("101", "102", "103", "104", "105")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What the storm did to the reports of one call, by the provider's words for them."""

    lost: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()  #: withheld until after the end
    whole: bool = False  #: every report of it was lost

    def lacks(self, word: str) -> bool:
        """Tell whether a report whose name begins so was lost."""
        return any(what.startswith(word) for what in self.lost)

    def lacks_in_time(self, word: str) -> bool:
        """Tell whether a report whose name begins so was lost or late."""
        return any(what.startswith(word) for what in self.lost | self.late)


#: What cannot be known any more: of each thing compared, why.
Gaps = Mapping[str, str]


def _none(call: Tale, fate: Fate) -> Gaps:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One account: how it tells of calls, how its history is asked, what neither can restore."""

    name: str
    line: str
    phones: Sequence[str] = EXTENSIONS
    key: str
    voicemail: bool = False
    secrets: Secrets
    config: Mapping[str, Any] = field(default_factory=dict)
    zone: str = "UTC"
    told: Callable[[Tale], Iterator[Told]]
    sign: Callable[[Report, Secrets, str, datetime], Request]
    routes: Routes | None = None  #: of the interface that is asked for history; None: there is none
    hosts: tuple[str, ...] = ()
    gaps: Callable[[Tale, Fate], Gaps] = _none

    @property
    def provider(self) -> Provider:
        return PROVIDERS[self.name]

    @property
    def account(self) -> Account:
        return Account(
            source=self.name,
            secrets=(self.secrets,),
            zone=ZoneInfo(self.zone),
            region="RU",
            own_numbers=(self.line,),
            config=self.config,
            public_url=PUBLIC_URL,
        )

    @property
    def numbers(self) -> Numbers:
        """Return what its calls are made of."""
        return Numbers(
            house=self.name,
            line=self.line,
            phones=self.phones,
            key=self.key,
            voicemail=self.voicemail,
        )


def _of_megafon(call: Tale, fate: Fate) -> Gaps:
    found: dict[str, str] = {}
    if fate.lost:
        found["legs"] = "its history does not tell whose telephones rang"
    if fate.lacks("history") and call.outbound and not call.taken:
        found["outcome"] = "its history says noanswer of every call out that came to nothing"
    if call.passed_to and fate.lacks("TRANSFERRED"):
        why = "its history does not tell which two ids are one call"
        found |= dict.fromkeys(("ids", "employee", "talk", "recording", "legs"), why)
    return found


def _of_zadarma(call: Tale, fate: Fate) -> Gaps:
    found: dict[str, str] = {}
    if call.outbound:
        return found
    if call.taken and fate.lacks_in_time(f"NOTIFY_ANSWER {call.taken_by}"):
        found["talk"] = "only NOTIFY_ANSWER tells when it was taken, and only by its receipt"
    if fate.whole:
        why = "its statistics name the telephones and not the line that was called"
        found |= dict.fromkeys(("parties",) if call.taken else ("parties", "employee"), why)
    return found


def _of_twilio(call: Tale, fate: Fate) -> Gaps:
    if call.recording and fate.lacks("recording"):
        return {"recording": "the list of calls names no recordings"}
    return {}


def _of_generic(call: Tale, fate: Fate) -> Gaps:
    if not fate.lost:
        return {}
    why = "there is no history to ask"
    if fate.whole:
        return {"call": why}
    found = {"legs": why}
    if fate.lacks("ended"):
        found |= dict.fromkeys(("outcome", "missed", "talk"), why)
        if call.taken and fate.lacks(f"answered {call.last}"):
            found["employee"] = why
    if fate.lost.issuperset(("ringing", *(f"ringing {phone}" for phone in call.rings))):
        found["start"] = why
    if fate.lacks("recording"):
        found["recording"] = why
    return found


HOUSES: Mapping[str, House] = {
    house.name: house
    for house in (
        House(
            name="mango",
            line="+74951230001",
            key="{0}-e{1}",
            secrets={"vpbx_api_key": "key1", "vpbx_api_salt": "salt1"},
            told=mango.told,
            sign=mango_pbx.sign,
            routes=functools.partial(mango_api.routes, tell=mango.rows),
            hosts=mango_api.HOSTS,
        ),
        House(
            name="megafon",
            line="+74951230002",
            key="1204{1}",
            secrets={"crm_token": "crm1", "api_key": "api1"},
            config={"api_host": megafon_api.HOSTS[0]},
            told=megafon.told,
            sign=megafon_pbx.sign,
            routes=functools.partial(megafon_api.routes, tell=megafon.rows),
            hosts=megafon_api.HOSTS,
            gaps=_of_megafon,
        ),
        House(
            name="zadarma",
            line="+74951230003",
            key="{0}_{1}",
            secrets={"api_key": "key1", "api_secret": "secret1"},
            zone="Europe/Amsterdam",
            told=zadarma.told,
            sign=zadarma_pbx.sign,
            routes=functools.partial(zadarma_api.routes, tell=zadarma.rows),
            hosts=zadarma_api.HOSTS,
            gaps=_of_zadarma,
        ),
        House(
            name="twilio",
            line="+74951230004",
            phones=tuple(f"+7495124010{number}" for number in range(1, 6)),
            key="CA{1}",
            secrets={"account_sid": "AC1", "auth_token": "token1"},
            told=twilio.told,
            sign=twilio_pbx.sign,
            routes=functools.partial(twilio_api.routes, tell=twilio.rows, most=PAGE),
            hosts=twilio_api.HOSTS,
            gaps=_of_twilio,
        ),
        House(
            name="uis",
            line="+74951230005",
            phones=tuple(f"41010{number}" for number in range(1, 6)),
            key="1998{1}",
            secrets={"path_token": "path1", "access_token": "token1"},
            zone="Europe/Moscow",
            told=uis.told,
            sign=uis.sign,
            routes=functools.partial(uis_api.routes, tell=uis.rows, most=PAGE),
            hosts=uis_api.HOSTS,
        ),
        House(
            name="generic",
            line="+74951230006",
            key="g{1}",
            voicemail=True,
            secrets={"secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="},
            told=generic.told,
            sign=generic_pbx.sign,
            gaps=_of_generic,
        ),
    )
}
