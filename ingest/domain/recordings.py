"""Recordings: where the sound of a call is fetched from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.domain.histories import ApiRequest

if TYPE_CHECKING:
    from ingest.domain.deliveries import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOf:
    """What reports said of one call's recording."""

    call_key: str  #: the provider's id of the call
    url: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Recordings:
    """How one provider gives recordings away: pure functions."""

    request: Callable[[Account, RecordingOf], ApiRequest | None]  #: None: it cannot be asked for
    hosts: tuple[str, ...] = ()  #: names that may be fetched from; ".example.com": also beneath it
    hosts_of: Callable[[Account], tuple[str, ...]] = lambda account: ()  #: by the source's settings
