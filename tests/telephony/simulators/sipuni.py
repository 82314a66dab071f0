"""Sipuni: a table of whole days, proved by MD5 over the values; events as forms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from ingest.demo.pbx.script import FORM, Report, Request, Script, Secrets, plain
from tests.telephony.simulators.serving import Simulated

HOSTS = ("sipuni.com",)
MOSCOW = ZoneInfo("Europe/Moscow")
HEAD = (
    "Тип;Статус;Время;Схема;Откуда;Куда;Кто ответил;Длительность звонка, сек;"
    "Длительность разговора, сек;Время ответа, сек;Оценка;ID записи;Метка;Теги;ID заказа звонка;"
    "Запись существует;Новый клиент"
)
ORDER = (
    "anonymous", "firstTime", "from", "fromNumber", "state", "to", "toAnswer", "toNumber",
    "tree", "type", "user",
)  # fmt: skip


def routes(knows: Simulated) -> Sequence[web.RouteDef]:
    async def export(request: web.Request) -> web.Response:
        form = await request.post()
        told = [*(str(form[name]) for name in ORDER), knows.secrets["api_key"]]
        known = form["user"] == knows.secrets["api_user"]
        if not known or form["hash"] != hashlib.md5("+".join(told).encode()).hexdigest():
            return web.Response(text="Invalid hash")
        first, last = (
            datetime.strptime(str(form[name]), "%d.%m.%Y").replace(tzinfo=MOSCOW)
            for name in ("from", "to")
        )
        rows = [row(call) for call in knows.between(first, last + timedelta(days=1))]
        return web.Response(body="\r\n".join([HEAD, *rows, ""]).encode("utf-8-sig"))

    return [web.post("/api/statistic/export", export)]


def row(call: Script) -> str:
    ours = call.taken_by or ""
    cells: list[object] = [
        "Исходящий" if call.outbound else "Входящий",
        "Отвечен" if call.taken else "Не отвечен",
        call.begins_at.astimezone(MOSCOW).strftime("%d.%m.%Y %H:%M:%S"),
        "Основная",
        ours if call.outbound else plain(call.remote),
        plain(call.remote if call.outbound else call.line),
        "" if call.outbound or not call.taken else ours,
        round(call.length_s),
        round(call.talk_s) if call.taken else "",
        round(call.ring_s) if call.taken else "",
        "",
        call.key,
        *[""] * 5,
    ]
    return ";".join(str(cell) for cell in cells)


def reports(call: Script) -> Iterator[Report]:
    """Yield what events tell of a call, in order of time."""
    remote, line = plain(call.remote), plain(call.line)
    common = {"call_id": call.key, "user_id": "015856", "treeNumber": "000-1"}

    def event(number: int, after_s: float, phone: str | None, **more: object) -> Report:
        ours = {"num": f"015856{phone}" if phone else line, "type": 2 if phone else 1}
        ours["short"] = phone or ""
        theirs = {"num": remote, "type": 1, "short": remote if call.outbound else ""}
        fields = {"event": number, "timestamp": int(call.at(after_s).timestamp()), **common, **more}
        for side, end in zip(
            ("src", "dst"), (ours, theirs) if call.outbound else (theirs, ours), strict=True
        ):
            fields |= {f"{side}_num": end["num"], f"{side}_type": end["type"]}
            fields[f"short_{side}_num"] = end["short"]
        return Report(after_s, "/path1", fields)

    for phone in call.rings:
        yield event(1, 0.0, phone)
    if call.taken:
        yield event(3, call.ring_s, call.taken_by)
    missed = ("CANCEL", "BUSY") if call.outbound else ("NOANSWER",)
    yield event(
        2,
        call.length_s,
        call.taken_by,
        status="ANSWER"
        if call.taken
        else missed[int(call.begins_at.timestamp()) // 60 % len(missed)],
        call_start_timestamp=int(call.begins_at.timestamp()),
        call_answer_timestamp=int(call.at(call.ring_s).timestamp()) if call.taken else 0,
        call_record_link=f"https://sipuni.com/api/crm/record?id={call.key}&hash=x&user=015856",
    )


def sign(report: Report, secrets: Secrets, url: str, now: datetime) -> Request:
    """Return the request: the path proves it."""
    body = urlencode(dict(report.fields)).encode()
    return Request(url=url + report.path, headers=FORM, body=body)
