"""How often the public door shakes hands: a quota for each source and each address that asks.

Nothing proves who checks a set-up, so anybody may. With one quota for a source a stranger could use
it up, and the provider's own check would be turned away; so each address has its own. An IPv6
network of 64 bits counts as one address: a single sender has it whole.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from ingest.telephony.door import Quota

MOST = 10_000  #: pairs that are remembered; the one not heard of for longest is forgotten first


class Greetings:
    """The handshakes that are left to each sender."""

    def __init__(
        self, per_s: float, burst: float, clock: Callable[[], float], *, most: int = MOST
    ) -> None:
        """`clock` returns monotonic seconds."""
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._most = most
        self._quotas: OrderedDict[tuple[str, str], Quota] = OrderedDict()

    def take(self, source: str, peer: str) -> bool:
        """Use one up; False: nothing is left to this sender at the moment.

        Who is forgotten begins with a whole burst again: that turns nobody away.
        """
        place = (source, _whose(peer))
        quota = self._quotas.pop(place, None) or Quota(self._per_s, self._burst, self._clock)
        self._quotas[place] = quota
        if len(self._quotas) > self._most:
            self._quotas.popitem(last=False)
        if quota.spent():
            return False
        quota.take()
        return True


def _whose(peer: str) -> str:
    """Return what stands for a sender's address."""
    try:
        found: IPv4Address | IPv6Address = ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(IPv6Network((int(found), 64), strict=False))
    return str(found)
