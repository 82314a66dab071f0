"""Commands about who may send and who may look: sources, mailboxes, users, tokens."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ingest.commands.calling import call, fail, say, settings, table

source = App(name="source", help="Sources: accounts at PBX providers that post to us.")
SHORTEST_PASSWORD = 10

user = App(name="user", help="People who may sign in.")
token = App(name="token", help="Tokens for programs that read the API.")


@source.command(name="add")
def add_source(
    name: str,
    /,
    *,
    provider: str,
    zone: str,
    region: str,
    secret: Annotated[list[str] | None, Parameter(negative="")] = None,
    own_number: Annotated[list[str] | None, Parameter(negative="")] = None,
    unsigned_from: Annotated[list[str] | None, Parameter(negative="")] = None,
    set: Annotated[list[str] | None, Parameter(negative="")] = None,
) -> None:
    """Add a source and print the address to enter in the provider's cabinet.

    Examples:
      keepline source add office --provider mango --zone Europe/Moscow --region RU \\
        --secret vpbx_api_key=KEY --secret vpbx_api_salt=SALT
      keepline source add own --provider generic --zone UTC --region NL \\
        --secret secret=whsec_...

    Parameters
    ----------
    name
        Becomes part of the address: letters, digits, - and _.
    provider
        generic, mango, megafon, twilio or zadarma; docs/providers.md says what each needs.
    zone
        Zone of times that the provider sends without one, such as Europe/Moscow.
    region
        Region of national numbers, such as RU.
    secret
        NAME=VALUE, as often as needed. NAME=- reads the value from standard input.
    own_number
        A number of the account itself.
    unsigned_from
        A network that may send unsigned requests, for providers that sign nothing.
    set
        NAME=VALUE: a setting of that provider.
    """
    from ingest.custody.accounts import parse_config
    from ingest.local import Refused

    try:
        config = parse_config(set or [])
        secrets = _secrets(secret)
    except Refused as error:
        fail(str(error))
    if own_number:
        config["own_numbers"] = own_number
    if unsigned_from:
        config["unsigned_from"] = unsigned_from
    done = call(
        "source.add",
        name=name,
        provider=provider,
        zone=zone,
        region=region,
        secrets=secrets,
        config=config,
    )
    if done["url"]:
        say(f"Source {done['name']} added. Enter this address at the provider:\n  {done['url']}")
    else:
        say(f"Source {done['name']} added. It is not sent to: Keepline connects to it.")


@source.command(name="list")
def list_sources() -> None:
    """List the sources, without their secrets.

    Example: keepline source list
    """
    table(
        call("source.list"),
        ("name", "provider", "zone", "region", "url"),
        "No sources yet. Add one: keepline source add NAME --provider ...",
    )


@source.command(name="show")
def show_source(name: str, /) -> None:
    """Show a source: the address for the provider, its settings, how many secrets are valid.

    Example: keepline source show office

    Parameters
    ----------
    name
        The source.
    """
    found = call("source.show", name=name)
    rows = [
        ("provider", found["provider"]),
        ("address", found["url"] or "it is not sent to: we connect to it"),
        ("zone", found["zone"]),
        ("region", found["region"]),
        ("secrets", f"{', '.join(found['secrets']) or 'none'} ({found['valid']} valid set(s))"),
        *((f"set {key}", value) for key, value in sorted(found["config"].items())),
    ]
    for key, value in rows:
        say(f"{key:<12} {value}")


@source.command(name="edit")
def edit_source(
    name: str,
    /,
    *,
    zone: str | None = None,
    region: str | None = None,
    own_number: Annotated[list[str] | None, Parameter(negative="")] = None,
    unsigned_from: Annotated[list[str] | None, Parameter(negative="")] = None,
    set: Annotated[list[str] | None, Parameter(negative="")] = None,
    unset: Annotated[list[str] | None, Parameter(negative="")] = None,
) -> None:
    """Change a source's zone, region or settings. Secrets: see `keepline source rotate`.

    Examples:
      keepline source edit office --zone Asia/Yekaterinburg
      keepline source edit office --set tolerance_s=600 --unset recording_hosts

    Parameters
    ----------
    name
        The source.
    zone
        Zone of times that the provider sends without one.
    region
        Region of national numbers.
    own_number
        A number of the account itself; all of them, as these replace the old ones.
    unsigned_from
        A network that may send unsigned requests; these replace the old ones.
    set
        NAME=VALUE: a setting of that provider.
    unset
        NAME of a setting to take away.
    """
    from ingest.custody.accounts import parse_config
    from ingest.local import Refused

    try:
        config = parse_config(set or [])
    except Refused as error:
        fail(str(error))
    config |= dict.fromkeys(unset or [])
    if own_number:
        config["own_numbers"] = own_number
    if unsigned_from:
        config["unsigned_from"] = unsigned_from
    done = call("source.edit", name=name, zone=zone, region=region, config=config)
    say(f"Source {done['name']} changed; it acts within a second.")


@source.command
def neighbours(
    source: str | None = None,
    other: str | None = None,
    /,
    *,
    since: str | None = None,
    apart: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Declare that two sources report the same calls, such as a PBX and the operator of our SIMs.

    Their reports of one call become one touch where number, direction and answer time agree.
    Without names: list what was declared.

    Examples:
      keepline source neighbours
      keepline source neighbours office mobile
      keepline source neighbours office mobile --since 2026-01-01
      keepline source neighbours office mobile --apart

    Parameters
    ----------
    source
        The one.
    other
        The other.
    since
        A date or moment in the company's zone, or ever; leave it out for now.
    apart
        From that moment on they do not.
    """
    if source is None and other is None:
        table(
            call("source.neighbours.list"),
            ("source", "other", "since", "what"),
            "No neighbours yet. Declare two: keepline source neighbours A B",
        )
        return
    if source is None or other is None:
        fail("name two sources, or none to list what was declared")
    done = call("source.neighbours", source=source, other=other, since=since, apart=apart)
    what = "report the same calls" if done["together"] else "do not report the same calls"
    say(f"{source} and {other} {what}, since {done['local']}. Their calls are decided anew.")


@source.command(name="rotate")
def rotate_source(
    name: str,
    /,
    *,
    secret: Annotated[list[str] | None, Parameter(negative="")] = None,
    end_old: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Give a source new secrets; the old ones stay valid until --end-old.

    Examples:
      keepline source rotate office --secret vpbx_api_salt=NEW
      keepline source rotate office --end-old

    Parameters
    ----------
    name
        The source.
    secret
        NAME=VALUE of each new one; NAME=- reads the value from standard input.
    end_old
        Accept nothing any more that is signed with the old ones.
    """
    from ingest.local import Refused

    try:
        secrets = _secrets(secret)
    except Refused as error:
        fail(str(error))
    done = call("source.rotate", name=name, secrets=secrets, end_old=end_old)
    say(f"Source {done['name']}: {done['valid']} valid set(s) of secrets.")


def _secrets(pairs: list[str] | None) -> dict[str, str]:
    from ingest.custody.accounts import parse_pairs

    found = parse_pairs(pairs or [], "--secret")
    return {
        name: sys.stdin.readline().rstrip("\n") if value == "-" else value
        for name, value in found.items()
    }


@user.command(name="add")
def add_user(
    login: str,
    /,
    *,
    name: str,
    role: Literal["administrator", "supervisor", "manager"],
    employee: str | None = None,
    password: str | None = None,
) -> None:
    """Add a person who may sign in. Without --password one is made up and shown once.

    Examples:
      keepline user add olga --name "Ольга Орлова" --role administrator
      keepline user add petrov --name "Пётр Петров" --role manager --employee petrov

    Parameters
    ----------
    login
        What the person types to sign in.
    name
        As others see it.
    role
        A supervisor sees everything, a manager the clients of one employee.
    employee
        For a manager: which employee. An id, a login or a unique part of the name.
    password
        At least 10 characters.
    """
    import secrets

    from ingest.review.passwords import hash_password

    made = password or secrets.token_urlsafe(12)
    if len(made) < SHORTEST_PASSWORD:
        fail(f"--password: at least {SHORTEST_PASSWORD} characters")
    call(
        "user.add",
        login=login,
        name=name,
        role=role,
        employee=employee,
        password_hash=hash_password(made),
    )
    say(f"{login} may sign in at {settings().inner_url}")
    if password is None:
        say(f"Password, shown this once: {made}")


@token.command(name="add")
def add_token(name: str, /, *, user: str) -> None:
    """Make a token for the API, with the rights of a user. It is shown once.

    Example: keepline token add crm --user olga

    Parameters
    ----------
    name
        What it is for.
    user
        Whose rights it has: a login.
    """
    done = call("token.add", name=name, user=user)
    say(f"Token {done['name']}, shown this once:\n{done['token']}")
