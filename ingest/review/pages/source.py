"""One source: its address, what came and how it was read; entered, changed, its secrets rotated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import structlog
from aiohttp import web
from sqlalchemy import Connection

from ingest.custody import accounts
from ingest.custody.office import Office
from ingest.domain.deliveries import Delivery
from ingest.domain.people import Viewer
from ingest.local import Refused
from ingest.review import show
from ingest.review.connections import parts_of
from ingest.review.explain import Field, raw_fields, read_fields
from ingest.review.pages.parked import kept_of
from ingest.review.web import NotFound, Visit, redirect
from ingest.telephony.providers import PROVIDERS
from storage import arrivals, reads, recordings
from storage.arrivals import Arrival

log = structlog.get_logger()

ENDS_OF = timedelta(days=7)
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One arrival with its bytes told field by field."""

    arrival: Arrival
    raw: list[tuple[str, str]] | None  #: None: the bytes are not there
    events: list[list[Field]]


async def detail(visit: Visit) -> web.Response:
    """Show one source."""
    name = visit.request.match_info["name"]

    def ask(connection: Connection, viewer: Viewer) -> dict[str, Any]:
        found = reads.source(connection, viewer, name, now=visit.now)
        if found is None or found.name != name:
            raise NotFound
        return {
            "it": found,
            "ends": arrivals.ends(connection, viewer, name, since=visit.now - ENDS_OF),
            "sounds": {
                state: number
                for (source, state), number in recordings.counts(connection).items()
                if source == name
            },
        }

    known = await visit.read(ask)
    door = await asyncio.to_thread(visit.context.door)
    told = await _office(visit, accounts.show_source, name=name)
    parts = await asyncio.to_thread(visit.context.companions, name)
    return await show.page(
        visit,
        "source.html",
        area="sources",
        told=told,
        provider=PROVIDERS.get(known["it"].provider),
        counters=door.get("sources", {}).get(name, {}),
        parts=parts_of(parts),
        since=visit.now.isoformat(),
        said=visit.asked("said"),
        **known,
    )


async def latest(visit: Visit) -> web.Response:
    """Show what came since the page was opened, read field by field."""
    name = visit.request.match_info["name"]
    since = _moment(visit.asked("since", 40)) or visit.now
    known = (await asyncio.to_thread(visit.context.sources)).get(name)

    def ask(connection: Connection, viewer: Viewer) -> tuple[Arrival, ...]:
        return arrivals.arrivals(connection, viewer, name, since=since, limit=SHOWN)

    found = await visit.read(ask)
    door = await asyncio.to_thread(visit.context.door)
    counters = door.get("sources", {}).get(name, {})
    rejected_at = _moment(str(counters.get("last_rejection_at") or ""))
    explained = []
    for one in found:
        kept = await asyncio.to_thread(kept_of, visit, one.log, one.partition, one.position)
        explained.append(_explained(one, kept, known))
    return await show.part_or_page(
        visit,
        "arrivals.html",
        area="sources",
        name=name,
        since=since.isoformat(),
        arrivals=explained,
        rejection=(
            counters.get("last_rejection") if rejected_at and rejected_at >= since else None
        ),
        skew=counters.get("last_skew_s"),
        rejected_at=rejected_at,
    )


def _explained(one: Arrival, kept: Delivery | None, known: Any) -> Explained:
    if kept is None or kept.body is None:
        return Explained(arrival=one, raw=None, events=[read_fields(it, ()) for it in one.events])
    raw = raw_fields(kept, known)
    return Explained(arrival=one, raw=raw, events=[read_fields(it, raw) for it in one.events])


# Entering and changing -------------------------------------------------------------------------


async def new(visit: Visit) -> web.Response:
    """Show the form for a new source: first its provider, then what that provider needs."""
    return await _form(visit, {"provider": visit.asked("provider")})


async def add(visit: Visit) -> web.Response:
    """Enter a source."""
    values = _entered(visit)
    provider = PROVIDERS.get(values["provider"])
    if provider is None:
        return await _form(visit, values, error="Choose a provider.")
    secrets = {
        name: value
        for name in (*provider.secrets, *provider.optional_secrets)
        if (value := visit.field(f"secret.{name}", 4000))
    }
    try:
        done = await _office(
            visit,
            accounts.add_source,
            name=values["name"],
            provider=values["provider"],
            zone=values["zone"],
            region=values["region"],
            secrets=secrets,
            config=_config(values),
        )
    except Refused as error:
        return await _form(visit, values, error=_for_page(error))
    log.info("source.added", user=visit.person.user, source=done["name"])
    return redirect(f"/sources/{quote(done['name'])}?said=added")


async def edit(visit: Visit) -> web.Response:
    """Show the form with a source's settings."""
    told = await _office(visit, accounts.show_source, name=visit.request.match_info["name"])
    return await _form(visit, _of_stored(told), editing=told["name"])


async def change(visit: Visit) -> web.Response:
    """Change a source's settings."""
    name = visit.request.match_info["name"]
    values = _entered(visit)
    try:
        await _office(
            visit,
            accounts.edit_source,
            name=name,
            zone=values["zone"],
            region=values["region"],
            config=_config(values),
            whole=True,
        )
    except Refused as error:
        stored = await _office(visit, accounts.show_source, name=name)
        values["provider"] = stored["provider"]
        return await _form(visit, values, editing=name, error=_for_page(error))
    log.info("source.changed", user=visit.person.user, source=name)
    return redirect(f"/sources/{quote(name)}?said=changed")


async def secrets_form(visit: Visit) -> web.Response:
    """Show the form for new secrets."""
    told = await _office(visit, accounts.show_source, name=visit.request.match_info["name"])
    return await _secrets_form(visit, told)


async def _secrets_form(visit: Visit, told: Mapping[str, Any], error: str = "") -> web.Response:
    return await show.page(
        visit,
        "source_secrets.html",
        area="sources",
        status=400 if error else 200,
        name=told["name"],
        provider=PROVIDERS[told["provider"]],
        error=error,
    )


async def rotate(visit: Visit) -> web.Response:
    """Give a source new secrets, both sets valid; or end the old ones."""
    name = visit.request.match_info["name"]
    told = await _office(visit, accounts.show_source, name=name)
    ending = visit.field("end_old") == "yes"
    provider = PROVIDERS[told["provider"]]
    secrets = {
        key: value
        for key in (*provider.secrets, *provider.optional_secrets)
        if (value := visit.field(f"secret.{key}", 4000))
    }
    try:
        await _office(visit, accounts.rotate_source, name=name, secrets=secrets, end_old=ending)
    except Refused as error:
        return await _secrets_form(visit, told, _for_page(error))
    log.info("source.rotated", user=visit.person.user, source=name, ended=ending)
    return redirect(f"/sources/{quote(name)}?said={'ended' if ending else 'rotated'}")


async def _form(
    visit: Visit, values: Mapping[str, str], *, editing: str | None = None, error: str = ""
) -> web.Response:
    """Show the form, with what was entered and what is wrong with it. Secrets are typed anew."""

    def defaults() -> dict[str, str]:
        office = _of(visit)
        with office.database.read() as connection:
            region = office.region(connection)
            return {
                "zone": office.zone(connection).key,
                "region": "" if region == "ZZ" else region,
            }

    chosen = PROVIDERS.get(values.get("provider", ""))
    return await show.page(
        visit,
        "source_form.html",
        area="sources",
        status=400 if error else 200,
        values={**_EMPTY, **await asyncio.to_thread(defaults), **_said(values)},
        chosen=chosen,
        providers=sorted(PROVIDERS),
        editing=editing,
        error=error,
    )


_EMPTY = dict.fromkeys(("provider", "name", "own_numbers", "unsigned_from", "more"), "")


def _said(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _entered(visit: Visit) -> dict[str, str]:
    return {
        "provider": visit.field("provider"),
        "name": visit.field("name"),
        "zone": visit.field("zone"),
        "region": visit.field("region"),
        "own_numbers": visit.field("own_numbers", 4000),
        "unsigned_from": visit.field("unsigned_from", 2000),
        "more": visit.field("more", 8000),
    }


def _config(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that the form's fields say. Raises Refused."""
    lines = [line.strip() for line in values["more"].splitlines() if line.strip()]
    config = accounts.parse_config(lines)
    for name in ("own_numbers", "unsigned_from"):
        if given := values[name].replace(",", " ").split():
            config[name] = given
    return config


def _of_stored(told: Mapping[str, Any]) -> dict[str, str]:
    config = dict(told["config"])
    lists = {name: "\n".join(config.pop(name, ())) for name in ("own_numbers", "unsigned_from")}
    more = "\n".join(f"{name}={_text(value)}" for name, value in sorted(config.items()))
    return {
        "provider": told["provider"],
        "name": told["name"],
        "zone": told["zone"],
        "region": told["region"],
        "more": more,
        **lists,
    }


def _text(value: Any) -> str:
    """Return a value as a line of the form that is read as this very value."""
    plain = isinstance(value, str) and value == value.strip() and len(value.splitlines()) < 2
    if plain and accounts.parse_config([f"it={value}"]) == {"it": value}:
        return str(value)
    return json.dumps(value, ensure_ascii=False)


#: What the command's errors call an option is a field here.
_FIELDS = {
    "--name": "Name",
    "--zone": "Zone",
    "--region": "Region",
    "--provider": "Provider",
    "--secret": "Secrets",
    "--unsigned-from": "Networks that may send unsigned",
    "--own-number": "Own numbers",
    "--set": "More settings",
}


def _for_page(error: Refused) -> str:
    text = str(error)
    for option, field in _FIELDS.items():
        text = text.replace(option, field)
    return text


def _of(visit: Visit) -> Office:
    office = visit.context.office
    if office is None:
        raise NotFound
    return replace(office, by=visit.person.login)


async def _office(visit: Visit, command: Callable[..., Any], **values: Any) -> Any:
    """Run a command of custody in this person's name."""
    office = _of(visit)
    try:
        return await asyncio.to_thread(
            lambda: command(office, tell=lambda done, total: None, **values)
        )
    except Refused as error:
        if str(error).startswith("there is no source"):
            raise NotFound from error
        raise


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
