"""The supervisors' site: every address, the page behind it and who may use it.

`build_site` adds it to an aiohttp application. `context.Context` is all that it is given.
"""

from __future__ import annotations

from aiohttp import web

from ingest.review.context import Context
from ingest.review.events import Changes
from ingest.review.guard import Guard, errors_as_pages, request_id
from ingest.review.pages import (
    attachments,
    clients,
    coverage,
    decisions,
    flags,
    interactions,
    mailbox,
    parked,
    recordings,
    signing,
    source,
    sources,
    ties,
    today,
    unmatched,
)
from ingest.review.passwords import Hashing, SlowDown
from ingest.review.render import environment, static_files
from ingest.review.show import SHOW, Show
from ingest.review.web import Right, Route, Visit, guarded, security_headers

#: Addresses on the same door that answer machines, in their own way.
FOR_MACHINES = ("/api/", "/livez", "/readyz", "/metrics")

ROUTES = (
    Route("GET", "/sign-in", signing.form, Right.ANYONE),
    Route("POST", "/sign-in", signing.sign_in, Right.ANYONE),
    Route("POST", "/sign-out", signing.sign_out, Right.SIGNED_IN),
    Route("GET", "/", today.page, Right.SIGNED_IN),
    Route("GET", "/interactions", interactions.listing, Right.SIGNED_IN),
    Route("GET", "/interactions/{id}", interactions.detail, Right.SIGNED_IN),
    Route("GET", "/interactions/{id}/mail", interactions.mail, Right.SIGNED_IN),
    Route("GET", "/interactions/{id}/attachments/{digest}", attachments.download),
    Route("GET", "/recordings/{id}", recordings.play, Right.SIGNED_IN),
    Route("POST", "/recordings/{id}/again", recordings.again),
    Route("GET", "/clients", clients.listing, Right.SIGNED_IN),
    Route("GET", "/clients/{id}", clients.card, Right.SIGNED_IN),
    Route("GET", "/flags", flags.listing, Right.SIGNED_IN),
    Route("GET", "/flags/{id}", flags.detail, Right.SIGNED_IN),
    Route("GET", "/unmatched", unmatched.listing),
    Route("GET", "/points/{point}", unmatched.detail),
    Route("GET", "/points/{point}/link", unmatched.link),
    Route("GET", "/points/{point}/clients", unmatched.found_clients),
    Route("GET", "/points/{point}/new-client", unmatched.new_client),
    Route("GET", "/ties", ties.listing),
    Route("GET", "/decisions", decisions.listing),
    Route("POST", "/decisions/preview", decisions.preview),
    Route("POST", "/decisions", decisions.decide),
    Route("POST", "/decisions/{id}/undo/preview", decisions.preview_undo),
    Route("POST", "/decisions/{id}/undo", decisions.undo),
    Route("GET", "/parked", parked.listing),
    Route("GET", "/parked/{id}", parked.detail),
    Route("POST", "/parked/replay", parked.replay_class),
    Route("POST", "/parked/{id}/replay", parked.replay),
    Route("GET", "/sources", sources.page),
    Route("GET", "/mailboxes/new", mailbox.new, Right.ADMINISTRATOR),
    Route("POST", "/mailboxes/new", mailbox.add, Right.ADMINISTRATOR),
    Route("GET", "/mailboxes/consent", mailbox.consented, Right.ADMINISTRATOR),
    Route("GET", "/sources/new", source.new, Right.ADMINISTRATOR),
    Route("POST", "/sources/new", source.add, Right.ADMINISTRATOR),
    Route("GET", "/sources/{name}", source.detail),
    Route("GET", "/sources/{name}/latest", source.latest),
    Route("GET", "/sources/{name}/coverage", coverage.of_source),
    Route("POST", "/sources/{name}/coverage", coverage.certify),
    Route("GET", "/sources/{name}/coverage/{id}", coverage.detail),
    Route("GET", "/sources/{name}/coverage/{id}/{form}", coverage.export),
    Route("GET", "/sources/{name}/edit", source.edit, Right.ADMINISTRATOR),
    Route("POST", "/sources/{name}/edit", source.change, Right.ADMINISTRATOR),
    Route("GET", "/sources/{name}/secrets", source.secrets_form, Right.ADMINISTRATOR),
    Route("POST", "/sources/{name}/rotate", source.rotate, Right.ADMINISTRATOR),
)


def build_site(app: web.Application, context: Context) -> Guard:
    """Add the site's routes, headers and error pages to an application."""
    files = static_files()
    templates = environment(files)
    guard, changes = Guard(context, templates), Changes(context)
    app[SHOW] = Show(templates=templates, changes=changes)
    app[signing.HASHING] = Hashing()
    app[signing.SLOW_DOWN] = SlowDown()
    app[signing.COOKIE] = guard.cookie
    app[mailbox.CONSENTS] = mailbox.Consents()
    by_url = {file.url: file for file in files.values()}

    async def static(visit: Visit) -> web.Response:
        file = by_url.get(visit.request.path)
        if file is None:
            raise web.HTTPNotFound
        return web.Response(
            body=file.body,
            headers={
                "Content-Type": file.content_type,
                "Cache-Control": "public, max-age=31536000, immutable",
            },
        )

    async def events(visit: Visit) -> web.StreamResponse:
        person, session = visit.person, visit.session
        return await changes.follow(visit.request, lambda: guard.welcome(session, person))

    own = (
        Route("GET", "/static/{path:.+}", static, Right.ANYONE),
        Route("GET", "/events", events, Right.SIGNED_IN),
    )
    for route in (*ROUTES, *own):
        app.router.add_route(route.method, route.path, guarded(route, guard.handle))
    app.middlewares.append(errors_as_pages(guard, except_under=FOR_MACHINES))
    _add_headers(app, context)

    async def close(_: web.Application) -> None:
        await changes.close()

    app.on_shutdown.append(close)
    return guard


def _add_headers(app: web.Application, context: Context) -> None:
    headers = security_headers(secure=context.secure)

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("X-Request-Id", request_id(request))
        response.headers.pop("Server", None)

    app.on_response_prepare.append(add)
