"""The service that the demo runs, and where it runs."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path

from ingest.core import Core
from ingest.demo import setup
from ingest.demo.company import Company
from ingest.demo.everyday import Past
from ingest.demo.mailserver import MailServer
from ingest.demo.simulators import Pbx
from ingest.edges import Edges
from ingest.settings import Settings, load_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The service that runs, with everything around it that speaks to it."""

    settings: Settings
    company: Company
    edges: Edges
    core: Core
    pbxs: dict[str, Pbx]
    mail: dict[str, MailServer]
    people: dict[str, setup.SignIn]
    past: Past


def settings_for(port: int, folder: Path) -> Settings:
    """Return the settings of a demo on free ports; its folder gets a file that says the same."""
    public = _free_port(port)
    inner = _free_port(max(port, public) + 1)
    settings = load_settings(
        data_dir=folder,
        database_url=None,
        key_file=None,
        public_url=f"http://127.0.0.1:{public}",
        public_listen=f"127.0.0.1:{public}",
        inner_url=f"http://127.0.0.1:{inner}",
        inner_listen=f"127.0.0.1:{inner}",
        processes=1,
        trusted_proxies=[],
        disk_free_min=0.0,
        log_level="error",
        log_format="text",
    )
    (folder / "imports").mkdir(parents=True, exist_ok=True)
    (folder / "keepline.toml").write_text(_toml(settings), encoding="utf-8")
    return settings


def _free_port(wanted: int) -> int:
    """Return that port, or the next one that nobody listens on."""
    for port in range(wanted, 65536):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no port from {wanted} on is free")


def _toml(settings: Settings) -> str:
    """Return the file by which commands find this demo."""
    names = ("data_dir", "public_url", "public_listen", "inner_url", "inner_listen")
    return "".join(f'{name} = "{getattr(settings, name)}"\n' for name in names)
