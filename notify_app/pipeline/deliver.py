"""The last step of the path: claim what is due, send it, settle it. No transaction is open while a provider is called.

One drain keeps the places of its pool filled: it claims just as many rows as there are free places with a lease and a
fencing token and commits; decides for each organisation's rows at once whether each is still wanted (`again`) and
what it says (`bodies`); sends; settles what is finished in one statement that leaves alone every row whose token is
no longer its own (`settle`). Channels that never block are sent to without a thread, in larger claims. While it works
it renews its leases; a worker that freezes or dies does not, and `sweeps.rescue` takes over what it held.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
from flask import Flask, current_app

from notify_app.channels import ProviderAccount
from notify_app.channels.base import OPTED_OUT, Channel, GiveUp, Invalid, Message, Misconfigured, Receipt
from notify_app.extensions import db
from notify_app.live.announce import Changed, publish
from notify_app.pipeline import budget, endpoints, fallback, settle, sql
from notify_app.pipeline.gate import Gate, NotNow, accounts_of
from notify_app.pipeline.line import AWAY, Line
from notify_app.pipeline.pool import Job, Pool
from notify_app.pipeline.ready import NotSent, make_ready
from notify_app.pipeline.step import hub, step
from notify_app.policy import sms
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.feedback import Block
from notify_app.policy.reasons import Reason, sentence
from notify_app.policy.sms import Prices
from notify_app.queue import BULK, URGENT, connect, wake

__all__ = ["Deliverer"]

log = logging.getLogger(__name__)

# urgent messages have workers of their own, which a broadcast cannot keep busy
BANDS = {URGENT: (1, 1), BULK: (2, 4)}
WAVE = 400  # rows of a claim whose channels never block: a row costs the least then
ENOUGH = 4  # a claim or a settlement is worth its round trips when this part of the places is free
GATHER_SECONDS = 0.01  # the longest that one that is finished waits for others
LOOK_SECONDS = 0.1  # how often a drain looks for more while it waits for what is being sent
TELL_SECONDS = 0.2  # between two announcements to the office's pages
AWAY_SECONDS = 0.2  # between two tries to settle while the database is away
URGENT_RANK = 1
BESIDES_AFTER = timedelta(seconds=120)  # reliability.md §3.3
# of the places of a queue, those that systems of an office's own choice may have, one of them and all: they may hang
OF_ONE, OF_ALL = 4, 0.5
CROWDED_SECONDS = (0.5, 1.5)  # what finds none of those free waits so long
GRACE_SECONDS = 120.0  # the longest time-outs of a provider's library, and some more

# what ends so goes another way, also where an early attempt may have arrived: then it is `unknown`
GIVEN_UP = (Reason.attempts_used_up, Reason.too_old)


@dataclass(frozen=True)
class _Instead:
    """What will not leave by its channel, or so late that another is better (`or_wait`), and why; `blocked`: the address
    is to blame, and is closed for this."""

    row: Any
    reason: str
    blocked: Block | None = None
    or_wait: bool = False
    besides: bool = False  # it waits for its own channel all the same


@dataclass
class _Run:
    """What one drain, or one lane of it, has in hand."""

    queue: str
    until: float
    stop: Callable[[], bool]
    more: Callable[[], None]  # called when a claim may have left something for others
    pool: Pool
    engine: Line  # across organisations
    app: Line  # within one
    token: UUID = field(default_factory=uuid4)  # of the last claim
    sent: list[Job] = field(default_factory=list)
    results: list[settle.Result] = field(default_factory=list)
    answers: list[tuple[str, ProviderAccount, Receipt | Exception | None]] = field(default_factory=list)
    instead: list[_Instead] = field(default_factory=list)
    # by organisation and endpoint
    heard: defaultdict[tuple[UUID, UUID], endpoints.Answers] = field(
        default_factory=lambda: defaultdict(endpoints.Answers)
    )
    done: int = 0
    dry: bool = False
    renewed_at: float = field(default_factory=time.monotonic)
    looked_at: float = 0.0
    changed: set[UUID] = field(default_factory=set)  # organisations whose pages are to be told
    told_at: float = 0.0

    @property
    def ripe(self) -> bool:
        """Whether a claim would find places, and perhaps rows. Not while there is something to settle."""
        if self.results or not self.pool.free:
            return False
        return not self.dry or time.monotonic() - self.looked_at >= LOOK_SECONDS


class Deliverer:
    """Sends for one process: its channels with their accounts, its threads, its random source. Each queue has places of
    its own and is drained by one thread at a time."""

    def __init__(
        self,
        channels: Mapping[str, Channel | Sequence[ProviderAccount]],
        *,
        threads: int,
        lease: timedelta,
        rng: random.Random,
        prices: Prices | None = None,
        office_share: float = 1.0,
    ) -> None:
        self._prices = prices or sms.prices()
        self._accounts = accounts_of(channels)
        self._gate = Gate(self._accounts, rng, office_share)
        self._lease = lease
        self._rng = rng
        self._pools = {queue: Pool(threads, self._send) for queue in BANDS}
        self._instant = {
            name for name, some in self._accounts.items() if all(one.channel.instant for one in some)
        }
        # nothing needs a place: claims are as large as is cheap
        self._waves = self._instant == self._accounts.keys()
        self._providers = json.dumps(
            {name: some[0].channel.provider for name, some in self._accounts.items()}
        )

    def close(self) -> None:
        """Let the threads and the channels' connections go."""
        for pool in self._pools.values():
            pool.close()
        for accounts in self._accounts.values():
            for account in accounts:
                account.channel.close()

    def drain(self, queue: str, seconds: float, stop: Callable[[], bool] = lambda: False) -> int:
        """Deliver what is due on `queue` until nothing is, or `seconds` of real time have passed (what was
        begun is finished). Returns how many deliveries were settled or put off."""
        until = time.monotonic() + seconds
        application = current_app._get_current_object()  # type: ignore[attr-defined]
        second: list[Future[int]] = []
        called = threading.Event()
        with ThreadPoolExecutor(1, "lane") as beside:

            def more() -> None:
                if called.is_set():
                    return
                called.set()
                wake(connect(hub().redis_url), [queue])  # a worker that is idle takes its part
                if self._waves:  # while PostgreSQL writes down what came of one wave, the next is sent
                    second.append(beside.submit(self._second_lane, application, queue, until, stop))

            done = self._lane(queue, until, stop, more)
        return done + sum(lane.result() for lane in second)

    def _second_lane(self, application: Flask, *asked: Any) -> int:
        with application.app_context():
            return self._lane(*asked)

    def _lane(
        self,
        queue: str,
        until: float,
        stop: Callable[[], bool],
        more: Callable[[], None] = lambda: None,
    ) -> int:
        with Line(db.engines["engine"]) as engine, Line(db.engine) as app:
            run = _Run(queue, until, stop, more, self._pools[queue], engine, app)
            try:
                self._work(run)
            finally:
                _tell(run)
        return run.done

    def _work(self, run: _Run) -> None:
        while True:
            # while something hangs the free places go on working, for a while beyond the drain's own time
            over = time.monotonic() - run.until
            closing = run.stop() or over >= (GRACE_SECONDS if run.pool.jobs else 0)
            if not closing and run.ripe:
                self._fill(run)
            self._collect(run)
            self._settle(run)
            self._renew(run)
            if not run.pool.jobs and not run.results and (closing or run.dry):
                return

    # --- claim and send --------------------------------------------------------------------------------------------

    def _fill(self, run: _Run) -> None:
        run.looked_at = time.monotonic()
        run.token = uuid4()
        self._gate.look(run.engine)
        wanted = WAVE if self._waves else run.pool.free
        try:
            rows = self._claim(run, wanted)
        except AWAY as error:
            log.warning("nothing claimed: %s", type(error).__name__)
            rows = []
        run.dry = len(rows) < wanted
        if not run.dry:
            run.more()
        by_organisation: defaultdict[str, list[Any]] = defaultdict(list)
        for row in rows:
            by_organisation[row.organisation_id].append(row)
        for organisation_id, mine in by_organisation.items():
            for one in make_ready(run.app, UUID(organisation_id), mine):
                self._renew(run)
                self._begin(run, one)

    def _claim(self, run: _Run, limit: int) -> list[Any]:
        first, last = BANDS[run.queue]
        values = {"first": first, "last": last, "limit": limit, "token": run.token}
        return run.engine.all(sql.CLAIM, values | {"lease": self._lease, "providers": self._providers})

    def _begin(self, run: _Run, one: Job | NotSent) -> None:
        if isinstance(one, NotSent):
            self._put_off(run, one)
            return
        if self._crowded(run, one.row):
            wait = self._rng.uniform(*CROWDED_SECONDS)
            self._put_off(run, NotSent(one.row, "queued", Reason.provider_pace, wait=wait), one.held)
            return
        way = self._gate.way(run.engine, one.row)
        if isinstance(way, NotNow):
            self._put_off(run, NotSent(one.row, "queued", way.reason, wait=way.wait), one.held)
            if way.down and one.row.priority == URGENT_RANK:
                run.instead.append(_Instead(one.row, sentence(way.reason), besides=True))
            return
        if way is not None:
            one.by = way
        if one.row.channel in self._instant:
            one.do(self._send)
            run.sent.append(one)
        else:
            run.pool.put(one)

    def _crowded(self, run: _Run, row: Any) -> bool:
        """Whether systems of offices' own choice have as many places as they may."""
        if row.channel in self._instant or channel_type(row.channel).personal:
            return False
        busy = [job.row.address for job in run.pool.jobs if not channel_type(job.row.channel).personal]
        return busy.count(row.address) >= OF_ONE or len(busy) >= max(1, int(run.pool.places * OF_ALL))

    def _put_off(self, run: _Run, one: NotSent, held: Decimal | None = None) -> None:
        if one.instead:
            run.instead.append(_Instead(one.row, one.instead, or_wait=one.or_wait))
        result = settle.not_tried(one.row, one.state, one.reason, wait=one.wait, detail=one.detail)
        run.results.append(result | settle.given_back(held))

    def _send(self, message: Message, by: ProviderAccount | None) -> Receipt:
        """On a thread, without the database. Raises ChannelFailure."""
        if by is None:
            raise Misconfigured(f"This worker has no channel called {message.channel}.", "no_channel")
        try:
            address = by.channel.clean(message.address)
        except Invalid as error:
            raise settle.BadAddress(str(error), "bad_address") from None
        return by.channel.send(message if address == message.address else replace(message, address=address))

    # --- settle ----------------------------------------------------------------------------------------------------

    def _collect(self, run: _Run) -> None:
        """What is finished becomes results. Waits only while there is nothing else to do."""
        if run.pool.jobs:
            idle = not run.sent and not run.results and not run.ripe
            patience = LOOK_SECONDS if idle else 0.0
            run.sent += run.pool.finished(patience, run.pool.places // ENOUGH or 1, GATHER_SECONDS)
            run.dry = run.dry and not run.sent
        run.results += [self._result(run, job) for job in run.sent]
        run.answers += [(job.row.channel, job.by, job.answer) for job in run.sent if job.by]
        for job in run.sent:
            if job.row.channel == endpoints.CHANNEL and job.by:
                run.heard[UUID(job.row.organisation_id), UUID(job.row.address)].add(job.answer)
        run.sent = []

    def _result(self, run: _Run, job: Job) -> settle.Result:
        result = settle.came_of(job.row, job.answer, self._rng, doubts=job.doubts)
        if job.row.channel == budget.CHANNEL:
            result = settle.priced(result, job.row.address, job.message.text, job.event, self._prices)
            result |= settle.given_back(job.held)
        if job.by and len(self._accounts[job.row.channel]) > 1:
            result |= {"provider": job.by.channel.provider, "account": job.by.name}
        if result["state"] == "queued" and _pressing(job.row):
            run.instead.append(_Instead(job.row, result["error"], besides=True))
        if result["state"] == "failed" or result.get("reason") in GIVEN_UP:
            run.instead.append(_Instead(job.row, result["error"], blocked=_to_blame(job.answer)))
        return result

    def _settle(self, run: _Run) -> None:
        if not run.results:
            return
        self._gate.note(run.answers)
        run.answers = []
        try:
            self._otherwise(run)
            settled = _written(run)
        except AWAY as error:
            # kept in hand and tried again until the leases are gone; then the rescue sweep calls them ambiguous
            if time.monotonic() > run.until + self._lease.total_seconds():
                raise
            log.warning("not settled yet: %s", type(error).__name__)
            time.sleep(AWAY_SECONDS)
            return
        lost = len(run.results) - settled.count
        if lost:
            log.warning("stale_result: %s results came after their leases and changed nothing", lost)
        run.done += len(run.results)
        run.results = []
        run.changed |= settled.organisations
        if time.monotonic() - run.told_at >= TELL_SECONDS:
            _tell(run)

    def _otherwise(self, run: _Run) -> None:
        """What has not left by its channel goes by the next, or the office hears of it (A16). Before the row is
        settled, so that a crash between the two only does this again, which changes nothing."""
        while run.heard:
            (organisation_id, endpoint_id), answers = next(iter(run.heard.items()))
            try:
                with step(organisation_id) as work:
                    endpoints.heard(work, endpoint_id, answers)
            except AWAY:
                raise
            except Exception:
                log.exception("endpoint %s: what it answered is not kept", endpoint_id)
            del run.heard[organisation_id, endpoint_id]
        while run.instead:
            one = run.instead[0]
            if one.row.person_id is None:  # an endpoint's message has no other way
                run.instead.pop(0)
                continue
            try:
                with step(UUID(one.row.organisation_id)) as work:
                    if one.besides:
                        fallback.besides(work, one.row)
                        gone = False
                    else:
                        gone = fallback.instead(
                            work, one.row, one.reason, blocked=one.blocked, or_wait=one.or_wait
                        )
                if gone and one.or_wait:
                    run.results = [_given_up(result, one.row) for result in run.results]
            except AWAY:
                raise
            except Exception:
                log.exception("delivery %s: no other way was found", one.row.id)
            run.instead.pop(0)

    def _renew(self, run: _Run) -> None:
        """Say that what is in hand still is: every third of a lease, in one statement."""
        if time.monotonic() - run.renewed_at < self._lease.total_seconds() / 3:
            return
        tokens = list({str(run.token), *(job.row.token for job in run.pool.jobs)})
        try:
            run.engine.all(sql.RENEW, {"tokens": tokens, "lease": self._lease})
        except AWAY as error:
            log.warning("leases not renewed: %s", type(error).__name__)
        run.renewed_at = time.monotonic()


def _to_blame(answer: Any) -> Block | None:
    """Why the address is not written to again, if it is to blame."""
    if not isinstance(answer, GiveUp) or not answer.suppress:
        return None
    return Block.opt_out if answer.code == OPTED_OUT else Block.refused


def _pressing(row: Any) -> bool:
    """Whether it is urgent and could not leave for so long that another way is taken besides."""
    return bool(row.priority == URGENT_RANK and row.now - row.due_at >= BESIDES_AFTER)


def _given_up(result: settle.Result, row: Any) -> settle.Result:
    if result["id"] != row.id:
        return result
    if result["reason"] == Reason.budget:
        return settle.not_tried(row, "suppressed", Reason.budget)
    return settle.not_tried(row, "skipped", Reason.too_old)


def _written(run: _Run) -> settle.Settled:
    try:
        return settle.write(run.engine.all, run.results)
    except psycopg.Error as error:
        if isinstance(error, AWAY) and not isinstance(error, psycopg.errors.LockNotAvailable):
            raise
        return settle.write_each(run.engine.all, run.results)


def _tell(run: _Run) -> None:
    """The office's pages hear that deliveries have changed: at once, and then a few times a second."""
    publish(connect(hub().redis_url), [Changed(one, "delivery") for one in run.changed])
    run.changed, run.told_at = set(), time.monotonic()
