"""The telephone systems that we understand; a new one is a module and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.domain.deliveries import Provider
from ingest.telephony.providers.generic import GENERIC
from ingest.telephony.providers.mango import MANGO
from ingest.telephony.providers.megafon import MEGAFON
from ingest.telephony.providers.twilio import TWILIO
from ingest.telephony.providers.zadarma import ZADARMA

PROVIDERS: Mapping[str, Provider] = {
    "generic": GENERIC,
    "mango": MANGO,
    "megafon": MEGAFON,
    "twilio": TWILIO,
    "zadarma": ZADARMA,
}
