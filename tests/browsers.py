"""Debian's chromium for tests that look at pages, and where it is missing, why they are skipped."""

from __future__ import annotations

import shutil

import pytest

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no browser: install the package chromium"
)
