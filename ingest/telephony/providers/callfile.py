"""Call-detail files of mobile operators: SIMs of the company that no telephone system sees.

It sends nothing. Each row of a file is a delivery of its own; its head says by which profile it is
read, so that it reads the same when the profile was changed since.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import Account, Delivery, Kind, Provider, UnreadableDelivery
from ingest.domain.records import Record
from ingest.telephony import call_files
from ingest.telephony.columns_of_calls import NoHeading, Profile
from ingest.telephony.fields import LATEST
from ingest.telephony.protocols import no_requests
from ingest.telephony.rows_of_calls import event_of, read_row


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the call of one row: `{"heading": "cell"}`, with the profile in its head.

    Raises UnreadableDelivery, naming file and line, or IgnoredDelivery.
    """
    head = delivery.head
    where = f"{head.get('file', 'a file')}, line {head.get('line', '?')}"
    try:
        cells = json.loads(delivery.body or b"")
        profile = Profile.from_plain(head["read_as"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableDelivery(f"{where}: it is no row of a call file") from error
    if not isinstance(cells, dict) or not all(isinstance(it, str) for it in cells.values()):
        raise UnreadableDelivery(f"{where}: {cells if isinstance(cells, str) else 'no cells'}")
    sim = head.get("sim")
    try:
        row = read_row(
            cells, profile, account, sim=str(sim) if sim else None, near=delivery.received_at
        )
    except UnreadableDelivery as error:
        raise UnreadableDelivery(f"{where}: {error}") from error
    return [event_of(row, account)]


def files(name: str, octets: bytes, final: bool, account: Account) -> tuple[Sequence[Record], int]:
    """Return the rows of a complete text file, by a saved profile or as its heading is guessed."""
    if not final or not octets:
        return [], 0
    rows = call_files.text_rows(octets)
    saved = call_files.profiles_of(account)
    profile = saved.get(call_files.profile_for(rows, saved) or "")
    try:
        found = call_files.understood(rows, name, account, now=LATEST, profile=profile)
    except NoHeading as error:
        torn = json.dumps(str(error)).encode()
        return [Record(body=torn, begin=0, end=len(octets), head={"file": name})], len(octets)
    records = [Record(body=it.body, begin=0, end=len(octets), head=it.head) for it in found.rows]
    return records, len(octets)


CALLFILE = Provider(
    name="callfile",
    verify=no_requests.verify,
    key=no_requests.key,
    parse=no_requests.parse,
    answer=no_requests.answer,
    hooks=False,
    reads={Kind.RECORD: read},
    files=files,
)
