"""Recorded cases: one JSON file is one request or one whole scenario, and what must come of it.

docs/providers.md says how to write one. What a case expects is compared in `expected`.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import Account, HookRequest, Provider
from ingest.telephony.providers import PROVIDERS

Case = Mapping[str, Any]

#: Folders named otherwise than our provider.
PROVIDER_OF = {
    "cisco-cucm": "cisco_cucm",
    "cloudevents": "generic",
    "freepbx": "asterisk",
    "fusionpbx": "freeswitch",
    "grandstream-ucm": "grandstream_ucm",
    "standard-webhooks": "generic",
    "yeastar-p": "yeastar_p",
    "zammad-generic": "zammad",
    "zoom-phone": "zoom_phone",
}
#: Region of national numbers where a case does not name one.
REGION_OF = {
    "beeline": "RU",
    "exolve_vats": "RU",
    "mango": "RU",
    "megafon": "RU",
    "mts_vats": "RU",
    "novofon": "RU",
    "onlinepbx": "RU",
    "rostelecom": "RU",
    "sipuni": "RU",
    "telphin": "RU",
    "uis": "RU",
    "zadarma": "RU",
}
TEST_ADDRESS = "192.0.2.1"  #: RFC 5737; the sender of cases that sign nothing


def requests_of(case: Case) -> list[HookRequest]:
    """Return the requests that a case delivers, in order of arrival."""
    recorded = case["requests"] if "requests" in case else [case["request"]]
    return [_request(each) for each in recorded]


def account_of(case: Case) -> Account:
    """Return the source that a case is delivered to."""
    secret, config = dict(case.get("secret") or {}), dict(case.get("config") or {})
    provider = provider_of(case)
    if provider and "path_token" in provider.secrets and "token" in secret:
        secret["path_token"] = secret.pop("token")  # some cases call it so
    tolerance_s = float(secret.pop("tolerance_s", 300.0))
    zone = secret.pop("timezone", None) or config.get("account_tz") or config.get("pbx_tz") or "UTC"
    return Account(
        source="case",
        secrets=(secret,) if secret else (),
        zone=ZoneInfo(zone),
        region=config.get("default_region") or REGION_OF.get(case["provider"], "ZZ"),
        own_numbers=tuple(config.get("own_numbers", ())),
        config=config,
        public_url=config.get("public_base_url", ""),
        tolerance_s=tolerance_s,
        unsigned_from=() if secret else (TEST_ADDRESS,),
    )


def provider_of(case: Case) -> Provider | None:
    """Return the provider that speaks as this case does, if we have it."""
    name = str(case.get("provider"))
    return PROVIDERS.get(PROVIDER_OF.get(name, name))


def read_case(path: Path) -> Case | None:
    """Return the case that a file holds; None if it holds none."""
    try:
        case = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return case if isinstance(case, dict) else None


def kind_of(case: Case) -> str:
    """Return what a case delivers: hook, stream, record, pull or lookup."""
    if case.get("kind") == "pull":
        return "pull"
    if "directory" in case or case.get("expect", {}).get("state") == "lookup":
        return "lookup"
    if "transcript" in case:
        return "stream"
    return "record" if "files" in case else "hook"


def why_skipped(case: Case, kinds: Container[str]) -> str | None:
    """Return why a case cannot be run by what can run these kinds; None if it can."""
    if provider_of(case) is None:
        return f"no provider {case.get('provider')!r} yet"
    kind = kind_of(case)
    if kind not in kinds:
        return f"nothing runs a {kind} yet"
    if kind == "hook" and "request" not in case and "requests" not in case:
        return "no request"
    return None


def _request(recorded: Mapping[str, Any]) -> HookRequest:
    raw_path, _, query = str(recorded["path"]).partition("?")
    beneath = "/".join(raw_path.split("/")[3:])  # behind /webhooks/<provider>
    return HookRequest(
        method=recorded["method"],
        path=f"/{beneath}" if raw_path.count("/") > 2 else "",
        query=query,
        headers=tuple((name.lower(), value) for name, value in recorded["headers"].items()),
        body=recorded.get("body", "").encode("utf-8", "surrogatepass"),
        url=recorded.get("url", f"https://hooks.example.test{recorded['path']}"),
        received_at=_moment(recorded.get("received_at")),
        peer=TEST_ADDRESS,
    )


#: Of a case that does not say when the request came: late enough to doubt no recorded time.
_UNSAID = datetime(2090, 1, 1, tzinfo=UTC)


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else _UNSAID


def received_at(request: HookRequest, event: CallEvent) -> datetime:
    """Return when a report was received: the event's own time where the case does not say."""
    if request.received_at != _UNSAID:
        return request.received_at
    stated = (event.occurred_at, event.started_at, event.answered_at, event.ended_at)
    return max((moment for moment in stated if moment), default=_UNSAID)
