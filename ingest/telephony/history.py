"""The history puller: asks a provider for what we missed, and keeps each answer as a delivery.

It looks on a schedule, after an outage and when somebody asks. An answer and the place in the
history move in one transaction; equal answers are one delivery. What an answer says, and that it
is the call which was pushed, is the provider's reader's and the fold's business.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import structlog

from ingest import outages
from ingest.domain.deliveries import Account, Kind, Provider, Receipt, UnreadableDelivery
from ingest.domain.histories import ApiRequest, ApiResponse, History, Turned
from ingest.keeper import KeepFailed
from ingest.telephony import cdr_tables, stream_state
from ingest.telephony.api_client import ApiNotAllowed, ApiUnreachable, bounds_of, call
from ingest.telephony.desk import SourceDesk, new_delivery, part_state_name
from ingest.telephony.grants import Ask, Tokens
from ingest.telephony.history_state import (
    PART,
    Granted,
    HistoryState,
    Task,
    Wish,
    ended,
    next_task,
    plain,
    recalled,
    turned,
    wish_of,
)
from ingest.telephony.history_wishes import wish_name
from ingest.telephony.pulled import MOST_ANSWER

log = structlog.get_logger()

LOOK_S = 2.0  #: between looks whether something is to be asked
OUTAGES_S = 20.0  #: between looks whether an outage ended
AGAIN_S, MOST_S = 30.0, 1_800.0  #: before a failed question is asked again, doubling
WISH_AGAIN_S = 5.0  #: the same while a person waits
FULL_S = 10.0  #: before a full log is looked at again
LONGEST_WAIT_S = 3_600.0  #: that a provider may ask us to wait
TRIES = 3  #: of a page, then its period is begun anew; of a wish, then it is given up
BUSY = "asked to wait"  #: the state in which nobody asks

Wait = Callable[[float], Awaitable[bool]]


class Refusal(Exception):
    """The provider said no; the text says why."""


class Busy(Exception):
    """The provider asks us to come later."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__("the provider asks us to come later")
        self.seconds = None if seconds is None else min(max(seconds, 1.0), LONGEST_WAIT_S)


def wanted(provider: Provider, account: Account) -> bool:
    """Tell whether the source's history can be asked."""
    return provider.history is not None and provider.history.equipped(account)


async def run(desk: SourceDesk) -> None:
    """Ask until the desk says stop."""
    history = desk.provider.history
    assert history is not None, "not wanted otherwise"
    hosts = (*history.hosts, *history.hosts_of(desk.account))
    bounds = bounds_of(desk.account)
    ask: Ask = functools.partial(call, hosts=hosts, most_bytes=MOST_ANSWER, **bounds)
    await Puller(desk, history, cdr_tables.ask if history.table else ask).run()


class Puller:
    """Asks one source's history. `wait` is told how long; it returns whether to stop."""

    def __init__(
        self, desk: SourceDesk, history: History, ask: Ask, wait: Wait | None = None
    ) -> None:
        self._desk = desk
        self._history = history
        self._ask = ask
        self._wait = wait or desk.wait
        self._tokens = Tokens(desk, history.grant, ask) if history.grant else None
        self._name = part_state_name(desk.source, PART)
        self._state = HistoryState(since=desk.clock())
        self._outage: tuple[datetime, datetime | None] | None = None  #: looked at, when one ended

    @property
    def state(self) -> HistoryState:
        """Return how it stands."""
        return self._state

    async def run(self) -> None:
        """Ask until it is told to stop."""
        self._state = recalled(await self._desk.recall(self._name), self._desk.clock())
        while not self._desk.stop.is_set():
            if await self._wait(await self.step()):
                return

    async def step(self) -> float:
        """Do one thing; return how many seconds to wait before the next."""
        if self._desk.full() is not None:
            return FULL_S
        now = self._desk.clock()
        wish = await self._fresh_wish()
        if self._state.not_before is not None and now < self._state.not_before:
            if wish is None:
                return LOOK_S
            if self._state.state == BUSY:
                await self._give_up(wish.id, str(self._state.because))
                return LOOK_S
        task = await self._task(now, wish)
        if task is None:
            return LOOK_S
        self._state = replace(self._state.become("asking", None, now), task=task)
        doubled = AGAIN_S * 2**self._state.failures
        try:
            return await self._turn(task)
        except Busy as busy:
            return await self._failed(BUSY, str(busy), busy.seconds or min(doubled, MOST_S))
        except (ApiUnreachable, KeepFailed) as error:
            return await self._failed("away", str(error), min(doubled, MOST_S))
        except (Refusal, UnreadableDelivery, ApiNotAllowed) as error:
            return await self._failed("refused", str(error), min(10 * doubled, MOST_S))

    async def _fresh_wish(self) -> Wish | None:
        """Return the period that somebody waits for, unless it is being asked for already."""
        wish = wish_of(await self._desk.recall(wish_name(self._desk.source)))
        task, granted = self._state.task, self._state.granted
        known = {task.wish if task else None, granted.id if granted else None}
        return None if wish is None or wish.id in known else wish

    async def _task(self, now: datetime, wish: Wish | None) -> Task | None:
        task = self._state.task
        if task is not None and (task.wish is not None or wish is None):
            return task
        return next_task(
            self._history,
            self._state,
            now,
            wish=wish,
            outage_ended=await self._outage_ended(),
        )

    async def _outage_ended(self) -> datetime | None:
        """Return when the last time ended in which nothing was heard of this source."""
        now = self._desk.clock()
        if self._outage is not None and (now - self._outage[0]).total_seconds() < OUTAGES_S:
            return self._outage[1]
        ours = outages.recalled(await self._desk.recall(outages.MEMORY))
        name = part_state_name(self._desk.source, stream_state.PART)
        stream = await self._desk.recall(name)
        gaps = stream_state.recalled(stream, now).gaps
        ends = [*(outage.end for outage in ours), *(gap.end for gap in gaps)]
        self._outage = (now, max(ends, default=None))
        return self._outage[1]

    async def _turn(self, task: Task) -> float:
        """Ask one question, keep its answer together with the place behind it."""
        period = task.periods[0]
        request = self._history.request(self._desk.account, period.since, period.until, task.page)
        response = await self._answer(request)
        found = self._history.turn(self._desk.account, response, task.page)
        if found.keep and response.body:
            await self._keep(task, found, response)
        else:
            await self._go_on(task, found, None, False)
        return max(60.0 / self._history.per_minute, found.wait_s)

    async def _answer(self, request: ApiRequest) -> ApiResponse:
        """Return a good answer. A token that is not accepted is asked for anew, once."""
        for last in (self._tokens is None, True):
            authorised = await self._tokens.authorised(request) if self._tokens else request
            response = await self._ask(authorised)
            if self._tokens is None or not self._tokens.refused_by(response) or last:
                break
        if 200 <= response.status < 300 or response.status in self._history.not_yet:
            return response
        if response.status in (429, 503):
            raise Busy(retry_after_s(response, self._desk.clock()))
        if response.status >= 500:
            raise ApiUnreachable(f"it answered with status {response.status}")
        raise Refusal(f"it refused with status {response.status}")

    async def _keep(self, task: Task, found: Turned, response: ApiResponse) -> None:
        period = task.periods[0]
        delivery = new_delivery(
            self._desk,
            Kind.PULL,
            response.body,
            head={
                "api": self._history.api,
                "since": period.since.isoformat(),
                "until": period.until.isoformat(),
                "page": task.page,
            },
        )
        # Where it will lie is known only afterwards, so a wish remembers it with the next step.
        left = turned(task, found)
        memory = self._after(task, left, None, False) if task.wish is None else self._state
        [kept] = await self._desk.keep([delivery], {self._name: plain(memory)})
        place, new = (kept.partition, kept.position), kept.receipt is not Receipt.REPEATED
        log.info(
            "history.answered",
            source=self._desk.source,
            why=task.why,
            octets=len(response.body),
            new=new,
        )
        await self._go_on(task, found, place, new)

    async def _go_on(
        self, task: Task, found: Turned, place: tuple[int, int] | None, new: bool
    ) -> None:
        left = turned(task, found, place=place, new=new)
        self._state = self._after(task, left, place, new)
        if task.wish is not None or place is None:
            await self._desk.remember({self._name: plain(self._state)})

    def _after(
        self, task: Task, left: Task | None, place: tuple[int, int] | None, new: bool
    ) -> HistoryState:
        now = self._desk.clock()
        if left is None:
            return ended(self._state, task, now, place=place, new=new)
        return replace(self._state, task=left, failures=0, not_before=None)

    async def _failed(self, state: str, because: str, seconds: float) -> float:
        """Remember why, and where to go on; return how long to wait."""
        now, task = self._desk.clock(), self._state.task
        failures = self._state.failures + 1
        log.warning("history.waiting", source=self._desk.source, state=state, because=because)
        if task is not None and task.wish is not None and state == "away":
            seconds = WISH_AGAIN_S
        self._state = replace(
            self._state.become(state, because, now),
            failures=failures,
            not_before=now + timedelta(seconds=seconds),
        )
        if task is not None and task.wish is not None:
            if state != "away" or failures >= TRIES:
                await self._give_up(task.wish, because)
                return LOOK_S
        elif task is not None and task.page is not None and failures % TRIES == 0:
            self._state = replace(self._state, task=replace(task, page=None))  # tickets expire
        await self._remember()
        return LOOK_S

    async def _give_up(self, wish: str, because: str) -> None:
        """Tell whoever asked that the history cannot be asked now."""
        task = self._state.task
        rest = None if task is not None and task.wish == wish else task
        granted = Granted(id=wish, failed=because)
        self._state = replace(self._state, task=rest, granted=granted)
        await self._remember()

    async def _remember(self) -> None:
        try:
            await self._desk.remember({self._name: plain(self._state)})
        except KeepFailed as error:
            log.warning("history.unremembered", source=self._desk.source, because=str(error))


def retry_after_s(response: ApiResponse, now: datetime) -> float | None:
    """Return what Retry-After asks for (RFC 9110, section 10.2.3); None if it asks nothing."""
    stated = response.headers.get("retry-after", "").strip()
    if stated.isdecimal() and len(stated) < 10:
        return float(stated)
    try:
        at = parsedate_to_datetime(stated)
    except (TypeError, ValueError, IndexError):
        return None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
