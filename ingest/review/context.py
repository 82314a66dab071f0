"""What the site is given: everything it needs, handed in by whoever starts it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ingest.custody.office import Office
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.mailboxes import MailboxState
from ingest.domain.rhythm import Silence
from ingest.mail.oauth import OAuthApp, TokenRefused
from ingest.readers import Sources
from ingest.sound import SoundStore
from ingest.steps import Directories, Regions
from storage.database import Database
from storage.log import LogReader


async def _nobody_asks(app: OAuthApp, request: ApiRequest) -> ApiResponse:
    raise TokenRefused("this service asks nobody for tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The running service, as the site sees it. Its functions are called in threads."""

    database: Database
    known: Directories = field(default_factory=Directories)
    regions: Regions
    clock: Callable[[], datetime]
    zone: Callable[[], ZoneInfo]  #: of the company: pages show its times; may ask the database
    sources: Callable[[], Sources]
    door: Callable[[], Mapping[str, Any]] = dict  #: `DoorCounters.snapshot()`
    trouble: Callable[[], str | None] = lambda: None  #: why the edges take nothing in, if so
    mailboxes: Callable[[], Mapping[str, MailboxState]] = dict  #: by mailbox id
    logs: Mapping[str, LogReader] = field(default_factory=dict)
    replay: Callable[[Sequence[str]], int]  #: deliveries' ids in main -> how many were read
    wake: Callable[[], None] = lambda: None  #: tell the worker that something waits
    companions: Callable[[str], Mapping[str, Mapping[str, Any]]] = field(
        default=lambda source: {}
    )  #: of a source: part -> its remembered state
    every_companion: Callable[[], Mapping[str, Mapping[str, Mapping[str, Any]]]] = (
        dict  #: the same of all sources at once, by source
    )
    ask_app: Callable[[OAuthApp, ApiRequest], Awaitable[ApiResponse]] = _nobody_asks
    extract: Callable[[bytes, int], bytes | str] = lambda raw, number: "no reader runs here"
    #: of a kept message: the octets of an attachment, counted from 0; or why there are none
    silences: Callable[[], Mapping[str, Silence]] = dict  #: by source
    office: Office | None = None  #: where sources are entered; None: nowhere here
    sound: SoundStore | None = None  #: where recordings are kept
    inner_url: str = "http://127.0.0.1:8081"

    @property
    def secure(self) -> bool:
        """Tell whether people reach the site over TLS."""
        return self.inner_url.startswith("https://")
