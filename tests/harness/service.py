"""The real service, started in a directory of its own on free ports of loopback."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ingest.commands.calling import office
from ingest.custody.commands import COMMANDS
from ingest.settings import Settings, load_settings
from tests.imap_servers import free_port

SOURCE = "office"
SECRET = "whsec_VmFtR6lTsICZaT42nynHrwbKmmtyGcmWKWxKWDzhR90="  # invented
LINE = "+79160000001"
START_S = 30.0
STOP_S = 30.0
LOOK_S = 0.02


class Service:
    """`keepline serve` with its settings; it may be started, killed and started again."""

    def __init__(
        self, folder: Path, *, processes: int = 1, database_url: str | None = None
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.data = folder / "data"
        self.port, self.inner_port = free_port(), free_port()
        self.values: dict[str, Any] = {
            "data_dir": str(self.data),
            "public_listen": f"127.0.0.1:{self.port}",
            "inner_listen": f"127.0.0.1:{self.inner_port}",
            "public_url": f"http://127.0.0.1:{self.port}",
            "inner_url": f"http://127.0.0.1:{self.inner_port}",
            "processes": str(processes),
            "log_level": "debug",
        }
        if database_url:
            self.values |= {"database_url": database_url, "log_partitions": "2"}
        self.process: subprocess.Popen[bytes] | None = None
        self._log = (folder / "service.log").open("ab")

    @property
    def settings(self) -> Settings:
        """Return the settings that the service runs with."""
        return load_settings(**self.values)

    def command(self, name: str, **arguments: Any) -> Any:
        """Run one command as the owner of the main database; nothing may be running."""
        with office(self.settings) as here:
            return COMMANDS[name](here, tell=lambda done, total: None, **arguments)

    def prepare(self, *, mailbox: Mapping[str, Any] | None = None) -> None:
        """Set up a company with one signed source, one line that nobody holds, one mailbox."""
        none = lambda done, total: None  # noqa: E731
        with office(self.settings) as here:
            COMMANDS["init"](here, tell=none, zone="Europe/Moscow", region="RU")
            COMMANDS["source.add"](
                here,
                tell=none,
                name=SOURCE,
                provider="generic",
                zone="Europe/Moscow",
                region="RU",
                secrets={"secret": SECRET},
                config={},
            )
            rows = [(2, {"kind": "sim", "address": LINE})]
            COMMANDS["import"](here, tell=none, kind="lines", rows=rows, file="lines.csv")
            if mailbox is not None:
                COMMANDS["mailbox.add"](here, tell=none, config={}, **mailbox)

    # Running -----------------------------------------------------------------------------------

    def start(self) -> float:
        """Start it and return after how many seconds its public door answered."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ingest", "serve"],
            env=self.environment(),
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self.wait_for(self.answers)
        return time.monotonic() - began

    def environment(self) -> dict[str, str]:
        """Return the environment in which the service and its commands run."""
        plain = {k: v for k, v in os.environ.items() if not k.startswith("KEEPLINE_")}
        return plain | {f"KEEPLINE_{name.upper()}": text for name, text in self.values.items()}

    def answers(self) -> bool:
        """Tell whether the public door answers."""
        return _answers(self.port)

    def inner_answers(self) -> bool:
        """Tell whether the inner door answers."""
        return _answers(self.inner_port)

    def wait_for(self, fact: Callable[[], bool], seconds: float = START_S) -> float:
        """Return after how many seconds something became true; AssertionError if it does not."""
        began = time.monotonic()
        while not fact():
            waited = time.monotonic() - began
            ended = self.process.poll() if self.process else None
            assert ended is None, f"the service ended with {ended}:\n{self.log_tail()}"
            assert waited < seconds, f"{fact} not within {seconds} s:\n{self.log_tail()}"
            time.sleep(LOOK_S)
        return time.monotonic() - began

    def pid(self, part: str) -> int:
        """Return the process id of `edges` or `core`, as the supervisor wrote it."""
        return int((self.data / f"{part}.pid").read_text() or 0)

    def kill(self, part: str | None = None) -> int:
        """Kill the service, or one part of it, with SIGKILL; returns the pid that was killed."""
        assert self.process is not None
        pid = self.pid(part) if part else self.process.pid
        os.kill(pid, signal.SIGKILL)
        if part is None:
            self.process.wait(STOP_S)
        return pid

    def ask_to_stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end; return its exit status and how many seconds that took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(STOP_S)
        return status, time.monotonic() - began

    def keepline(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as a person would."""
        return subprocess.run(
            [sys.executable, "-m", "ingest", *arguments],
            env=self.environment(),
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def log_tail(self, lines: int = 30) -> str:
        """Return the end of what the service said."""
        return "\n".join((self.folder / "service.log").read_text().splitlines()[-lines:])

    def end(self) -> None:
        """End whatever still runs of it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(STOP_S)
        self._log.close()


@contextmanager
def a_service(
    folder: Path, *, processes: int = 1, database_url: str | None = None
) -> Iterator[Service]:
    """Give a service that is not started yet, and end it whatever happens."""
    service = Service(folder, processes=processes, database_url=database_url)
    try:
        yield service
    finally:
        service.end()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
