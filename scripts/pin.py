"""Print constraints.txt anew: what this environment holds of all that Keepline needs.

Run it (`make pins`) in an environment where the new versions are installed and tested.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# Exact versions of everything that Keepline needs, its own dependencies' included, as tested.
# Made by `make pins`; pyproject.toml says what is needed, this file which version is installed.
"""


def wanted() -> list[Requirement]:
    """Return what pyproject.toml asks for, with every extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def closure(requirements: list[Requirement]) -> dict[str, str]:
    """Return name and version of the requirements and of all that they require here."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(need, extra) for need in requirements for extra in ("", *sorted(need.extras))]
    while queue:
        need, extra = queue.pop()
        name = canonicalize_name(need.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        here = distribution(name)
        found[name] = here.version
        for line in here.requires or ():
            inner = Requirement(line)
            if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                queue += [(inner, e) for e in ("", *sorted(inner.extras))]
    return found


def main() -> int:
    """Print the file; say what is missing and return 1 if something is."""
    try:
        pins = closure(wanted())
    except PackageNotFoundError as error:
        sys.stderr.write(f"Not installed here: {error.name}. Install it first.\n")
        return 1
    sys.stdout.write(HEADER)
    sys.stdout.writelines(f"{name}=={version}\n" for name, version in sorted(pins.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
