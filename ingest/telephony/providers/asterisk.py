"""Asterisk and FreePBX: the manager interface is listened to, files of CDR and CEL are followed.

Both tell of the same calls, and either alone is enough; together they double nothing. It sends no
requests. Direction is told by channel names (`trunk_channel_prefixes`), not by contexts alone: a
trunk's outgoing leg stands in its incoming context.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import (
    Account,
    BadSignature,
    Delivery,
    HookRequest,
    HookResponse,
    IgnoredDelivery,
    Kind,
    Provider,
    Receipt,
    UnreadableDelivery,
)
from ingest.domain.records import Record
from ingest.telephony.histories import cdr_table
from ingest.telephony.protocols import ami_events, asterisk_cdr, asterisk_cel
from ingest.telephony.protocols.ami import AmiTalk, lines_of
from ingest.telephony.records import cells, columns_are, split
from ingest.telephony.sounds import OWN_SOUND

UTC_ZONE = ZoneInfo("UTC")
#: Settings that are lists of texts.
_LISTS = ("trunk_channel_prefixes", "inbound_contexts", "cdr_columns", "cel_columns")


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature: Asterisk sends no requests."""
    raise BadSignature("Asterisk sends no requests; it is listened to")


def key(request: HookRequest, account: Account) -> str | None:
    """Return None: there are no requests."""
    return None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Raise IgnoredDelivery: there are no requests."""
    raise IgnoredDelivery("Asterisk sends no requests")


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say that nothing is here."""
    return HookResponse(status=404)


def read_message(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what one message of the manager interface says."""
    lines = lines_of(delivery.body or b"")
    event = lines.get("event", "").lower()
    if event == "cdr":
        row = asterisk_cdr.row_of_event(lines)
        return asterisk_cdr.read(row, account, account.zone, delivery.received_at)
    if event == "cel":
        return asterisk_cel.read(lines, account, delivery.received_at)
    return ami_events.read(lines, account)


def read_record(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return what one row of a file says, by the profile that its head names."""
    profile = delivery.head.get("profile")
    row = cells(delivery.body or b"")
    if profile == "cel":
        lines = asterisk_cel.row_of(row, cel_columns(account))
        return asterisk_cel.read(lines, account, delivery.received_at)
    if profile == "cdr":
        zone = UTC_ZONE if _csv(account).get("usegmtime") is True else account.zone
        cdr = asterisk_cdr.row_of_file(row, account)
        return asterisk_cdr.read(cdr, account, zone, delivery.received_at)
    raise UnreadableDelivery(f"a record of the profile {profile} is none of Asterisk")


def cel_columns(account: Account) -> Sequence[str]:
    """Return the columns of the source's CEL file: as its config says, else those of the sample."""
    written = account.config.get("cel_columns")
    if written is None and isinstance(account.config.get("cel_csv"), Mapping):
        written = account.config["cel_csv"].get("columns")
    if isinstance(written, list | tuple) and written:
        return [str(name).lower() for name in written]
    return asterisk_cel.COLUMNS


def files(name: str, octets: bytes, final: bool, account: Account) -> tuple[Sequence[Record], int]:
    """Return the rows of a CDR or a CEL file, told apart by the file's name."""
    is_cel = name.lower().startswith("cel")
    counts = (len(cel_columns(account)),) if is_cel else tuple(asterisk_cdr.COLUMNS)
    records, taken = split(octets, final=final, is_record=columns_are(*counts))
    head = {"profile": "cel" if is_cel else "cdr"}
    return [replace(record, head=head) for record in records], taken


def secret_problem(secrets: Mapping[str, str]) -> str | None:
    """Return why a user or secret could not be sent."""
    for name, value in secrets.items():
        if "\r" in value or "\n" in value:
            return f"{name} holds a line end"
    return None


def config_problem(account: Account) -> str | None:
    """Return why the source could not be run: which setting is wrong, and how it is written."""
    config = account.config
    if config.get("login", "md5") not in ("md5", "plain"):
        return f"login: {config['login']} is neither md5 nor plain"
    for name in _LISTS:
        value = config.get(name, [])
        if not isinstance(value, list | tuple) or not all(isinstance(it, str) for it in value):
            return f'{name}: {value} is no list of texts; write it like ["one", "two"]'
    pattern = config.get("internal_ext_pattern", "")
    try:
        re.compile(pattern)
    except (re.error, TypeError):
        return f"internal_ext_pattern: {pattern} is no pattern; write it like ^1[0-9]{{2}}$"
    return None


def _csv(account: Account) -> Mapping[str, object]:
    found = account.config.get("csv")
    return found if isinstance(found, Mapping) else {}


ASTERISK = Provider(
    name="asterisk",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("ami_username", "ami_secret"),
    secret_problem=secret_problem,
    config_problem=config_problem,
    hooks=False,
    reads={Kind.STREAM: read_message, Kind.RECORD: read_record, Kind.PULL: cdr_table.read},
    history=cdr_table.HISTORY,
    files=files,
    talk=AmiTalk,
    talk_port=5038,
    talk_tls_port=5039,
    recordings=OWN_SOUND,
)
