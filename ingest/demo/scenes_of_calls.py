"""Scenes: calls of which much is told, forged ones, and what cannot be read."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ingest.demo import company as office
from ingest.demo.company import BORIS, ELENA, NAMES
from ingest.demo.evidence import NONE, Handle
from ingest.demo.pbx import generic, mango, megafon
from ingest.demo.scenes_of_leavers import (
    STRANGER,
    TALK_S,
)
from ingest.demo.stage import Stage


async def ring_group(stage: Stage) -> None:
    """Ten telephones ring, the client's own manager's among them; a colleague takes the call."""
    client = stage.company.of(ELENA)[0]
    call = stage.script(
        "g-1",
        client.phone,
        office.MAIN_NUMBER,
        at=1.0,
        ring=1.0,
        talk=TALK_S,
        rings=tuple(office.OFFICE),
        taken_by="105",
    )
    stage.expect(
        "ring group of ten, the client's manager among them",
        Handle("office", call.key),
        status="needs_comment",
        client=client.name,
        employee=NAMES["fedor"],
        rang=10,
        talked=1,
        flags=NONE,
    )
    await stage.call("office", call)


async def transfer(stage: Stage) -> None:
    """Boris takes a call and hands it to Elena: two ids of the provider, one call."""
    client = stage.company.of(BORIS)[1]
    first = stage.script(
        "t-1",
        client.phone,
        office.SERVICE_NUMBER,
        at=0.5,
        ring=1.0,
        talk=4.0,
        rings=("701",),
        taken_by="701",
    )
    second = stage.script(
        "t-2",
        client.phone,
        office.SERVICE_NUMBER,
        at=4.0,
        ring=0.5,
        talk=8.0,
        rings=("702",),
        taken_by="702",
    )
    stage.expect(
        "transfer to a colleague",
        Handle("mobile", first.key),
        status="needs_comment",
        outcome="answered",
        client=client.name,
        employee=NAMES[ELENA],
        ids=2,
        talked=2,
        flags=NONE,
    )
    tied = megafon.transfer(first.key, second.key, client.phone, 0.0)

    async def tie() -> None:
        await stage.until(5.0)
        await stage.pbxs["mobile"].tell(tied)

    await asyncio.gather(stage.call("mobile", first), stage.call("mobile", second), tie())


async def child_leg(stage: Stage) -> None:
    """A cloud takes the call at once; only the leg to Mary's mobile telephone is an answer."""
    client = stage.company.of("mary")[0]
    call = stage.script(
        "CA01",
        client.phone,
        office.CHICAGO,
        at=0.3,
        ring=1.2,
        talk=TALK_S + 0.6,  # its times are whole seconds
        rings=(office.MARYS_MOBILE,),
        taken_by=office.MARYS_MOBILE,
    )
    stage.expect(
        "call through a cloud, answered on a child leg",
        Handle("chicago", call.key),
        status="needs_comment",
        outcome="answered",
        client=client.name,
        employee=NAMES["mary"],
        ids=2,
        flags=NONE,
    )
    await stage.call("chicago", call)


async def call_back(stage: Stage) -> None:
    """A missed call becomes a call-back, and the outgoing call closes it."""
    client = stage.company.of("pieter")[0]
    missed = stage.script("in_p-1", client.phone, office.AMSTERDAM, at=0.2, ring=1.0)
    back = stage.script(
        "out_p-2",
        client.phone,
        office.AMSTERDAM,
        at=3.0,
        ring=1.0,
        talk=6.0,
        rings=("201",),
        taken_by="201",
        outbound=True,
    )
    stage.expect(
        "missed call, called back",
        Handle("amsterdam", missed.key),
        status="done",
        outcome="no_answer",
        client=client.name,
        closed_by=str(Handle("amsterdam", back.key)),
    )
    stage.expect(
        "the outgoing call that closes the call-back",
        Handle("amsterdam", back.key),
        direction="out",
        status="needs_comment",
        outcome="answered",
        employee=NAMES["pieter"],
    )
    await stage.call("amsterdam", missed)
    await stage.call("amsterdam", back)


async def out_of_order_and_twice(stage: Stage) -> None:
    """The end of a call is told before its beginning, and then once more."""
    client = stage.company.of("galina")[0]
    call = stage.script(
        "w-1",
        client.phone,
        office.WAREHOUSE,
        at=4.0,
        ring=0.0,
        rings=("301",),
        taken_by="301",
    )
    call = replace(call, begins_at=call.at(-45.0), ring_s=6.0, talk_s=35.0)
    pbx = stage.pbxs["warehouse"]
    told = pbx.reports(call)
    stage.expect(
        "reports in the wrong order, one of them twice",
        Handle("warehouse", call.key),
        status="needs_comment",
        outcome="answered",
        client=client.name,
        employee=NAMES["galina"],
        seen=len(told),
        flags=NONE,
    )
    await stage.until(4.0)
    for report in reversed(told):
        await pbx.tell(report)
    stage.repeats += 1
    await pbx.tell(told[-1])


async def between_colleagues(stage: Stage) -> None:
    """Two telephones of the office talk with each other: no client's touch."""
    stage.expect(
        "call between colleagues", Handle("office", "i-1"), direction="internal", status="internal"
    )
    await stage.until(5.0)
    report = mango.between_colleagues("i-1", "101", "104", stage.clock())
    await stage.pbxs["office"].tell(report)


async def forged(stage: Stage) -> None:
    """Somebody posts a call with a wrong signature: rejected, counted, nothing kept."""
    await stage.until(5.5)
    pbx = stage.pbxs["warehouse"]
    call = stage.script("f-1", STRANGER, office.WAREHOUSE, at=5.5, ring=1.0)
    wrong = replace(pbx, secrets=generic.new_secrets())
    status = await pbx.post(wrong.signed(pbx.reports(call)[0]))
    stage.forgeries += status == 401


async def garbled(stage: Stage) -> None:
    """The right sender sends half a JSON: kept, and parked with its reason."""
    await stage.until(6.0)
    pbx = stage.pbxs["warehouse"]
    half = b'{"type": "call.ringing", "data": {"call_id": "half'
    status = await pbx.post(generic.sign_body(half, pbx.secrets, pbx.url, stage.clock()))
    stage.garbled += 200 <= status < 300
