"""MTS Exolve's VATS: of the `crmapi` family by its interface. Not tried against a live account."""

from __future__ import annotations

from ingest.domain.deliveries import Kind, Provider
from ingest.telephony.histories import crmapi as history
from ingest.telephony.protocols import crmapi
from ingest.telephony.sounds import CRMAPI_SOUND

EXOLVE_VATS = Provider(
    name="exolve_vats",
    verify=crmapi.verify,
    key=crmapi.key,
    parse=crmapi.parse,
    answer=crmapi.answer,
    lookup=crmapi.LOOKUP,
    secret_fields=("crm_token",),
    secrets=("crm_token",),
    reads={Kind.PULL: history.read},
    history=history.HISTORY,
    recordings=CRMAPI_SOUND,
)
