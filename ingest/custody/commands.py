"""Every command that changes or asks the core, by the name it has on the local socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ingest.custody import (
    accounts,
    coverage,
    departures,
    directory,
    imports,
    mailboxes,
    neighbours,
    replay,
    reread,
)
from ingest.custody.office import Office
from ingest.local import Tell
from ingest.rebuild import rebuild as run_rebuild


def rebuild(office: Office, *, tell: Tell, dry_run: bool = False) -> dict[str, Any]:
    """Recompute every derivation; returns how many rows differed, with a few of them."""
    result = run_rebuild(
        office.database,
        office.book.region,
        now=office.clock(),
        dry_run=dry_run,
        progress=tell,
    )
    return {"looked_at": result.touches, "rows": result.rows, "examples": result.examples}


COMMANDS: Mapping[str, Callable[..., Any]] = {
    "coverage": coverage.certify,
    "init": accounts.init,
    "employee.leave": departures.leave,
    "employee.list": directory.list_employees,
    "import": imports.import_rows,
    "line.assign": directory.assign_line,
    "mailbox.add": accounts.add_mailbox,
    "mailbox.add-app": mailboxes.add_app_mailbox,
    "mailbox.list": accounts.list_mailboxes,
    "mailbox.password": mailboxes.set_password,
    "mailbox.remove": mailboxes.remove_mailbox,
    "oauth.list": mailboxes.list_oauth_apps,
    "oauth.set": mailboxes.set_oauth_app,
    "policy.set": directory.set_policy,
    "rebuild": rebuild,
    "replay": replay.replay,
    "reread": reread.reread,
    "source.add": accounts.add_source,
    "source.edit": accounts.edit_source,
    "source.list": accounts.list_sources,
    "source.neighbours": neighbours.declare_neighbours,
    "source.neighbours.list": neighbours.list_neighbours,
    "source.rotate": accounts.rotate_source,
    "source.show": accounts.show_source,
    "token.add": accounts.add_token,
    "user.add": accounts.add_user,
}
