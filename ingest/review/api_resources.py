"""What the API offers: one line of a table for each resource, with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from ingest.domain.calls import Direction
from ingest.domain.deliveries import End
from ingest.domain.directory import LineKind
from ingest.domain.interactions import FlagKind, Kind, Status
from ingest.domain.mailboxes import MailboxState
from ingest.domain.people import Viewer
from ingest.review import api_json
from ingest.review.api_json import Json
from ingest.review.api_parameters import Parameters
from storage import coverage, reads
from storage.reads_interactions import overdue_spans


class EmployeeStatus(StrEnum):
    """Whether a colleague is still here."""

    EMPLOYED = "employed"
    LEFT = "left"


class Cause(StrEnum):
    """Why no client is known for a contact point."""

    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"


class Only(StrEnum):
    """A list that may be narrowed to some; whoever wants all of it says nothing."""

    TRUE = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One question to the API: by whom, when, and what else it takes to answer."""

    connection: Connection
    viewer: Viewer
    now: datetime
    parameters: Parameters
    regions: Callable[[], Sequence[str]]  #: in which a national number may be meant
    door: Callable[[], Mapping[str, Any]]  #: `DoorCounters.snapshot()`
    mailboxes: Callable[[], Mapping[str, MailboxState]]  #: by mailbox id

    @property
    def number(self) -> str | None:
        """Return the contact point asked for."""
        return self.parameters.number(self.regions)

    @property
    def who(self) -> tuple[Connection, Viewer]:
        """Return what every query takes first."""
        return self.connection, self.viewer

    @property
    def paging(self) -> dict[str, Any]:
        """Return what every list takes last."""
        return {
            "now": self.now,
            "after": self.parameters.cursor(),
            "limit": self.parameters.limit(),
        }


Listed = tuple[Sequence[Json], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of thing: how it is listed, and how one of it is found."""

    about: str
    parameters: tuple[str, ...] = ()  #: beside limit and cursor
    list: Callable[[Asking], Listed]
    one: Callable[[Asking, str], Json | None]


def _listed(page: reads.Page[Any], make: Callable[[Any], Json]) -> Listed:
    return [make(item) for item in page.items], page.next


# Interactions ----------------------------------------------------------------------------------


def _wanted(asking: Asking, kind: Kind | None) -> reads.InteractionFilter:
    asked = asking.parameters
    flag = asked.text("flag")
    by_kind = flag in [known.value for known in FlagKind]
    return reads.InteractionFilter(
        from_at=asked.moment("from"),
        until=asked.moment("to"),
        client=asked.text("client"),
        number=asking.number,
        source=asked.text("source"),
        status=asked.word("status", Status),
        kind=kind,
        direction=asked.word("direction", Direction),
        employee=asked.text("employee"),
        line=asked.text("line"),
        flag=None if by_kind else flag,
        flag_kind=FlagKind(flag) if flag and by_kind else None,
    )


def _interactions(asking: Asking) -> Listed:
    wanted = _wanted(asking, asking.parameters.word("kind", Kind))
    if asking.parameters.word("overdue", Only):
        wanted = replace(wanted, overdue=overdue_spans(asking.connection, asking.now))
    return _listed(
        reads.list_interactions(*asking.who, wanted, **asking.paging), api_json.interaction
    )


def _interaction(asking: Asking, key: str) -> Json | None:
    found = reads.interaction(*asking.who, key, now=asking.now)
    return None if found is None else api_json.interaction(found)


def _calls(asking: Asking) -> Listed:
    wanted = _wanted(asking, Kind.CALL)
    return _listed(reads.list_interactions(*asking.who, wanted, **asking.paging), api_json.call)


def _call(asking: Asking, key: str) -> Json | None:
    found = reads.interaction(*asking.who, key, now=asking.now)
    return api_json.call(found) if found is not None and found.kind is Kind.CALL else None


# Directory -------------------------------------------------------------------------------------


def _clients(asking: Asking) -> Listed:
    page = reads.list_clients(
        *asking.who,
        search=asking.parameters.text("search"),
        number=asking.number,
        employee=asking.parameters.text("employee"),
        **asking.paging,
    )
    return _listed(page, api_json.client)


def _client(asking: Asking, key: str) -> Json | None:
    found = reads.client(*asking.who, key, now=asking.now)
    return None if found is None else api_json.client_card(found)


def _employees(asking: Asking) -> Listed:
    status = asking.parameters.word("status", EmployeeStatus)
    page = reads.list_employees(
        *asking.who,
        search=asking.parameters.text("search"),
        employed=None if status is None else status is EmployeeStatus.EMPLOYED,
        **asking.paging,
    )
    return _listed(page, api_json.employee)


def _employee(asking: Asking, key: str) -> Json | None:
    found = reads.employee(*asking.who, key, now=asking.now)
    return None if found is None else api_json.employee(found)


def _lines(asking: Asking) -> Listed:
    page = reads.list_lines(
        *asking.who,
        kind=asking.parameters.word("kind", LineKind),
        number=asking.number,
        employee=asking.parameters.text("employee"),
        **asking.paging,
    )
    return _listed(page, api_json.line)


def _line(asking: Asking, key: str) -> Json | None:
    found = reads.line(*asking.who, key, now=asking.now)
    return None if found is None else api_json.line(found)


# Flags and review ------------------------------------------------------------------------------


def _flags(asking: Asking) -> Listed:
    asked = asking.parameters
    wanted = reads.FlagFilter(
        state=asked.word("state", reads.FlagState) or asked.word("status", reads.FlagState),
        kind=asked.word("kind", FlagKind),
        client=asked.text("client"),
        point=asking.number,
        from_at=asked.moment("from"),
        until=asked.moment("to"),
    )
    return _listed(reads.list_flags(*asking.who, wanted, **asking.paging), api_json.flag)


def _flag(asking: Asking, key: str) -> Json | None:
    found = reads.flag(*asking.who, key, now=asking.now)
    return None if found is None else api_json.flag(found)


def _review_items(asking: Asking) -> Listed:
    page = reads.list_review_items(
        *asking.who,
        cause=asking.parameters.word("cause", Cause),
        number=asking.number,
        from_at=asking.parameters.moment("from"),
        until=asking.parameters.moment("to"),
        **asking.paging,
    )
    return _listed(page, api_json.review_item)


def _review_item(asking: Asking, key: str) -> Json | None:
    found = reads.review_item(*asking.who, key, now=asking.now, limit=500)
    if found is None or found.item is None:
        return None
    touches = [touch.id for touch in found.timeline.items]
    return {**api_json.review_item(found.item), "interactions": touches}


# Operations ------------------------------------------------------------------------------------


def _sources(asking: Asking) -> Listed:
    page, door = reads.list_sources(*asking.who, **asking.paging), asking.door()
    return _listed(page, lambda source: api_json.source(source, door))


def _source(asking: Asking, key: str) -> Json | None:
    found = reads.source(*asking.who, key, now=asking.now)
    return None if found is None else api_json.source(found, asking.door())


def _mailboxes(asking: Asking) -> Listed:
    page, states = reads.list_mailboxes(*asking.who, **asking.paging), asking.mailboxes()
    return _listed(page, lambda box: api_json.mailbox(box, states.get(box.id)))


def _mailbox(asking: Asking, key: str) -> Json | None:
    found = reads.mailbox(*asking.who, key, now=asking.now)
    return None if found is None else api_json.mailbox(found, asking.mailboxes().get(found.id))


def _parked(asking: Asking) -> Listed:
    page = reads.list_deliveries(
        *asking.who,
        End.PARKED,
        source=asking.parameters.text("source"),
        from_at=asking.parameters.moment("from"),
        until=asking.parameters.moment("to"),
        **asking.paging,
    )
    return _listed(page, api_json.delivery)


def _parked_one(asking: Asking, key: str) -> Json | None:
    found = reads.delivery(*asking.who, key, now=asking.now)
    return api_json.delivery(found) if found is not None and found.end is End.PARKED else None


def _coverage(asking: Asking) -> Listed:
    page = coverage.list_certificates(
        *asking.who, source=asking.parameters.text("source"), **asking.paging
    )
    return page.items, page.next


def _certificate(asking: Asking, key: str) -> Json | None:
    return coverage.certificate(*asking.who, key)


NUMBER = ("number", "region")
TOUCHES = (
    "from",
    "to",
    "client",
    *NUMBER,
    "source",
    "status",
    "direction",
    "employee",
    "line",
    "flag",
)

RESOURCES: Mapping[str, Resource] = {
    "interactions": Resource(
        about="calls and mails, the latest first",
        parameters=(*TOUCHES, "kind", "overdue"),
        list=_interactions,
        one=_interaction,
    ),
    "calls": Resource(
        about="calls with their legs, the latest first",
        parameters=TOUCHES,
        list=_calls,
        one=_call,
    ),
    "clients": Resource(
        about="clients by name",
        parameters=("search", *NUMBER, "employee"),
        list=_clients,
        one=_client,
    ),
    "employees": Resource(
        about="colleagues by name",
        parameters=("search", "status"),
        list=_employees,
        one=_employee,
    ),
    "lines": Resource(
        about="our numbers, extensions and mailboxes, with their holders over time",
        parameters=("kind", *NUMBER, "employee"),
        list=_lines,
        one=_line,
    ),
    "flags": Resource(
        about="why someone else must look, the last opened first",
        parameters=("from", "to", "client", *NUMBER, "state", "status", "kind"),
        list=_flags,
        one=_flag,
    ),
    "review-items": Resource(
        about="numbers and addresses that no client is known for, the last heard of first",
        parameters=("from", "to", *NUMBER, "cause"),
        list=_review_items,
        one=_review_item,
    ),
    "sources": Resource(about="accounts at providers, by name", list=_sources, one=_source),
    "mailboxes": Resource(
        about="mailboxes that are followed, by address", list=_mailboxes, one=_mailbox
    ),
    "coverage": Resource(
        about="certificates that a provider's history and ours are the same, the latest first",
        parameters=("source",),
        list=_coverage,
        one=_certificate,
    ),
    "parked": Resource(
        about="deliveries kept but not readable, the latest first",
        parameters=("from", "to", "source"),
        list=_parked,
        one=_parked_one,
    ),
}
