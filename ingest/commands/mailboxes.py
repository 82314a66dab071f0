"""Commands about mailboxes: followed with a password, or with tokens of the company's apps."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from ingest.commands.calling import call, fail, say, settings, table

if TYPE_CHECKING:
    from ingest.domain.histories import ApiRequest, ApiResponse
    from ingest.domain.mailboxes import Grant, Mailbox
    from ingest.secrets import Secrets
    from ingest.settings import Settings

mailbox = App(name="mailbox", help="Mailboxes of the company that are followed.")
oauth = App(name="oauth", help="The company's apps at Google, Microsoft 365, Yandex 360, Mail.ru.")


@mailbox.command(name="add")
def add_mailbox(
    address: str,
    /,
    *,
    host: str,
    port: int | None = None,
    tls: Literal["implicit", "starttls", "none"] = "implicit",
    login: str | None = None,
    password: str = "-",  # noqa: S107 (reads standard input)
    folder: Annotated[list[str] | None, Parameter(negative="")] = None,
    ca_file: str | None = None,
) -> None:
    """Follow a mailbox; its line is made if there is none.

    Example: keepline mailbox add manager1@example.org --host imap.example.org

    Parameters
    ----------
    address
        The mail address of the mailbox.
    port
        993, or 143 with --tls starttls.
    login
        Where it is not the address.
    password
        The password, or - to read it from standard input (the default).
    folder
        A folder to follow beside INBOX and the one of sent mail.
    ca_file
        PEM file of the company's own certificate authority.
    """
    if password == "-":
        password = _secret(f"Password of {login or address}")
    config: dict[str, object] = {}
    if folder:
        config["folders"] = folder
    if ca_file:
        config["ca_file"] = ca_file
    done = call(
        "mailbox.add",
        address=address,
        host=host,
        port=port or (993 if tls == "implicit" else 143),
        tls=tls,
        login=login or address,
        password=password,
        config=config,
    )
    say(f"{done['address']} is followed from now on. Try it: keepline mailbox check {address}")


@mailbox.command(name="list")
def list_mailboxes() -> None:
    """List the mailboxes, without their passwords.

    Example: keepline mailbox list
    """
    table(
        call("mailbox.list"),
        ("address", "host", "port", "tls", "login"),
        "No mailboxes yet. Add one: keepline mailbox add ADDRESS --host ...",
    )


@mailbox.command(name="check")
def check_mailbox(address: str, /) -> None:
    """Try a mailbox step by step: resolve, connect, TLS, sign in, folders, a fetch.

    Example: keepline mailbox check manager1@example.org

    Parameters
    ----------
    address
        A mailbox that is followed.
    """
    import asyncio

    from ingest.accounts import Book
    from ingest.mail.check import check as check_steps
    from ingest.mail.oauth import TokenRefused
    from ingest.secrets import load_secrets
    from storage.database import Database

    chosen = settings()
    database = Database(chosen.main_url, writable=False)
    try:
        secrets = load_secrets(chosen.key_path)
        book = Book(database, secrets, chosen.public_url)
        book.refresh()
    except Exception as error:
        fail(f"the main database cannot be read: {error}")
    finally:
        database.close()
    wanted = [box for box in book.mailboxes().values() if box.address == address.lower()]
    if not wanted:
        fail(f"ADDRESS: {address} is not followed; see `keepline mailbox list`")

    async def steps() -> bool:
        fine = True
        try:
            box = await _opened(chosen, secrets, wanted[0])
        except TokenRefused as refused:
            say(f"FAIL  token: {refused}")
            return False
        async for step in check_steps(box):
            fine &= step.ok
            say(f"{'ok  ' if step.ok else 'FAIL'}  {step.name}: {step.text}")
        return fine

    sys.exit(0 if asyncio.run(steps()) else 1)


async def _opened(chosen: Settings, secrets: Secrets, box: Mailbox) -> Mailbox:
    """Return the mailbox with a token, where it is opened with one. Raises TokenRefused."""
    from ingest.app import now
    from ingest.mail.oauth import TokenRefused
    from ingest.mail.tokens import Tokens
    from ingest.opening import log_readers

    if box.grant is None:
        return box
    log = log_readers(chosen)["mail"]

    async def recall(names: Iterable[str]) -> dict[str, Any]:
        found = {name: log.memory(name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    async def remember(values: Mapping[str, Any]) -> None:
        return

    async def ask(grant: Grant, request: ApiRequest) -> ApiResponse:
        # A token that renews itself once would be burnt by a check that forgets the next one.
        raise TokenRefused("the service has no valid token; run it: it renews tokens by itself")

    try:
        return await Tokens(secrets, ask, now, recall=recall, remember=remember).opened(box)
    finally:
        log.close()


def _secret(what: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{what}: ")
    return sys.stdin.readline().rstrip("\n")


@mailbox.command(name="remove")
def remove_mailbox(address: str, /) -> None:
    """Follow a mailbox no longer; what came from it stays. It may be added again, elsewhere too.

    Example: keepline mailbox remove manager1@example.org

    Parameters
    ----------
    address
        A mailbox that is followed.
    """
    done = call("mailbox.remove", address=address)
    say(f"{done['address']} is followed no longer; its mails stay.")


@oauth.command(name="set")
def set_app(
    provider: str,
    /,
    *,
    client_id: str,
    tenant: str | None = None,
    authorize_url: str | None = None,
    token_url: str | None = None,
    scope: str | None = None,
) -> None:
    """Enter the app that the company registered at a provider; its secret is asked for.

    The address to which the provider sends people back is INNER_URL/mailboxes/consent.

    Examples:
      keepline oauth set google --client-id 1234.apps.googleusercontent.com
      keepline oauth set microsoft-app --client-id ID --tenant contoso.example < secret.txt

    Parameters
    ----------
    provider
        google, microsoft, microsoft-app, yandex, mailru, or custom with the addresses below.
    client_id
        Id of the app.
    tenant
        Of Microsoft: the company's own.
    authorize_url
        Where consent is asked, instead of the provider's own.
    token_url
        Where tokens are asked for, instead of the provider's own.
    scope
        What is asked for, instead of the provider's own.
    """
    done = call(
        "oauth.set",
        provider=provider,
        client_id=client_id,
        client_secret=_secret(f"Secret of the app at {provider}"),
        tenant=tenant,
        authorize_url=authorize_url,
        token_url=token_url,
        scope=scope,
    )
    say(
        f"The app at {done['provider']} is known. Now open /mailboxes/new on the review site, or"
        f" for microsoft-app: keepline mailbox add-app ADDRESS"
    )


@oauth.command(name="list")
def list_apps() -> None:
    """List the company's apps, without their secrets.

    Example: keepline oauth list
    """
    table(
        call("oauth.list"),
        ("provider", "client_id"),
        "No apps yet. Enter one: keepline oauth set google --client-id ...",
    )


@mailbox.command(name="add-app")
def add_app_mailbox(address: str, /, *, provider: str = "microsoft-app") -> None:
    """Follow a mailbox that the company's app opens in its own name, without its owner.

    Example: keepline mailbox add-app manager1@example.org

    Parameters
    ----------
    address
        The mail address of the mailbox.
    provider
        Where the app is registered.
    """
    done = call("mailbox.add-app", address=address, provider=provider, config={})
    say(f"{done['address']} is followed from now on. Try it: keepline mailbox check {address}")


@mailbox.command(name="password")
def set_password(address: str, /) -> None:
    """Give a mailbox another password; if it was paused, it is followed again.

    Example: keepline mailbox password manager1@example.org

    Parameters
    ----------
    address
        A mailbox that is followed.
    """
    done = call("mailbox.password", address=address, password=_secret(f"Password of {address}"))
    say(f"{done['address']} has another password and is followed again within seconds.")
