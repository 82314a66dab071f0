"""P7: the first import of a mailbox, kept whole and recorded, beside mbsync with its default FSync.

Dovecot on loopback, 20,000 messages. Kept: every message with its bytes in the delivery log and
the cursor moved, in durable transactions. Recorded: also read, matched and recorded by a worker in
a second process, which works at the same time. mbsync writes each message into a maildir, durably;
beside it also without its FSync.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks._common import arguments, company, folder, machine, show
from benchmarks._mailbox import fill, mbsync_command, read_mbsync, read_raw
from storage.log_sqlite import open_log
from tests.imap_servers import Dovecot, why_no_dovecot


def side(*arguments: object) -> subprocess.Popen[str]:
    """Start one process of ours."""
    command = [sys.executable, "-m", "benchmarks._mail_side", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def figures(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a process of ours printed at its end."""
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def keep(where: Path, server: Dovecot, count: int) -> dict[str, Any]:
    """Import alone: nobody reads what is kept."""
    return figures(side("keep", where, server.port, count))


def record(where: Path, server: Dovecot, count: int) -> float:
    """Import while a worker records; return the seconds until the last one was recorded."""
    company(where, 10_000).close()
    open_log(where / "mail.log.db", name="mail").close()
    worker = side("record", where, count)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    kept = figures(side("keep", where, server.port, count))
    began = kept["ended"] - kept["took"]
    return float(figures(worker)["ended"] - began)


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "")
    count = 300 if options.small else 20_000
    rounds = 1 if options.small else options.rounds
    print(f"first import of {count:,} messages; {machine()}")
    if reason := why_no_dovecot():
        print(f"not measured: {reason}")
        return
    if mbsync_command() is None:
        print("mbsync is not installed (Debian package isync): measured without it")
    rows: dict[str, list[float]] = {}
    with folder() as where:
        where.chmod(0o755)  # the server's workers are not root
        (where / "dovecot").mkdir()
        server = Dovecot(where / "dovecot")
        octets = fill(server, count)
        print(f"{octets / count / 1024:.1f} KiB a message, {octets / 2**20:,.0f} MiB")
        server.start()
        try:
            read_raw(server, count)  # the server makes its index; not counted
            for round_ in range(rounds):
                measure(rows, where / f"round-{round_}", server, count)
        finally:
            server.stop()
    for name, values in rows.items():
        show(name, values, "" if ":" in name else "KiB" if "memory" in name else "/s")


def measure(rows: dict[str, list[float]], where: Path, server: Dovecot, count: int) -> None:
    """Measure one round, all ways one after another."""

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)
        print(f"  round {len(rows[name])}: {name} {value:,.2f}", flush=True)  # a run takes minutes

    for name in ("kept", "recorded"):
        (where / name).mkdir(parents=True)
    kept = keep(where / "kept", server, count)
    note("kept, durable, raw message and cursor", count / kept["took"])
    recorded = record(where / "recorded", server, count)
    note("kept and recorded", count / recorded)
    note("CPU of keeping, messages", count / kept["cpu"])
    note("memory after a quarter", kept["quarter_kib"])
    note("memory at the end", kept["end_kib"])
    if mbsync_command() is not None:
        durable = read_mbsync(server, where, fsync=True)
        hasty = read_mbsync(server, where, fsync=False)
        note("mbsync, FSync yes (its default)", count / durable)
        note("mbsync, FSync no", count / hasty)
        note("kept : mbsync", durable / kept["took"])
        note("kept and recorded : mbsync", durable / recorded)
        note("kept and recorded : mbsync, FSync no", hasty / recorded)


if __name__ == "__main__":
    main()
