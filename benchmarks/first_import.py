"""P7: the first import of a mailbox, kept whole and recorded, beside mbsync with its default FSync.

Dovecot on loopback, 20,000 messages. Kept: every message with its bytes in the delivery log and
the cursor moved, in durable transactions. Recorded: also read, matched and recorded by a worker in
a second process, which works at the same time. mbsync writes each message into a maildir, durably;
beside it also without its FSync. Processor time is that of the process alone, without the server's;
that of recording is the worker's and the reading child's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any

from benchmarks._common import arguments, company, folder, machine, show
from benchmarks._mailbox import fill, mbsync_command, read_mbsync, read_raw
from storage.log_sqlite import open_log
from tests.imap_servers import Dovecot, why_no_dovecot


def side(*arguments: object) -> subprocess.Popen[str]:
    """Start one process of ours."""
    command = [sys.executable, "-m", "benchmarks._mail_side", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def figures(process: subprocess.Popen[str]) -> tuple[dict[str, Any], float]:
    """Return what a process of ours printed at its end, and its processor time.

    The processor time of the processes that it started itself is in it.
    """
    assert process.stdout is not None
    overdue = Timer(600, process.kill)
    overdue.start()
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    overdue.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, printed
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found, usage.ru_utime + usage.ru_stime


def cpu_so_far(process: subprocess.Popen[str]) -> float:
    """Return the processor time that a running process has taken."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def keep(where: Path, server: Dovecot, count: int) -> dict[str, Any]:
    """Import alone: nobody reads what is kept."""
    return figures(side("keep", where, server.port, count))[0]


def record(where: Path, server: Dovecot, count: int) -> tuple[float, float]:
    """Import while a worker records; return the seconds until the last one was recorded.

    The second figure is the processor time of recording: the worker and the child that reads.
    """
    company(where, 10_000).close()
    open_log(where / "mail.log.db", name="mail").close()
    worker = side("record", where, count)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    before = cpu_so_far(worker)
    kept, _ = figures(side("keep", where, server.port, count))
    recorded, cpu = figures(worker)
    return float(recorded["ended"] - (kept["ended"] - kept["took"])), cpu - before


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
                measure(rows, where / f"round-{round_}", server, count, round_)
        finally:
            server.stop()
    for name, values in rows.items():
        show(name, values, unit(name))


def unit(name: str) -> str:
    """Return the unit of a figure of that name."""
    if " : " in name:
        return ""
    return "us" if "CPU" in name else "KiB" if "memory" in name else "/s"


def measure(
    rows: dict[str, list[float]], where: Path, server: Dovecot, count: int, round_: int
) -> None:
    """Measure one round, all ways one after another, each round beginning with another one."""

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)
        print(f"  round {round_ + 1}: {name} {value:,.2f} {unit(name)}", flush=True)

    for name in ("kept", "recorded"):
        (where / name).mkdir(parents=True)
    took: dict[str, float] = {}

    def kept() -> None:
        found = keep(where / "kept", server, count)
        took["kept"] = found["took"]
        note("kept, durable, raw message and cursor", count / found["took"])
        note("keeping, CPU a message", found["cpu"] / count * 1e6)
        note("memory after a quarter", found["quarter_kib"])
        note("memory at the end", found["end_kib"])

    def recorded() -> None:
        took["recorded"], cpu = record(where / "recorded", server, count)
        note("kept and recorded", count / took["recorded"])
        note("recording, CPU a message", cpu / count * 1e6)

    def copied(*, fsync: bool) -> None:
        name = f"mbsync, FSync {'yes (its default)' if fsync else 'no'}"
        took[name], cpu = read_mbsync(server, where, fsync=fsync)
        note(name, count / took[name])
        note(f"{name}, CPU a message", cpu / count * 1e6)

    ways: list[Callable[[], None]] = [kept, recorded]
    if mbsync_command() is not None:
        ways += [partial(copied, fsync=True), partial(copied, fsync=False)]
    turn = round_ % len(ways)
    for way in ways[turn:] + ways[:turn]:
        way()
    for ours in ("kept", "recorded"):
        for other in [name for name in took if name.startswith("mbsync")]:
            note(f"{ours} : {other}", took[other] / took[ours])


if __name__ == "__main__":
    main()
