"""Keeps the garbage collector from holding everything up while telephones ring.

A full collection looks at every object there is: 70 to 100 ms here, for what was made at the start
and stays for as long as the process. Such objects are set aside; nothing they hold is looked at
again. What requests leave behind is still collected, and is little.
"""

from __future__ import annotations

import gc

YOUNG = 5_000  #: objects made and not freed between two small collections; Python's own is 700


def settle() -> None:
    """Set aside what is there now, after a start or after much was loaded."""
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
