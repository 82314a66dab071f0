"""Many mailboxes at once: from a mail's arrival to its touch, with the mail server restarted.

The whole service as people run it, following Dovecot's mailboxes; mails are delivered as mail
servers do, a file renamed into `new`. Beside it, in the same run, a bare IMAP client in IDLE on one
of the mailboxes: how soon the server itself tells of a mail.

    python -m benchmarks.many_mailboxes --mailboxes 200 --rate 50 --seconds 60
"""

from __future__ import annotations

import argparse
import imaplib
import os
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from benchmarks._common import machine
from ingest import logs
from tests.harness.service import Service, a_service
from tests.imap_servers import Dovecot, why_no_dovecot

SERVER_UID = 8
LOOK_S = 0.02
BARE = "bare@ours.example"


def address(number: int) -> str:
    """Return the address of a mailbox."""
    return f"manager{number}@ours.example"


def message(name: str, to: str) -> bytes:
    """Return a short mail of a client."""
    lines = (
        f"Message-ID: <{name}@client.example>",
        f"From: Client <client{int(name.rpartition('-')[2]) % 500}@client.example>",
        f"To: {to}",
        "Date: Sat, 21 Nov 2026 10:00:00 +0000",
        f"Subject: Order {name}",
        "",
        "Please confirm the delivery.",
        "",
    )
    return "\r\n".join(lines).encode()


@dataclass
class Post:
    """Delivers mails into maildirs and remembers when."""

    folder: Path
    sent_at: dict[str, float] = field(default_factory=dict)

    def make(self, user: str) -> None:
        """Make an empty mailbox."""
        home = self.folder / user
        for name in ("cur", "new", "tmp"):
            (home / name).mkdir(parents=True)
        for path in (home, *home.iterdir()):
            shutil.chown(path, SERVER_UID, SERVER_UID)

    def deliver(self, name: str, user: str) -> None:
        """Deliver one mail: written aside, then renamed to where the server looks."""
        home = self.folder / user
        file = f"{time.time_ns()}.{name}.test"
        draft = home / "tmp" / file
        draft.write_bytes(message(name, user))
        os.chown(draft, SERVER_UID, SERVER_UID)
        self.sent_at[name] = time.monotonic()
        draft.rename(home / "new" / file)


class Watcher(threading.Thread):
    """Looks which mails are recorded, and when each was first seen there."""

    def __init__(self, file: Path) -> None:
        super().__init__(daemon=True)
        self._file = file
        self._stop_it = threading.Event()
        self.seen_at: dict[str, float] = {}

    def run(self) -> None:
        """Look until stopped."""
        connection = sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)
        last = 0
        while not self._stop_it.wait(LOOK_S):
            rows = connection.execute(
                "SELECT m.rowid, m.message_id FROM mails m JOIN interactions i ON i.id = m.id"
                " WHERE m.rowid > ? ORDER BY m.rowid",
                (last,),
            ).fetchall()
            now = time.monotonic()
            for row, message_id in rows:
                last = row
                self.seen_at.setdefault(str(message_id).partition("@")[0], now)
        connection.close()

    def end(self) -> None:
        """Stop looking."""
        self._stop_it.set()
        self.join()


class Bare(threading.Thread):
    """A client in IDLE on a mailbox of its own: when the server told it of each mail."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.told_at: list[float] = []

    def run(self) -> None:
        """Listen until the server ends."""
        try:
            client = imaplib.IMAP4("127.0.0.1", self._port)
            client.login(BARE, "secret")
            client.select("INBOX", readonly=True)
            client.send(b"A1 IDLE\r\n")
            while line := client.readline():
                if b"EXISTS" in line:
                    self.told_at.append(time.monotonic())
        except (OSError, imaplib.IMAP4.error):
            return


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, 99th percentile and maximum, in milliseconds."""
    cut = quantiles(values, n=100, method="inclusive") if len(values) > 1 else [values[0]] * 99
    return cut[49] * 1000, cut[98] * 1000, max(values) * 1000


def show(name: str, values: Sequence[float]) -> None:
    """Print one line of latencies."""
    if values:
        middle, high, most = percentiles(values)
        print(f"{name:44} p50 {middle:8.0f} ms  p99 {high:8.0f} ms  most {most:8.0f} ms")


def measure(mailboxes: int, rate: float, seconds: float, folder: Path) -> int:
    """Run once; returns how many mails were lost or came twice."""
    (folder / "dovecot").mkdir()
    server = Dovecot(folder / "dovecot")
    with (folder / "dovecot" / "dovecot.conf").open("a") as config:
        # Each waiting connection takes an inotify instance, of which a Linux user has 128 unless
        # told otherwise; beyond them Dovecot looks by itself, every 30 s unless told otherwise.
        config.write("mailbox_idle_check_interval = 1s\n")
    post = Post(folder / "dovecot" / "mail")
    names = [address(number) for number in range(mailboxes)]
    for name in (*names, BARE):
        post.make(name)
    with a_service(folder / "service") as service:
        server.start()
        try:
            return _measured(post, server, service, names, rate, seconds)
        finally:
            server.stop()


def _measured(
    post: Post, server: Dovecot, service: Service, names: Sequence[str], rate: float, seconds: float
) -> int:
    service.prepare()
    for name in names:
        service.command(
            "mailbox.add",
            address=name,
            host="127.0.0.1",
            port=server.port,
            tls="none",
            login=name,
            password="secret",
            config={},
        )
    service.start()
    watcher, bare = Watcher(service.data / "main.db"), Bare(server.port)
    watcher.start()
    bare.start()
    begin = time.monotonic()
    for number, name in enumerate(names):
        post.deliver(f"warm-{number}", name)
    wait_for(watcher, len(names), 180)
    print(f"{'every mailbox followed after':44} {time.monotonic() - begin:8.1f} s")
    bare_at = bare_latencies(post, bare)
    restarted = run_load(post, server, names, rate, seconds)
    sent = len(post.sent_at) - len(bare_at)
    wait_for(watcher, sent, 120)
    watcher.end()
    load = {name: at for name, at in post.sent_at.items() if name.startswith("load-")}
    calm = [
        watcher.seen_at[name] - at
        for name, at in load.items()
        if name in watcher.seen_at and not restarted[0] - 2 < at < restarted[1] + 10
    ]
    show("the server's own word, bare IDLE", bare_at)
    show("arrival to touch", calm)
    show(
        "arrival to touch, restart included",
        [watcher.seen_at[name] - at for name, at in load.items() if name in watcher.seen_at],
    )
    if bare_at and calm:
        ratio = percentiles(calm)[0] / max(percentiles(bare_at)[0], 0.1)
        print(f"{'arrival to touch : bare IDLE, median':44} {ratio:8.1f} times")
    status, _ = service.ask_to_stop()
    lost = [name for name in post.sent_at if name not in watcher.seen_at and "bare" not in name]
    twice = doubled(service.data / "main.db")
    print(f"{'mails':44} {len(load):8d} in {len(names)} mailboxes at {rate:g} a second")
    print(f"{'lost':44} {len(lost):8d}")
    print(f"{'twice':44} {twice:8d}")
    return len(lost) + twice + (status != 0)


def bare_latencies(post: Post, bare: Bare) -> list[float]:
    """Deliver some mails to the bare client's mailbox; return how long the server took to tell."""
    found = []
    time.sleep(0.5)
    for number in range(10):
        before = len(bare.told_at)
        post.deliver(f"bare-{number}", BARE)
        sent = post.sent_at[f"bare-{number}"]
        ends = sent + 5
        while len(bare.told_at) == before and time.monotonic() < ends:
            time.sleep(0.005)
        if len(bare.told_at) > before:
            found.append(bare.told_at[before] - sent)
    return found


def run_load(
    post: Post, server: Dovecot, names: Sequence[str], rate: float, seconds: float
) -> tuple[float, float]:
    """Deliver at that rate; restart the server in the middle; return when that was."""
    chance = random.Random(5)
    begin = time.monotonic()
    count = int(rate * seconds)
    restart: list[float] = []

    def again() -> None:
        restart.append(time.monotonic())
        server.stop()
        server.start()
        restart.append(time.monotonic())

    middle = threading.Thread(target=again)
    for number in range(count):
        if number == count // 2:
            middle.start()
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        post.deliver(f"load-{number}", chance.choice(names))
    middle.join()
    return restart[0], restart[1]


def wait_for(watcher: Watcher, count: int, within_s: float) -> None:
    """Wait until so many mails are recorded, or time is up."""
    ends = time.monotonic() + within_s
    while len(watcher.seen_at) < count and time.monotonic() < ends:
        time.sleep(0.05)


def doubled(file: Path) -> int:
    """Return how many touches there are beyond one for each mail."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        touches, mails = connection.execute(
            "SELECT (SELECT count(*) FROM interactions WHERE kind = 'mail'),"
            " (SELECT count(DISTINCT message_id) FROM mails)"
        ).fetchone()
    finally:
        connection.close()
    return int(touches - mails)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="only show that it runs")
    parser.add_argument("--mailboxes", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0, help="mails a second, over all")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    logs.configure("error")
    print(machine())
    reason = why_no_dovecot()
    if reason is not None:
        print(f"many mailboxes: not run: {reason}")
        return 0
    if given.small:
        given.mailboxes, given.rate, given.seconds = 8, 10.0, 4.0
    with tempfile.TemporaryDirectory(prefix="keepline-dovecot-") as folder:
        Path(folder).chmod(0o755)
        return 1 if measure(given.mailboxes, given.rate, given.seconds, Path(folder)) else 0


if __name__ == "__main__":
    raise SystemExit(main())
