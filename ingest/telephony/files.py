"""Files: follows what a telephone system writes its call details to, as a log is followed.

A source names them in its config, `cdr_file` and `cel_file`. What was kept and how far the file
was read lie in one transaction: nothing is lost, and what is read again is known by its octets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from ingest.domain.deliveries import Account, Kind, Provider, UnreadableDelivery
from ingest.domain.records import Record, whole_file
from ingest.keeper import KeepFailed
from ingest.telephony.desk import SourceDesk, new_delivery, part_state_name
from ingest.telephony.endpoints import FILE_SETTINGS, paths_of
from ingest.telephony.file_look import Cursor, Look, cursor_of, look

log = structlog.get_logger()

LOOK_S = 2.0  #: between looks at a file that holds nothing new


def wanted(provider: Provider, account: Account) -> bool:
    """Tell whether a source has files to follow: it names one, and its provider can cut it."""
    named = any(account.config.get(setting) is not None for setting in FILE_SETTINGS)
    return named and Kind.RECORD in provider.reads and provider.files is not whole_file


async def follow_files(desk: SourceDesk, *, look_s: float = LOOK_S) -> None:
    """Follow the files of one source until its desk says stop."""
    try:
        paths = paths_of(desk.account)
    except ValueError as error:
        log.error("file.refused", source=desk.source, because=str(error))
        await desk.stop.wait()
        return
    followed = [_Followed(desk=desk, holds=holds, path=path) for holds, path in paths.items()]
    for each in followed:
        each.state = dict(await desk.recall(each.name) or {})
    while not desk.stop.is_set():
        more = False
        for each in followed:
            if not desk.stop.is_set() and desk.full() is None:
                more = await each.step() or more
        if not more and await desk.wait(look_s):
            return


@dataclass(kw_only=True)
class _Followed:
    """One file of one source, and what is remembered of it."""

    desk: SourceDesk
    holds: str
    path: Path
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return part_state_name(self.desk.source, f"file:{self.holds}")

    async def step(self) -> bool:
        """Keep what came since; return whether there may be more at once."""
        known = self._known()
        try:
            found = await asyncio.to_thread(look, self.path, known)
        except FileNotFoundError:
            await self._become("missing", f"there is no file {self.path}")
            return False
        except (OSError, ValueError) as error:
            because = f"{self.path} cannot be read: {getattr(error, 'strerror', None) or error}"
            await self._become("unreadable", because)
            return False
        return await self._keep(found, known)

    def _known(self) -> Cursor | None:
        """Return how far it was read; another path is another file."""
        return cursor_of(self.state.get("cursor")) if self._is_same_path() else None

    def _is_same_path(self) -> bool:
        return bool(self.state.get("path") == str(self.path))

    async def _keep(self, found: Look, known: Cursor | None) -> bool:
        """Make records and cursor durable together; return whether something was read."""
        desk = self.desk
        try:
            records, taken = desk.provider.files(
                self.holds, found.octets, found.final, desk.account
            )
        except UnreadableDelivery as error:
            await self._become("unreadable", f"{self.path} cannot be read: {error}")
            return False
        cursor = replace(found.cursor, offset=found.cursor.offset + taken)
        if found.begun_anew:
            log.warning("file.begun_anew", source=desk.source, file=self.holds)
            self.state["begun_anew_at"] = desk.clock().isoformat()
        if cursor == known and self.state.get("state") == "following":
            return False
        self._now("following", None)
        self.state |= {"path": str(self.path), "cursor": cursor.plain()}
        if records:
            self.state["record"] = desk.clock().isoformat()
        deliveries = [self._delivery(record) for record in records]
        try:
            await desk.keep(deliveries, {self.name: self.state})
        except KeepFailed as failure:
            log.warning("file.not_kept", source=desk.source, because=str(failure))
            self.state = dict(await desk.recall(self.name) or {})
            return False
        return bool(taken)

    def _delivery(self, record: Record) -> Any:
        return new_delivery(self.desk, Kind.RECORD, record.body, head=record.head)

    async def _become(self, state: str, because: str) -> None:
        if (self.state.get("state"), self.state.get("because")) != (state, because):
            log.warning("file.unread", source=self.desk.source, because=because)
            self._now(state, because)
            try:
                await self.desk.remember({self.name: self.state})
            except KeepFailed:
                self.state.pop("state", None)  # to be said at the next look

    def _now(self, state: str, because: str | None) -> None:
        since = self.desk.clock().isoformat()
        told: Mapping[str, Any] = {"state": state, "because": because}
        if self.state.get("state") == state:
            since = self.state.get("since", since)
        self.state |= {**told, "since": since}
