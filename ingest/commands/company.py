"""Commands about the company: employees, lines, imports, policy, rebuilding and replaying."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ingest.commands.calling import call, fail, say, table, told

IMPORT_SLICE = 500

employee = App(name="employee", help="Employees: who is here, and who leaves when.")
line = App(name="line", help="Lines: who holds which number, extension or mailbox from when on.")
policy = App(name="policy", help="Rules of the company, each valid from its own moment on.")


@employee.command(name="list")
def list_employees() -> None:
    """List every employee, with who left or will leave when, in the company's zone.

    Example: keepline employee list
    """
    table(
        call("employee.list"),
        ("login", "name", "left_at", "leaves_at", "id"),
        "No employees yet. Import them: keepline import employees FILE",
    )


@employee.command
def leave(
    who: str,
    /,
    *,
    on: str | None = None,
    at: str | None = None,
    undo: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Record that an employee leaves, or take that back.

    Examples:
      keepline employee leave ivanova --on 2026-05-31
      keepline employee leave "Иванова" --at 2026-05-31T18:00
      keepline employee leave ivanova --undo

    Parameters
    ----------
    who
        An id, a login, or a part of the name that only one employee has.
    on
        The last day of work: gone from 00:00 of the next day in the company's zone.
    at
        The very moment, in the company's zone unless it names one. The future is allowed.
    undo
        Take the recorded departure back; everything that followed from it is decided anew.
    """
    done = call("employee.leave", who=who, on=on, at=at, undo=undo)
    if undo:
        say(f"{done['name']} did not leave; what followed from it is being decided anew.")
    else:
        tense = "leaves" if done["future"] else "left"
        say(f"{done['name']} {tense} at {done['local']}. Touches since then are decided anew.")


@line.command
def assign(
    address: str,
    /,
    *,
    to: str | None = None,
    since: str | None = None,
    source: str = "",
    kind: Literal["sim", "extension", "did", "mailbox"] | None = None,
) -> None:
    """Record who holds a line from a moment on; the past before it stays as it was.

    Examples:
      keepline line assign +79160000001 --to petrov --since 2026-06-01
      keepline line assign 101 --source office --to petrov
      keepline line assign +79160000001 --since 2026-06-01     (from then on nobody)

    Parameters
    ----------
    address
        The number, the extension (with --source), or the mail address.
    to
        The employee; leave it out for nobody.
    since
        A date or moment in the company's zone; leave it out for now. The past is allowed.
    source
        For an extension: the source it belongs to.
    kind
        What it is, where the address does not tell.
    """
    done = call("line.assign", address=address, to=to, since=since, source=source, kind=kind)
    say(f"{done['address']} is held by {done['holder'] or 'nobody'} since {done['local']}.")


@policy.command(name="set")
def set_policy(name: str, value: str, /, *, since: str | None = None) -> None:
    """Set a rule of the company that acts from a moment on.

    Rules: zone, region, duty, duty_line, history_after, short_call, reply_within, working_hours,
    web_forms, status.

    Examples:
      keepline policy set duty petrov
      keepline policy set duty_line 300@office,+74951230300
      keepline policy set history_after 1209600 --since 2026-06-01
      keepline policy set reply_within 14400
      keepline policy set working_hours '{"mon": "09:00-18:00", "off": ["2026-05-09"]}'
      keepline policy set web_forms \\
        '{"sales@ours.example": [{"from": "form@ours.example", "field": "E-mail:"}]}'
      keepline policy set status '{"call/in/missed": "callback_due"}'

    Parameters
    ----------
    name
        The rule.
    value
        A zone, a region, an employee for duty, lines for duty_line, or nobody for either; seconds,
        or JSON for working_hours (days left out are free), status, and web_forms: for each
        mailbox the addresses that forms write from, and the line that holds the client's; without
        a line it is Reply-To.
    since
        A date or moment in the company's zone; leave it out for now.
    """
    done = call("policy.set", name=name, value=value, since=since)
    say(f"{done['name']} is {done['value']} from {done['local']} on.")


def import_(
    kind: Literal["clients", "employees", "lines", "calls"],
    file: Path,
    /,
    *,
    source: str | None = None,
    profile: str | None = None,
    sim: str | None = None,
    zone: str | None = None,
    yes: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Import the directory from a CSV file, or calls from a mobile operator's call file.

    The same file twice changes nothing.

    Columns (the first of each is compulsory):
      employees  name, login, supervisor, from, left_on
      lines      kind, address, holder, since, source, region, shared, name
      clients    name, id, segment, phones, emails, manager, since
    Several phones or emails are separated by a semicolon or |.

    Of calls the columns are found by their headings, shown, and saved as a profile once agreed.

    Examples:
      keepline import clients clients.csv
      keepline import calls may.xlsx --source mobile --sim +79160000001
      keepline import calls june.xlsx --source mobile --yes

    Parameters
    ----------
    kind
        What the file holds.
    file
        CSV with a line of column names; UTF-8, UTF-16 or windows-1251, comma or semicolon. Calls
        also from XLSX.
    source
        For calls: the source of the provider callfile that they belong to.
    profile
        For calls: the name under which the columns are, or shall be, saved.
    sim
        For calls: our number, where neither the rows nor the top or the name of the file say it.
    zone
        For calls: the zone of the file's times; leave it out for the source's.
    yes
        For calls: import and save the profile without asking.
    """
    if kind == "calls":
        from ingest.commands.callfiles import import_calls

        return import_calls(file, source=source, profile=profile, sim=sim, zone=zone, yes=yes)
    if yes or any(it is not None for it in (source, profile, sim, zone)):
        fail(f"--source, --profile, --sim, --zone and --yes are for calls, not for {kind}")
    from ingest.custody.imports import read_csv
    from ingest.local import Refused

    if not file.is_file():
        fail(f"FILE: there is no file {file}")
    try:
        rows = read_csv(file.read_bytes(), kind)
    except Refused as error:
        fail(f"{file.name}: {error}")
    changed = 0
    with told(f"importing {kind}") as tell:
        for start in range(0, len(rows), IMPORT_SLICE):
            part = rows[start : start + IMPORT_SLICE]
            changed += call("import", kind=kind, rows=part, file=file.name)["changed"]
            tell(start + len(part), len(rows))
    say(f"{len(rows)} rows read, {changed} of them new or changed.")


def rebuild(*, dry_run: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Recompute everything derived from its facts; within one version 0 rows change.

    Example: keepline rebuild --dry-run

    Parameters
    ----------
    dry_run
        Say how many rows would change and show ten, without changing any. Deliveries wait in
        their log meanwhile.
    """
    done = call("rebuild", title="rebuilding", dry_run=dry_run)
    would = "would change" if dry_run else "changed"
    say(f"{done['looked_at']} calls and mails looked at, {done['rows']} rows {would}.")
    for example in done["examples"]:
        say(f"  {example}")


def replay(
    *ids: str,
    parked: Annotated[bool, Parameter(negative="")] = False,
    ignored: Annotated[bool, Parameter(negative="")] = False,
    source: str | None = None,
) -> None:
    """Read deliveries again, after a fix: those named, or all that are parked or ignored.

    Examples:
      keepline replay --parked
      keepline replay --parked --source office
      keepline replay 6f1d6a52-0d4b-5b0e-9a53-5c2b9f5f7d11

    Parameters
    ----------
    ids
        Ids of deliveries, as `keepline export` and the page of parked ones show them.
    parked
        All that could not be read.
    ignored
        All that were understood and recorded nothing.
    source
        Of these only the ones of this source.
    """
    done = call(
        "replay", title="replaying", ids=list(ids), parked=parked, ignored=ignored, source=source
    )
    say(
        f"{done['read']} read, {done['ignored']} ignored, {done['parked']} parked again,"
        f" {done['rows_changed']} rows changed."
    )
    if done["left"]:
        say(f"{done['left']} were read before and cannot be read now: they stay as they are.")
    if done["bytes_gone"]:
        say(f"{done['bytes_gone']} could not be read again: their bytes have expired or are lost.")


def reread(*, dry_run: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Read mails again that an earlier version read, as it reads new ones.

    Example: keepline reread --dry-run

    Parameters
    ----------
    dry_run
        Say how many would differ, without changing any. Deliveries wait in their log meanwhile.
    """
    done = call("reread", title="reading again", dry_run=dry_run)
    would = "would differ" if dry_run else "differ"
    changed = "would change" if dry_run else "changed"
    say(
        f"{done['read']} mails read again, {done['differ']} {would},"
        f" {done['rows_changed']} rows {changed}."
    )
    if done["left"]:
        say(f"{done['left']} cannot be read now, or read as another mail: they stay as they are.")
    if done["bytes_gone"]:
        say(f"{done['bytes_gone']} could not be read again: their bytes have expired or are lost.")
