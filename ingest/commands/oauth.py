"""Commands about mailboxes that are opened with tokens: the company's apps, other passwords."""

from __future__ import annotations

import getpass
import sys

from cyclopts import App

from ingest.commands.access import mailbox
from ingest.commands.calling import call, say, table

oauth = App(name="oauth", help="The company's apps at Google, Microsoft 365, Yandex 360, Mail.ru.")


def _secret(what: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{what}: ")
    return sys.stdin.readline().rstrip("\n")


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
