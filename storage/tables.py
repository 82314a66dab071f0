"""Tables of the main database. Facts first, then what is derived from them.

A fact is inserted once; the only later write to it is `retracted_at`, `retracted_by` and
`retracted_why`. Everything below the line "Derivations" can be dropped and rebuilt.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Return whole microseconds since 1970, UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware moment that many microseconds after 1970, UTC."""
    return _EPOCH + timedelta(microseconds=micros)


class Moment(TypeDecorator[datetime]):
    """An aware moment, stored as whole microseconds UTC: alike on both databases, and exact."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Refuse naive moments; a moment without a zone is not a moment."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive moment cannot be stored")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the aware moment."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True)


def _fact() -> list[Column[Any]]:
    """Columns of every fact: who recorded it and when, who retracted it, when and why."""
    return [
        Column("recorded_at", Moment, nullable=False),
        Column("recorded_by", Text, nullable=False),
        Column("provenance", Text),
        Column("decision_id", Text),
        Column("retracted_at", Moment),
        Column("retracted_by", Text),
        Column("retracted_why", Text),
    ]


def _current(name: str, table: Table, *columns: str) -> Index:
    """What must be unique among the facts not retracted; alike on both databases."""
    live = text("retracted_at IS NULL")
    return Index(
        name,
        *(table.c[column] for column in columns),
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )


# Directory -------------------------------------------------------------------------------------

employees = Table(
    "employees",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("login", Text),
    Column("supervisor_id", Text),
    *_fact(),
)
_current("uq_employees_login", employees, "login")

employment = Table(
    "employment",
    metadata,
    _id(),
    Column("employee_id", Text, nullable=False),
    Column("from_at", Moment, nullable=False),
    Column("employed", Boolean, nullable=False),
    *_fact(),
)
_current("uq_employment_change", employment, "employee_id", "from_at")

lines = Table(
    "lines",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("point", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("region", Text, nullable=False, server_default="ZZ"),
    Column("source", Text),
    Column("iccid", Text),
    Column("shared", Boolean, nullable=False, server_default=text("false")),
    *_fact(),
)
_current("uq_lines_point", lines, "point")

line_holders = Table(
    "line_holders",
    metadata,
    _id(),
    Column("line_id", Text, nullable=False),
    Column("from_at", Moment, nullable=False),
    Column("employee_id", Text),
    *_fact(),
)
_current("uq_line_holders_change", line_holders, "line_id", "from_at")

clients = Table(
    "clients",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("search", Text, nullable=False),  # the name in folded case: databases fold ASCII only
    Column("segment", Text),
    Column("client_since", Moment),
    Column("external_id", Text),
    *_fact(),
)
_current("uq_clients_external_id", clients, "external_id")
Index("ix_clients_search", clients.c.search, clients.c.id)

contacts = Table(
    "contacts",
    metadata,
    _id(),
    Column("client_id", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("role", Text),
    *_fact(),
)

holdings = Table(
    "holdings",
    metadata,
    _id(),
    Column("point", Text, nullable=False, index=True),
    Column("raw", Text),
    Column("client_id", Text, nullable=False, index=True),
    Column("contact_id", Text),
    Column("from_at", Moment, nullable=False),
    Column("until", Moment),
    *_fact(),
)

client_primaries = Table(
    "client_primaries",
    metadata,
    _id(),
    Column("client_id", Text, nullable=False),
    Column("from_at", Moment, nullable=False),
    Column("employee_id", Text, index=True),
    *_fact(),
)
_current("uq_client_primaries_change", client_primaries, "client_id", "from_at")

policies = Table(
    "policies",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("from_at", Moment, nullable=False),
    Column("value", Text, nullable=False),
    *_fact(),
)
_current("uq_policies_change", policies, "name", "from_at")

# Which two sources report the same calls; change points, `source` before `other` in order.
neighbours = Table(
    "neighbours",
    metadata,
    _id(),
    Column("source", Text, nullable=False),
    Column("other", Text, nullable=False),
    Column("from_at", Moment, nullable=False),
    Column("together", Boolean, nullable=False),
    *_fact(),
)
_current("uq_neighbours_change", neighbours, "source", "other", "from_at")

# What an administrator edits -------------------------------------------------------------------

sources = Table(
    "sources",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("secrets", Text, nullable=False),
    *_fact(),
)
_current("uq_sources_name", sources, "name")

mailboxes = Table(
    "mailboxes",
    metadata,
    _id(),
    Column("address", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("tls", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("config", Text, nullable=False),
    *_fact(),
)
_current("uq_mailboxes_address", mailboxes, "address")

#: The company's own apps at providers whose mailboxes are opened with tokens.
oauth_apps = Table(
    "oauth_apps",
    metadata,
    _id(),
    Column("provider", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("secret", Text, nullable=False),
    *_fact(),
)
_current("uq_oauth_apps_provider", oauth_apps, "provider")

users = Table(
    "users",
    metadata,
    _id(),
    Column("login", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("employee_id", Text),
    Column("password", Text, nullable=False),
    *_fact(),
)
_current("uq_users_login", users, "login")

tokens = Table(
    "tokens",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("user_id", Text, nullable=False),
    Column("expires_at", Moment),
    *_fact(),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("user_id", Text, nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

# People's decisions ----------------------------------------------------------------------------

decisions = Table(
    "decisions",
    metadata,
    _id(),
    Column("number", Integer, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("what", Text, nullable=False),
    *_fact(),
)
Index("ix_decisions_target", decisions.c.target)

# What a decision said of two call keys: two rows, so that either key leads to the other.
tie_verdicts = Table(
    "tie_verdicts",
    metadata,
    _id(),
    Column("key", Text, nullable=False, index=True),
    Column("other", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("number", Integer, nullable=False),
    *_fact(),
)

# Wire ------------------------------------------------------------------------------------------

call_reports = Table(
    "call_reports",
    metadata,
    _id(),  # the delivery's id and the event's place in it
    Column("delivery_id", Text, nullable=False, index=True),
    Column("source", Text, nullable=False),
    Column("key", Text, nullable=False, index=True),
    Column("key_ids", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("reader", Integer, nullable=False),
)

mails = Table(
    "mails",
    metadata,
    _id(),  # identity
    Column("delivery_id", Text, nullable=False, index=True),
    Column("message_id", Text, index=True),
    Column("reading", Text, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("reader", Integer, nullable=False),
)

mail_bodies = Table(
    "mail_bodies",
    metadata,
    _id(),  # identity
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
)

sightings = Table(
    "sightings",
    metadata,
    _id(),  # delivery
    Column("mail_id", Text, nullable=False, index=True),
    Column("mailbox", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("sent", Boolean, nullable=False),
    Column("internal_date", Moment),
    Column("received_top", Moment),
    Column("received_at", Moment, nullable=False),
)

undelivered = Table(
    "undelivered",
    metadata,
    Column("mail_id", Text, primary_key=True),  # the bounce
    Column("point", Text, primary_key=True),
    Column("hard", Boolean, nullable=False),
    Column("status", Text),
    Column("reason", Text),
)
Index("ix_undelivered_point", undelivered.c.point)

# Derivations -----------------------------------------------------------------------------------

deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    Column("log", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("end", Text, nullable=False),
    Column("reason", Text),
    UniqueConstraint("source", "key"),
)
Index("ix_deliveries_end", deliveries.c.end, deliveries.c.received_at)
Index("ix_deliveries_place", deliveries.c.log, deliveries.c.partition, deliveries.c.position)
Index("ix_deliveries_source", deliveries.c.source, deliveries.c.received_at)

call_keys = Table(
    "call_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("provider_key", Text, nullable=False),
    Column("interaction_id", Text, nullable=False, index=True),
)

# One source's report of a call, of sources that have neighbours; several with one interaction are
# tied. `spot` leads to those that were answered at about the same time.
call_witnesses = Table(
    "call_witnesses",
    metadata,
    _id(),  # of the call's first key
    Column("interaction_id", Text, nullable=False, index=True),
    Column("source", Text, nullable=False),
    Column("key_ids", Text, nullable=False),
    Column("remote", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("answered_at", Moment),
    Column("spot", Text, index=True),
    Column("tied", Text, nullable=False),  # to which other calls directly, and why
)
Index("ix_call_witnesses_remote", call_witnesses.c.remote, call_witnesses.c.started_at)
Index("ix_call_witnesses_source", call_witnesses.c.source, call_witnesses.c.started_at)

interactions = Table(
    "interactions",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("key_ids", Text, nullable=False),
    Column("occurred_at", Moment, nullable=False, index=True),
    Column("learned_at", Moment, nullable=False),
    Column("direction", Text, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("ended_at", Moment),
    Column("outcome", Text),
    Column("talk_s", Float),
    Column("dialled", Text, nullable=False),
    Column("own_line", Text),
    Column("employee_id", Text),
    Column("remote", Text),
    Column("machine", Boolean, nullable=False),
    Column("suppressed", Boolean, nullable=False),
    Column("opinion", Text, nullable=False),
    Column("decided", Text),
    Column("status", Text, nullable=False),
    Column("closed_at", Moment),
    Column("closed_by", Text),
    Column("message_id", Text),
    Column("answers", Text, nullable=False),
    Column("details", Text, nullable=False),
)
Index("ix_interactions_source", interactions.c.source, interactions.c.occurred_at)
# With `suppressed`, the counters of today's page are counted from the index alone.
Index(
    "ix_interactions_status",
    interactions.c.status,
    interactions.c.suppressed,
    interactions.c.occurred_at,
)
Index("ix_interactions_employee", interactions.c.employee_id, interactions.c.occurred_at)

participants = Table(
    "participants",
    metadata,
    Column("interaction_id", Text, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("point", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("name", Text),
    Column("client_id", Text),
    Column("contact_id", Text),
    Column("method", Text),
    Column("cause", Text),
    Column("subject", Text),
    Column("principal", Boolean, nullable=False),
    Column("quiet", Boolean, nullable=False),
)
Index("ix_participants_point", participants.c.point, participants.c.interaction_id)
Index("ix_participants_subject", participants.c.subject)

flags = Table(
    "flags",
    metadata,
    _id(),
    Column("key", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("opened_at", Moment, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("departed", Text),
    Column("line", Text),
    Column("closed_at", Moment),
    Column("closed_why", Text),
    Column("acknowledged_at", Moment),
    Column("touches", Text, nullable=False),
    UniqueConstraint("key", "number"),
)
Index("ix_flags_closed_at", flags.c.closed_at, flags.c.opened_at)

flag_touches = Table(
    "flag_touches",
    metadata,
    Column("flag_id", Text, primary_key=True),
    Column("interaction_id", Text, primary_key=True, index=True),
)

review_items = Table(
    "review_items",
    metadata,
    Column("point", Text, primary_key=True),
    Column("cause", Text, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False, index=True),
    Column("calls", Integer, nullable=False),
    Column("mails", Integer, nullable=False),
    Column("missed", Integer, nullable=False),
)

# Running ---------------------------------------------------------------------------------------
# Neither facts nor derivations: how far the worker is, what is still to be decided anew, what
# an open page should look at again, and what was withdrawn.

positions = Table(
    "positions",
    metadata,
    Column("log", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("key", Text),
)

redecide_jobs = Table(
    "redecide_jobs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("scope", Text, nullable=False),
    Column("targets", Text, nullable=False),
    Column("from_at", Moment),
    Column("until", Moment),
    Column("cursor", Text),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("what", Text, nullable=False),
    sqlite_autoincrement=True,
)

# What changed in the directory, for who keeps an index of it in memory; old rows are pruned.
directory_changes = Table(
    "directory_changes",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    sqlite_autoincrement=True,
)

withdrawn_flags = Table(
    "withdrawn_flags",
    metadata,
    _id(),
    Column("key", Text, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("withdrawn_at", Moment, nullable=False),
)

#: Sound of calls: wanted since a report named it, then kept, given up or expired. A row here is
#: neither fact nor derivation until it is kept: the provider will not give the sound twice.
recordings = Table(
    "recordings",
    metadata,
    _id(),  # of source and the provider's name of the recording
    Column("source", Text, nullable=False),
    Column("call_key", Text, nullable=False, index=True),
    Column("provider_key", Text, nullable=False),
    Column("url", Text),
    Column("provider_id", Text),
    Column("state", Text, nullable=False),
    Column("noted_at", Moment, nullable=False),
    Column("next_at", Moment),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("because", Text),
    Column("digest", Text),
    Column("size", BigInteger),
    Column("content_type", Text),
    Column("fetched_at", Moment),
)
Index("ix_recordings_due", recordings.c.state, recordings.c.next_at)
Index("ix_recordings_digest", recordings.c.digest)

#: What comparing a provider's history with ours came to, and when: written once, shown for ever.
certificates = Table(
    "certificates",
    metadata,
    _id(),
    Column("source", Text, nullable=False),
    Column("from_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("same", Boolean, nullable=False),
    Column("body", Text, nullable=False),
)
Index("ix_certificates_made_at", certificates.c.made_at, certificates.c.id)
Index("ix_certificates_source", certificates.c.source, certificates.c.made_at)

#: What `rebuild` recomputes from facts and compares, row by row.
DERIVED = (call_keys, interactions, participants, flags, flag_touches, review_items, call_witnesses)
