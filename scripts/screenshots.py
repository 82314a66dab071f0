"""Take pictures of the running demo: every page of its menu, a source with what has just come
from it, and a mail with its quotes folded: docs/screenshots/*.png.

Starts `keepline demo`, signs in with what the demo prints ("Sign in as NAME with password WORD"),
lets the story play for a while, and visits each link of the menu: light at desktop width, dark at
that of a telephone. With `--url`, `--user` and `--password` it visits a service that runs already,
and `--only` takes one picture alone. No mail of the demo quotes another, and its first source may
be quiet: the pictures `mail` and `source` are of `python -m tests.review.serving`.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SCREENSHOTS = ROOT / "docs" / "screenshots"
ADDRESS = re.compile(r"https?://[^\s/]+(?::\d+)?")
SIGN_IN = re.compile(r"sign in as (\S+) with password (\S+?)[.\s]*$", re.IGNORECASE | re.MULTILINE)
SLOW_START_S = 60.0
ARRIVES_MS = 20_000.0  #: a call of the story, at the latest
MOST_MAILS = 30


@dataclass(frozen=True, slots=True)
class Site:
    """Where the pages are, and who looks at them."""

    url: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Look:
    """One way in which each page is shown."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]


LOOKS = (
    Look("desktop", 1360, 850, "light"),
    Look("desktop-dark", 1360, 850, "dark"),
    Look("phone", 360, 740, "dark"),
)


@contextmanager
def demo(seconds: int) -> Iterator[Site]:
    """Run the demo and yield its site; stop it as Ctrl-C would."""
    command = [str(Path(sys.executable).with_name("keepline")), "demo", "--no-browser"]
    process = subprocess.Popen(
        [*command, "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        site = _printed_site(process)
        # Read on, or the demo stops when the pipe is full.
        threading.Thread(target=_drain, args=(process,), daemon=True).start()
        yield site
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _printed_site(process: subprocess.Popen[str]) -> Site:
    assert process.stdout
    said = ""
    started = time.monotonic()
    for line in process.stdout:
        said += line
        address, person = ADDRESS.search(said), SIGN_IN.search(said)
        if address and person:
            return Site(address[0], person[1], person[2])
        if time.monotonic() - started > SLOW_START_S:
            break
    raise SystemExit(f"The demo did not print an address and a sign-in:\n{said}")


def _drain(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    for _ in process.stdout:
        pass


def sign_in(page: Page, site: Site) -> None:
    """Fill the form that stands before every page."""
    page.goto(site.url)
    page.locator("input[type=password]").fill(site.password)
    page.locator("form:has(input[type=password]) input:not([type=hidden])").first.fill(site.user)
    page.locator("form:has(input[type=password]) button").first.click()
    page.wait_for_load_state()


def menu(page: Page, site: Site) -> dict[str, str]:
    """Return name and address of each page of the menu."""
    links = page.locator("nav a[href]").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    whole = [urljoin(site.url, link) for link in links]
    paths = [urlsplit(link).path for link in whole if link.startswith(site.url)]
    return {path.strip("/").replace("/", "-") or "today": path for path in paths}


def source_page(page: Page, site: Site) -> bool:
    """Show the first source and wait until something comes from it; False: there is none."""
    page.goto(urljoin(site.url, "/sources"))
    link = page.locator("main th a[href^='/sources/']").first
    if link.count() == 0:
        return False
    link.click()
    with contextlib.suppress(TimeoutError):
        page.locator(".arrival").first.wait_for(timeout=ARRIVES_MS)
    return True


def quoting_mail(page: Page, site: Site) -> bool:
    """Show the latest mail that quotes another; False: there is none among the latest."""
    page.goto(urljoin(site.url, "/interactions?kind=mail"))
    links = page.locator("main a[data-row]")
    for path in links.evaluate_all("all => all.map(it => it.getAttribute('href'))")[:MOST_MAILS]:
        page.goto(urljoin(site.url, path))
        if page.locator("details", has_text="Quoted from earlier mails").count():
            return True
    return False


#: What the menu does not lead to: name of the picture, and how its page is found.
BEYOND_THE_MENU = {"source": source_page, "mail": quoting_mail}


def take(browser: Browser, site: Site, look: Look, only: str = "") -> list[Path]:
    """Visit every page in one look; return the pictures written."""
    options: dict[str, Any] = {
        "viewport": {"width": look.width, "height": look.height},
        "color_scheme": look.scheme,
    }
    page = browser.new_page(**options)
    sign_in(page, site)
    written = []
    for name, path in menu(page, site).items():
        if only not in ("", name):
            continue
        page.goto(urljoin(site.url, path))
        page.wait_for_timeout(300)  # web fonts and the first event of the stream
        file = SCREENSHOTS / f"{name}-{look.name}.png"
        page.screenshot(path=file)
        written.append(file)
    for name, find in BEYOND_THE_MENU.items():
        if only in ("", name) and find(page, site):
            page.wait_for_timeout(300)
            file = SCREENSHOTS / f"{name}-{look.name}.png"
            page.screenshot(path=file)
            written.append(file)
    page.close()
    return written


def main() -> int:
    """Take the pictures and print their names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--story", type=float, default=20.0, help="seconds to let the story play")
    parser.add_argument("--only", default="", help="name of the one picture to take")
    asked = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stderr.write("Screenshots need a browser: install the package chromium.\n")
        return 1
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    if asked.url:
        written = _pictures(chromium, Site(asked.url, asked.user, asked.password), asked.only)
    else:
        with demo(seconds=300) as site:
            time.sleep(asked.story)
            written = _pictures(chromium, site, asked.only)
    sys.stdout.writelines(f"{file.relative_to(ROOT)}\n" for file in written)
    return 0 if written else 1


def _pictures(chromium: str, site: Site, only: str) -> list[Path]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            return [file for look in LOOKS for file in take(browser, site, look, only)]
        finally:
            browser.close()


if __name__ == "__main__":
    raise SystemExit(main())
