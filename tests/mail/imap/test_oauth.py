"""Mailboxes opened with tokens: Dovecot asks the provider what a token is worth, as they do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import parse_qs

import pytest
from cryptography.fernet import Fernet

from ingest.asking import ask_grant
from ingest.domain.mailboxes import Auth, Grant, MailboxState
from ingest.mail.desk import desk_of
from ingest.mail.follower import follow
from ingest.mail.tokens import Tokens
from ingest.secrets import Secrets
from tests.imap_servers import Dovecot, why_no_dovecot
from tests.mail.imap.conftest import NOW, QUICK, Office, a_mail, a_mailbox

pytestmark = [
    pytest.mark.imap,
    pytest.mark.skipif(why_no_dovecot() is not None, reason=str(why_no_dovecot())),
]

PASSDB = """passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {args}
}}
"""
INTROSPECTION = """introspection_mode = post
introspection_url = http://127.0.0.1:{port}/introspect
username_attribute = username
active_attribute = active
active_value = true
"""


@dataclass
class Provider:
    """An authorisation server: gives tokens out, tells servers which are good, takes leave back."""

    port: int = 0
    good: set[str] = field(default_factory=set)
    given: int = 0
    asked: int = 0  #: for tokens
    revoked: bool = False

    def answer(self, path: str, form: dict[str, list[str]]) -> tuple[int, dict[str, object]]:
        if path == "/introspect":
            token = form.get("token", [""])[0]
            return 200, {"active": token in self.good, "username": "bob"}
        self.asked += 1
        if self.revoked or form.get("refresh_token") != ["refresh-1"]:
            return 400, {"error": "invalid_grant"}
        self.given += 1
        token = f"token-{self.given}"
        self.good.add(token)
        return 200, {"access_token": token, "expires_in": 3600}


@contextmanager
def running(provider: Provider) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            status, said = provider.answer(self.path.partition("?")[0], parse_qs(body))
            octets = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class TokenDovecot(Dovecot):
    """A Dovecot that takes tokens, and passwords only from the test itself."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        super().__init__(folder)
        args = folder / "oauth2.conf"
        args.write_text(INTROSPECTION.format(port=provider.port))
        config = self._config.read_text()
        config = config.replace(
            "auth_mechanisms = plain login", "auth_mechanisms = plain login xoauth2 oauthbearer"
        ).replace("passdb {", PASSDB.format(args=args) + "passdb {", 1)
        self._config.write_text(config)


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    with running(found):
        yield found


@pytest.fixture
async def server(provider: Provider) -> AsyncIterator[TokenDovecot]:
    with TemporaryDirectory() as folder:  # pytest's own are closed to Dovecot's workers
        found = TokenDovecot(Path(folder), provider)
        await asyncio.to_thread(found.start)
        yield found
        await asyncio.to_thread(found.stop)


def grant(provider: Provider) -> Grant:
    return Grant(
        provider="custom",
        client_id="app",
        client_secret="s",
        refresh_token="refresh-1",
        authorize_url=f"http://127.0.0.1:{provider.port}/authorize",
        token_url=f"http://127.0.0.1:{provider.port}/token",
        scope="mail",
    )


@pytest.mark.parametrize("auth", [Auth.XOAUTH2, Auth.OAUTHBEARER])
async def test_a_mailbox_is_followed_with_tokens_and_a_refused_one_is_renewed_once(
    auth: Auth, office: Office, provider: Provider, server: TokenDovecot
) -> None:
    await asyncio.to_thread(server.append, "bob", [a_mail(1)])
    box = a_mailbox(server, auth=auth, secret="", grant=grant(provider))
    plain = desk_of(office.keeper)
    tokens = Tokens(
        Secrets([Fernet.generate_key()]),
        ask_grant,
        lambda: NOW,
        recall=plain.recall,
        remember=plain.remember,
    )
    desk = desk_of(office.keeper, tokens.opened)
    stop = asyncio.Event()
    states: list[MailboxState] = []
    following = asyncio.create_task(
        follow(box, desk=desk, clock=lambda: NOW, stop=stop, on_state=states.append, pace=QUICK)
    )
    async with asyncio.timeout(20):
        await office.until(lambda: len(office.kept()) == 1)
        assert provider.asked == 1

        provider.revoked = True
        provider.good.clear()  # consent is withdrawn: what was given is worth nothing any more
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        await following

    assert "Sign in again" in str(states[-1].paused)
    assert not stop.is_set()


async def test_the_error_that_the_server_gives_for_a_bad_token_is_told(
    office: Office, provider: Provider, server: TokenDovecot
) -> None:
    from ingest.mail.check import check

    box = a_mailbox(server, auth=Auth.XOAUTH2, secret="worth-nothing")
    steps = [step async for step in check(box)]

    assert [step.name for step in steps if not step.ok] == ["login"]
