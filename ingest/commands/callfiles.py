"""The command that imports call files of mobile operators."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.commands.calling import call, fail, say, settings, table, told

if TYPE_CHECKING:
    from ingest.domain.deliveries import Account
    from ingest.settings import Settings
    from ingest.telephony.call_files import CallFile
    from ingest.telephony.columns_of_calls import Profile
    from ingest.telephony.tables_of_calls import Row

SLICE = 500  #: rows in one request to the edges
SHOWN = 5  #: rows of a preview
PROBLEMS = 20  #: rows that could not be read and are named


def import_calls(
    file: Path,
    *,
    source: str | None,
    profile: str | None,
    sim: str | None,
    zone: str | None,
    yes: bool,
) -> None:
    """Import one call file: preview it under a new profile, then keep its rows."""
    if source is None:
        fail("--source: which source of the provider callfile the SIM's calls belong to")
    account = _account(source)
    rows = _rows(file)
    name, known = _profile(account, rows, profile)
    understood = _understood(rows, file, account, known, sim=sim, zone=zone)
    if known is None or zone is not None:
        _preview(understood, account)
        if not yes and not _agreed():
            fail("nothing was imported; if the preview is right, repeat it with --yes")
        _save(account, name, understood.profile)
    if not understood.rows:
        fail(f"{file.name}: it holds no calls")
    new = _keep(source, understood)
    say(f"{len(understood.rows)} rows kept by profile {name}, {new} of them new.")
    for why, count in sorted(understood.left_out.items()):
        say(f"{count} rows left out: {why}.")
    problems = understood.problems
    if problems:
        say(f"{len(problems)} rows could not be read and wait parked:")
    for row in problems[:PROBLEMS]:
        say(f"  line {row.line}: {row.problem}")


def _account(source: str) -> Account:
    from ingest.accounts import account_of

    found = call("source.show", name=source)
    if found["provider"] != "callfile":
        fail(f"--source: {source} is of the provider {found['provider']}, not callfile")
    return account_of(
        source,
        zone=found["zone"],
        region=found["region"],
        secrets=(),
        config=found["config"],
        public_url="",
    )


def _rows(file: Path) -> list[Row]:
    from ingest.children import ReaderNotStarted, Readers
    from ingest.telephony.folder import LIMITS, BadFile, rows_of_file
    from ingest.telephony.workbooks import read_workbook

    if not file.is_file():
        fail(f"FILE: there is no file {file}")
    try:
        with Readers(read_workbook, limits=LIMITS) as readers:
            return rows_of_file(file, readers)
    except (BadFile, ReaderNotStarted, OSError) as error:
        fail(f"{file.name}: {error}")


def _profile(account: Account, rows: list[Row], name: str | None) -> tuple[str, Profile | None]:
    """Return the profile's name, and the saved profile of that name or that fits, if any."""
    from ingest.telephony.call_files import profile_for, profiles_of

    saved = profiles_of(account)
    if name is None:
        name = profile_for(rows, saved) or "calls"
    return name, saved.get(name)


def _understood(
    rows: list[Row],
    file: Path,
    account: Account,
    known: Profile | None,
    *,
    sim: str | None,
    zone: str | None,
) -> CallFile:
    from ingest.custody.accounts import check_zone
    from ingest.local import Refused
    from ingest.telephony.call_files import understood
    from ingest.telephony.columns_of_calls import NoHeading

    now = datetime.now(UTC)
    try:
        found = understood(rows, file.name, account, now=now, profile=known, sim=sim)
        if zone is None:
            return found
        chosen = replace(found.profile, zone=check_zone(zone))
        return understood(rows, file.name, account, now=now, profile=chosen, sim=sim)
    except (NoHeading, Refused) as error:
        fail(f"{file.name}: {error}")


def _preview(understood: CallFile, account: Account) -> None:
    """Show how the columns are taken and what the first rows then say."""
    say("This is how the columns are taken:")
    for column, heading in understood.profile.columns.items():
        say(f"  {column.value:<10} {heading}")
    zone = understood.profile.zone or account.zone.key
    order = "day.month.year" if understood.profile.day_first else "month/day/year"
    ours = understood.sim or "in rows"
    say(f"Times are of the zone {zone}, dates are {order}; our number: {ours}.")
    calls = [row.call for row in understood.rows if row.call is not None]
    table(
        [
            {
                "began": f"{it.at.astimezone(account.zone):%Y-%m-%d %H:%M:%S}",
                "direction": it.direction.value if it.direction else "by our lines",
                "caller": it.caller or "hidden",
                "callee": it.callee,
                "seconds": "missed" if it.missed else "" if it.talk_s is None else f"{it.talk_s:g}",
            }
            for it in calls[:SHOWN]
        ],
        ("began", "direction", "caller", "callee", "seconds"),
        "No row of it can be read so.",
    )
    say(f"{len(calls)} calls, {len(understood.problems)} rows that cannot be read.")
    for row in understood.problems[:SHOWN]:
        say(f"  line {row.line}: {row.problem}")


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Import it so and save the profile? [y/N] ").strip().lower() in ("y", "yes")


def _save(account: Account, name: str, profile: Profile) -> None:
    saved: dict[str, Any] = dict(account.config.get("profiles") or {})
    if saved.get(name) != profile.to_plain():
        profiles = {**saved, name: profile.to_plain()}
        call("source.edit", name=account.source, config={"profiles": profiles})


def _keep(source: str, understood: CallFile) -> int:
    """Keep the rows, through the running edges or in the log itself; returns how many are new."""
    chosen, new = settings(), 0
    rows = [[row.key, dict(row.head), row.body.decode()] for row in understood.rows]
    with told(f"importing {understood.name}") as tell:
        for start in range(0, len(rows), SLICE):
            new += _append(chosen, {"source": source, "rows": rows[start : start + SLICE]})
            tell(min(start + SLICE, len(rows)), len(rows))
    return new


def _append(chosen: Settings, records: Mapping[str, Any]) -> int:
    from ingest import local

    try:
        asked = {"closings": [], "records": records}
        return int(local.ask(chosen.edges_socket, "append", asked)["kept"])
    except local.NotRunning:
        return _append_here(chosen, records)
    except (local.Refused, local.Lost) as error:
        fail(f"{error}; import the file again, nothing of it is kept twice")


def _append_here(chosen: Settings, records: Mapping[str, Any]) -> int:
    """Write the log ourselves while nothing runs; the rows are read when the service starts."""
    from ingest.domain.deliveries import Receipt
    from ingest.edges import records_of
    from storage.log import LogUnavailable
    from storage.log_sqlite import open_log
    from storage.owner import AlreadyOwned

    if chosen.database_url:
        fail("the service is not running; start it (`keepline serve`), then import the file")
    try:
        log = open_log(chosen.log_file("calls"), name="calls")
    except (AlreadyOwned, LogUnavailable) as error:
        fail(str(error))
    try:
        kept = log.append(0, records_of(records, datetime.now(UTC)))
    finally:
        log.close()
    return sum(1 for one in kept if one.receipt is Receipt.NEW)
