"""What runs for a source beside the public door, by what its provider needs.

A companion is started for each source that wants it, ends when its desk says stop, and is started
again after a while when it fails. A new kind of companion is a line in `COMPANIONS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ingest.domain.deliveries import Account, Provider
from ingest.telephony import (
    files,
    folder,
    history,
    listening,
    record_folder,
    streams,
    subscriptions,
)
from ingest.telephony.desk import SourceDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """One kind of companion."""

    part: str  #: its name in states and log lines
    wanted: Callable[[Provider, Account], bool]
    run: Callable[[SourceDesk], Awaitable[None]]
    on_disk: bool = False  #: it reads or moves files that the source's settings name


COMPANIONS: tuple[Companion, ...] = (
    Companion(part="subscription", wanted=subscriptions.wanted, run=subscriptions.keep_subscribed),
    Companion(part="stream", wanted=streams.wanted, run=streams.listen),
    Companion(part="files", wanted=files.wanted, run=files.follow_files, on_disk=True),
    Companion(part="listening", wanted=listening.wanted, run=listening.receive),
    Companion(part="history", wanted=history.wanted, run=history.run, on_disk=True),
    Companion(part=folder.PART, wanted=folder.wanted, run=folder.watch, on_disk=True),
    Companion(
        part="record-folder", wanted=record_folder.wanted, run=record_folder.watch, on_disk=True
    ),
)
