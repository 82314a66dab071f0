"""UIS and CoMagic: notifications by our own template. Not tried against a live account."""

from __future__ import annotations

from ingest.domain.deliveries import Kind, Provider
from ingest.telephony.histories import uis as history
from ingest.telephony.protocols import uis
from ingest.telephony.sounds import UIS_SOUND

UIS = Provider(
    name="uis",
    verify=uis.verify,
    key=uis.key,
    parse=uis.parse,
    answer=uis.answer,
    secrets=("path_token",),
    signs=False,
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
    recordings=UIS_SOUND,
)
