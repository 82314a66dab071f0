"""Recordings: where the sound of a call is fetched from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ingest.domain.histories import ApiRequest, ApiResponse

if TYPE_CHECKING:
    from ingest.domain.deliveries import Account
    from ingest.domain.tokens import Grant, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOf:
    """What reports said of one recording of a call."""

    call_key: str  #: the provider's id of the call
    url: str | None = None
    id: str | None = None


#: Builds the request; None: this source cannot ask for it, as without the key of an interface.
AskForSound = Callable[["Account", RecordingOf], ApiRequest | None]
#: Reads where the sound lies from a first answer. Raises UnreadableDelivery if it says nowhere.
FollowLink = Callable[["Account", ApiResponse], ApiRequest]


def by_url(account: Account, recording: RecordingOf) -> ApiRequest | None:
    """Ask for the very address that the report named."""
    return ApiRequest(url=recording.url) if recording.url else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """How one provider gives sound away: pure functions."""

    request: AskForSound = by_url
    link: FollowLink | None = None  #: the first answer is no sound but says where it lies
    hosts: tuple[str, ...] = ()  #: that may be asked; ".example.com": also all beneath it
    hosts_of: Callable[[Account], tuple[str, ...]] = field(default=lambda account: ())
    #: hosts that the source's settings name
    secrets: tuple[str, ...] = ()  #: names of the secrets that it needs
    #: A token of our own making that the request shows. Raises UnreadableDelivery with a sentence.
    made: Callable[[Account, datetime], Token] | None = None
    #: A token that the provider gives for secrets which are good for any number of them.
    grant: Grant | None = None
