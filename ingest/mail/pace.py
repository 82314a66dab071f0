"""How often a follower does what, and how much at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often and how much."""

    idle_renew_s: float = 240.0  #: routers and servers cut what is silent for longer
    poll_s: float = 60.0  #: beneath IDLE: the folder is looked at this often in any case
    look_s: float = 0.5  #: during the first import new mail is looked for this often
    list_s: float = 600.0  #: a folder of sent mail made later is found after so long
    batch: int = 100  #: mails in one transaction
    batch_bytes: int = 4 * 1024 * 1024  #: in one transaction, or one mail if it is larger
    retry_first_s: float = 2.0
    retry_most_s: float = 300.0
    steady_s: float = 30.0  #: a connection that held so long was a good one
    login_tries: int = 3  #: a few more may lock the account
    helpers: int = 3  #: connections that share a first import, beside the one that watches
    helped_from: int = 400  #: older mails for which further connections are worth their sign-in
    alone_s: float = 600.0  #: after a server disliked further connections, none for so long
    turn_s: float = 2.0  #: while other first imports have their turn it is asked for this often
    full_s: float = 5.0  #: while the disk is nearly full it is looked at this often
    trust_s: float = 900.0  #: so often a folder is looked at even if it says that nothing changed
    refusal_tries: int = 6  #: then a mail that the server will not give out is kept without text


def retry_after(failures: int, pace: Pace, chance: float) -> float:
    """Return how many seconds to wait after so many failures; `chance` from 0 to 1 spreads it."""
    growing = pace.retry_first_s * 2.0 ** min(failures - 1, 20)
    return min(pace.retry_most_s, growing) * (0.5 + 0.5 * chance)
