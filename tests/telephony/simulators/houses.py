"""One account at each provider whose history is simulated: secrets, settings, calls of a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

from ingest.demo.pbx.script import Script
from ingest.domain.deliveries import Account, Provider
from ingest.telephony.providers import PROVIDERS
from tests.telephony.simulators import (
    aircall,
    bandwidth,
    dialpad,
    grandstream_ucm,
    mango,
    megafon,
    mts_vats,
    onlinepbx,
    plivo,
    ringcentral,
    rostelecom,
    sipgate,
    sipuni,
    t2,
    telnyx,
    telphin,
    twilio,
    uis,
    vonage,
    zadarma,
    zoom_phone,
)
from tests.telephony.simulators.serving import Simulated

LINE, CLIENTS = "+74951230001", ("+79031110001", "+79031110002", "+79031110003")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A company's account at one provider."""

    name: str
    simulator: ModuleType
    secrets: Mapping[str, str]
    config: Mapping[str, Any] = field(default_factory=dict)
    zone: str = "UTC"
    key: str = "call-{}"
    phones: tuple[str, str] = ("101", "102")

    @property
    def provider(self) -> Provider:
        return PROVIDERS[self.name]

    @property
    def account(self) -> Account:
        return Account(
            source=self.name,
            secrets=(self.secrets,),
            zone=ZoneInfo(self.zone),
            region="RU",
            own_numbers=(LINE,),
            config=self.config,
            public_url="https://hooks.example.org",
        )

    def simulated(self, calls: Sequence[Script]) -> Simulated:
        return Simulated(calls=calls, secrets=self.secrets)

    def calls(self, begin: datetime, count: int = 12) -> list[Script]:
        """Return calls ten minutes apart: answered, missed, called out and not reached in turn."""
        return [
            self.call(number, begin + timedelta(minutes=10 * number)) for number in range(count)
        ]

    def call(self, number: int, begins_at: datetime) -> Script:
        one, other = self.phones
        outbound, taken = (number // 2) % 2 == 1, number % 2 == 0
        out = "out_" if outbound else "in_"
        key = (out if self.name == "zadarma" else "") + self.key.format(1000 + number)
        return Script(
            key=key,
            remote=CLIENTS[number % 3],
            line=LINE,
            begins_at=begins_at,
            ring_s=float(5 + number % 7),
            talk_s=float(30 + number) if taken else 0.0,
            rings=(one,) if outbound else (one, other),
            taken_by=one if taken or outbound else None,
            outbound=outbound,
            live=True,
        )


HOUSES = {
    house.name: house
    for house in (
        House(
            name="mango",
            simulator=mango,
            secrets={"vpbx_api_key": "key1", "vpbx_api_salt": "salt1"},
        ),
        House(
            name="megafon",
            simulator=megafon,
            secrets={"crm_token": "crm1", "api_key": "api1"},
            config={"api_host": "avrora.megapbx.example"},
        ),
        House(
            name="zadarma",
            simulator=zadarma,
            secrets={"api_key": "key1", "api_secret": "secret1"},
            zone="Europe/Amsterdam",
        ),
        House(
            name="twilio",
            simulator=twilio,
            secrets={"account_sid": "AC1", "auth_token": "token1"},
            phones=("+74951230101", "+74951230102"),
        ),
        House(
            name="uis",
            simulator=uis,
            secrets={"path_token": "path1", "access_token": "token1"},
            zone="Europe/Moscow",
            key="{}",
        ),
        House(
            name="onlinepbx",
            simulator=onlinepbx,
            secrets={"path_token": "path1", "api_key": "key1"},
            config={"domain": "avrora.onpbx.example"},
        ),
        House(
            name="telphin",
            simulator=telphin,
            secrets={"path_token": "path1", "client_id": "id1", "client_secret": "secret1"},
        ),
        House(
            name="mts_vats",
            simulator=mts_vats,
            secrets={"basic_user": "u", "basic_password": "p", "api_key": "key1"},
            config={"domain": "avrora.example", "trunk_ids": ["7", "8"]},
        ),
        House(
            name="aircall",
            simulator=aircall,
            secrets={"token": "t", "api_id": "id1", "api_token": "token1"},
            key="{}",
        ),
        House(
            name="ringcentral",
            simulator=ringcentral,
            secrets={
                "validation_token": "v",
                "client_id": "id1",
                "client_secret": "secret1",
                "jwt": "a.b.c",
            },
        ),
        House(
            name="dialpad",
            simulator=dialpad,
            secrets={"jwt_secret": "secret1", "api_key": "key1"},
            key="{}",
        ),
        House(
            name="zoom_phone",
            simulator=zoom_phone,
            secrets={
                "secret_token": "secret1",
                "account_id": "acc1",
                "client_id": "id1",
                "client_secret": "secret2",
            },
        ),
        House(
            name="plivo",
            simulator=plivo,
            secrets={"auth_id": "MA1", "auth_token": "token1"},
            zone="Asia/Kolkata",
            phones=("74951230101", "74951230102"),
        ),
        House(
            name="bandwidth",
            simulator=bandwidth,
            secrets={
                "basic_user": "u",
                "basic_password": "p",
                "api_user": "api1",
                "api_password": "p1",
            },
            config={"account_id": bandwidth.ACCOUNT},
            phones=("+74951230101", "+74951230102"),
        ),
        House(
            name="telnyx",
            simulator=telnyx,
            secrets={"public_key_base64": telnyx.PUBLIC_KEY, "api_key": "key1"},
            phones=("sip:anna@acme.example", "sip:boris@acme.example"),
        ),
        House(
            name="vonage",
            simulator=vonage,
            secrets={
                "signature_secret": "s" * 32,
                "application_id": "app1",
                "private_key": vonage.private_key(),
            },
            phones=("anna", "boris"),
        ),
        House(
            name="rostelecom",
            simulator=rostelecom,
            secrets={"client_id": "id1", "sign_key": "key1"},
        ),
        House(
            name="sipuni",
            simulator=sipuni,
            secrets={"path_token": "path1", "api_user": "015856", "api_key": "key1"},
            zone="Europe/Moscow",
            key="1772434800.{}",
        ),
        House(
            name="sipgate",
            simulator=sipgate,
            secrets={"public_key_pem": sipgate.PUBLIC, "token_id": "id1", "token": "token1"},
        ),
        House(name="t2", simulator=t2, secrets={"refresh_token": "rt1"}),
        House(
            name="grandstream_ucm",
            simulator=grandstream_ucm,
            secrets={"api_user": "cdr", "api_password": "p"},
            config={"api_host": "192.0.2.10:8443"},
            zone="Europe/Berlin",
        ),
    )
}


def apart(calls: Sequence[Script], begin: datetime, end: datetime) -> list[Script]:
    """Return the calls that were not going on between these moments."""
    return [call for call in calls if call.ends_at < begin or call.begins_at > end]
