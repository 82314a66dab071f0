"""FreeSWITCH and FusionPBX: records of legs as JSON or XML, and the event socket.

mod_json_cdr and mod_xml_cdr post one record for each leg when it ends, proved by HTTP Basic or
Digest. The event socket, which we open, tells of the same legs while they live. What was refused
lies as files beside the switch; they hold the same records. A table of the switch is its history.
Facts: signalwire/freeswitch mod_json_cdr.c, mod_xml_cdr.c, mod_event_socket.c; fusionpbx/fusionpbx
app/xml_cdr; recorded from 1.11.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ingest.domain.calls import CallEvent
from ingest.domain.deliveries import Account, HookRequest, HookResponse, Kind, Provider, Receipt
from ingest.telephony.digest import challenge, is_digest, require_digest
from ingest.telephony.histories import switch_table
from ingest.telephony.protocols import cdr_body, cdr_call, cdr_files, esl, esl_events
from ingest.telephony.request import storable
from ingest.telephony.signatures import require_basic
from ingest.telephony.sounds import OWN_SOUND

_UUID = re.compile(r"(?:^|&)uuid=(?:a_)?([^&]{1,128})")  #: the modules append it to the address


def verify(request: HookRequest, account: Account) -> None:
    """Raise BadSignature unless Basic or Digest proves the `cred` of the module's configuration."""
    if is_digest(request):
        require_digest(request, account)
    else:
        require_basic(request, account)


def key(request: HookRequest, account: Account) -> str | None:
    """Return the leg's uuid: each leg is posted once, and again if it was not accepted."""
    found = _UUID.search(request.query)
    return storable(found[1]) if found else None


def parse(request: HookRequest, account: Account) -> Sequence[CallEvent]:
    """Return what the leg says: of the call, or of one telephone that it made ring."""
    return cdr_call.events_of(cdr_body.record(request), account)


def answer(request: HookRequest, account: Account, receipt: Receipt) -> HookResponse:
    """Say 200: any 2xx is enough."""
    return HookResponse()


def secret_problem(secrets: Mapping[str, str]) -> str | None:
    """Return what cannot be sent, or what is missing: a name proves nothing without a password."""
    for name, value in secrets.items():
        if "\r" in value or "\n" in value:
            return f"{name} holds a line end"
    for name, password in (("basic_user", "basic_password"), ("esl_user", "esl_password")):
        if name in secrets and password not in secrets:
            return f"{name} needs {password} beside it"
    return None


def config_problem(account: Account) -> str | None:
    """Return which of the source's settings is wrong, and how it is written."""
    return esl.filters_problem(account) or cdr_files.columns_problem(account)


FREESWITCH = Provider(
    name="freeswitch",
    verify=verify,
    key=key,
    parse=parse,
    answer=answer,
    secrets=("basic_user", "basic_password", "esl_password", "esl_user"),
    any_secret=True,
    secret_problem=secret_problem,
    config_problem=config_problem,
    reads={
        Kind.STREAM: esl_events.parse,
        Kind.RECORD: cdr_files.parse,
        Kind.PULL: switch_table.read,
    },
    history=switch_table.HISTORY,
    files=cdr_files.split_file,
    talk=esl.talk,
    talk_port=esl.PORT,
    handshake=challenge,
    recordings=OWN_SOUND,
)
