"""MegaFon VATS: the `crmapi` family's first member. Not tried against a live account."""

from __future__ import annotations

from ingest.domain.deliveries import Provider
from ingest.telephony.protocols import crmapi

MEGAFON = Provider(
    name="megafon",
    verify=crmapi.verify,
    key=crmapi.key,
    parse=crmapi.parse,
    answer=crmapi.answer,
    secret_fields=("crm_token",),
    secrets=("crm_token",),
)
