"""A new mailbox on a page: with a password, or with its owner's consent at the provider."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import structlog
from aiohttp import web

from ingest.custody import accounts, mailboxes
from ingest.custody.office import Office
from ingest.local import Refused
from ingest.mail.oauth import (
    OAUTH_PROVIDERS,
    OAuthApp,
    TokenRefused,
    code_request,
    consent_url,
    grant_of,
    granted,
)
from ingest.matching.addresses import normalise_address
from ingest.review import show
from ingest.review.web import NotFound, Visit, redirect
from ingest.review.words import _
from storage import sources

log = structlog.get_logger()

LASTS = timedelta(minutes=15)  #: from the question for consent to its answer
MOST_ASKED = 200  #: questions open at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question for consent that is not answered yet."""

    app: OAuthApp
    address: str
    host: str
    verifier: str = field(repr=False)
    session: str | None
    until: datetime


class Consents:
    """The questions for consent that are open; each is answered once, in the session it is of."""

    def __init__(self) -> None:
        self._open: dict[str, Asked] = {}

    def ask(self, asked: Asked, now: datetime) -> str:
        """Return the state that comes back with the answer."""
        self._open = {key: it for key, it in self._open.items() if it.until > now}
        while len(self._open) >= MOST_ASKED:
            del self._open[next(iter(self._open))]
        state = secrets.token_urlsafe(24)
        self._open[state] = asked
        return state

    def answered(self, state: str, session: str | None, now: datetime) -> Asked | None:
        """Return the question that a state belongs to, and close it; None if there is none."""
        asked = self._open.get(state)
        if asked is None or asked.session != session:
            return None
        del self._open[state]
        return asked if asked.until > now else None


CONSENTS = web.AppKey("keepline_consents", Consents)


async def new(visit: Visit) -> web.Response:
    """Show the form for a mailbox."""
    return await _form(visit, {"address": visit.asked("address")})


async def add(visit: Visit) -> web.Response:
    """Follow a mailbox with its password, or show where its owner gives consent."""
    values = {
        name: visit.field(name, 1000) for name in ("address", "how", "host", "port", "tls", "login")
    }
    office = _office(visit)
    try:
        if values["how"] == "password":
            await asyncio.to_thread(_add_with_password, office, values, visit.field("password"))
            return redirect("/sources?said=mailbox")
        app = await asyncio.to_thread(_app, office, values["how"])
        if not app.consents:
            grant = grant_of(app)
            await asyncio.to_thread(
                lambda: mailboxes.add_granted(
                    office, address=values["address"], grant=grant, config={}, host=values["host"]
                )
            )
            return redirect("/sources?said=mailbox")
        await asyncio.to_thread(_check_address, values["address"])
    except Refused as error:
        return await _form(visit, values, error=_for_page(error))
    verifier = secrets.token_urlsafe(48)
    asked = Asked(
        app=app,
        address=values["address"],
        host=values["host"],
        verifier=verifier,
        session=visit.session,
        until=visit.now + LASTS,
    )
    state = visit.request.app[CONSENTS].ask(asked, visit.now)
    url = consent_url(
        app,
        redirect=_redirect(visit),
        state=state,
        verifier=verifier,
        login=values["address"],
    )
    return await show.page(
        visit,
        "consent.html",
        area="sources",
        url=url,
        title=app.known.title,
        address=values["address"],
    )


async def consented(visit: Visit) -> web.Response:
    """Take the answer of a provider to which its user was sent, and follow the mailbox."""
    asked = visit.request.app[CONSENTS].answered(visit.asked("state"), visit.session, visit.now)
    if asked is None:
        return await _form(
            visit, {}, error=_("This answer belongs to no question of yours; begin once more.")
        )
    values = {"address": asked.address, "how": asked.app.provider, "host": asked.host}
    code = visit.asked("code", 4000)
    if not code:
        said = visit.asked("error_description", 300) or visit.asked("error") or "-"
        refused = _("%(title)s gave no consent: %(said)s")
        return await _form(
            visit, values, error=refused % {"title": asked.app.known.title, "said": said}
        )
    request = code_request(asked.app, code=code, redirect=_redirect(visit), verifier=asked.verifier)
    try:
        answer = await visit.context.ask_app(asked.app, request)
        found = granted(answer, asked.app.known.title, visit.now)
        if found.refresh is None:
            raise TokenRefused(
                _("The consent lasts an hour only: allow the app to work while you are away.")
            )
        grant = grant_of(asked.app, found.refresh)
        office = _office(visit)
        done = await asyncio.to_thread(
            lambda: mailboxes.add_granted(
                office, address=asked.address, grant=grant, config={}, host=asked.host
            )
        )
    except (TokenRefused, Refused) as error:
        return await _form(visit, values, error=_for_page(error))
    log.info("mailbox.consented", user=visit.person.user, mailbox=done["id"])
    return redirect("/sources?said=" + quote("renewed" if done["renewed"] else "mailbox"))


def _add_with_password(office: Office, values: Mapping[str, str], password: str) -> None:
    tls = values["tls"] or "implicit"
    if not values["host"]:
        raise Refused(_("Mail server: name it, such as imap.example.org"))
    if values["port"] and not (values["port"].isdecimal() and int(values["port"]) < 65536):
        raise Refused(_("Port: write a number, such as 993"))
    accounts.add_mailbox(
        office,
        tell=lambda done, total: None,
        address=values["address"],
        host=values["host"],
        port=int(values["port"] or (143 if tls == "starttls" else 993)),
        tls=tls,
        login=values["login"] or values["address"],
        password=password,
        config={},
    )


def _app(office: Office, provider: str) -> OAuthApp:
    with office.database.read() as connection:
        return mailboxes.oauth_app(office, connection, provider)


def _check_address(address: str) -> None:
    if normalise_address(address) is None:
        raise Refused(_("Address: write it like manager1@example.org"))


async def _form(visit: Visit, values: Mapping[str, str], error: str = "") -> web.Response:
    office = _office(visit)

    def apps() -> list[tuple[str, str]]:
        with office.database.read() as connection:
            return [
                (app.provider, _title(app.provider)) for app in sources.load_oauth_apps(connection)
            ]

    empty: dict[str, Any] = dict.fromkeys(("address", "how", "host", "port", "tls", "login"), "")
    return await show.page(
        visit,
        "mailbox_form.html",
        area="sources",
        status=400 if error else 200,
        values={**empty, **values},
        apps=await asyncio.to_thread(apps),
        error=error,
    )


def _title(provider: str) -> str:
    known = OAUTH_PROVIDERS.get(provider)
    return known.title if known else "OAuth2"


def _redirect(visit: Visit) -> str:
    return f"{visit.context.inner_url}/mailboxes/consent"


def _office(visit: Visit) -> Office:
    office = visit.context.office
    if office is None:
        raise NotFound
    return replace(office, by=visit.person.login)


_FIELDS = {
    "ADDRESS": "Address",
    "--password": "Password",
    "--tls": "Protection",
    "--host": "Mail server",
}


def _for_page(error: Exception) -> str:
    text = str(error)
    for option, name in _FIELDS.items():
        text = text.replace(option, name)
    return text
