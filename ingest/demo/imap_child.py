"""The process of one mailbox: pymap with one user, in memory, on loopback.

It is told port, user and password by its standard input, where no list of processes shows them,
and ends when that input ends: with the demo, however the demo ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Serve until standard input ends."""
    from pymap.main import main as serve

    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = [
        *("pymap", "--no-tls", "--host", "127.0.0.1", "--port", str(told["port"])),
        *("--no-service", "admin", "--no-service", "managesieve", "--no-service", "swim"),
        *("dict", "--demo-user", told["user"], "--demo-password", told["password"]),
    ]
    serve()


if __name__ == "__main__":
    main()
