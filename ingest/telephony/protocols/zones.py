"""The zone of a telephone system's naive times, where it is not that of the source."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo

from ingest.domain.deliveries import Account, UnreadableDelivery

SETTING = "pbx_tz"


def pbx_zone(account: Account, *, usual: str | None = None) -> ZoneInfo:
    """Return the zone that the setting `pbx_tz` names, else the usual one, else the source's.

    Raises UnreadableDelivery, which names the setting, for a zone that is none.
    """
    named = account.config.get(SETTING) or usual
    if named is None:
        return account.zone
    found = _zone(str(named))
    if found is None:
        raise UnreadableDelivery(f"{SETTING}: {str(named)[:60]} is no zone; write Europe/Berlin")
    return found


@lru_cache(maxsize=32)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        return None
