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
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.exc import DBAPIError

from notify_app.channels.base import (
    Ambiguous,
    Channel,
    ChannelFailure,
    GiveUp,
    Invalid,
    Message,
    Misconfigured,
    Receipt,
)
from notify_app.extensions import db
from notify_app.live.announce import Changed, publish
from notify_app.pipeline import fallback, settle, sql
from notify_app.pipeline.pool import Job, Pool
from notify_app.pipeline.ready import AWAY, NotSent, make_ready
from notify_app.pipeline.step import hub, step
from notify_app.queue import BULK, URGENT, connect

__all__ = ["Deliverer"]

log = logging.getLogger(__name__)

# urgent messages have workers of their own, which a broadcast cannot keep busy
BANDS = {URGENT: (1, 1), BULK: (2, 4)}
WAVE = 200  # rows of a claim whose channels never block: from 100 to 500 a row costs the least
ENOUGH = 4  # a claim or a settlement is worth its round trips when this part of the places is free
GATHER_SECONDS = 0.01  # the longest that one that is finished waits for others
LOOK_SECONDS = 0.1  # how often a drain looks for more while it waits for what is being sent
AWAY_SECONDS = 0.2  # between two tries to settle while the database is away
GRACE_SECONDS = 120.0  # the longest time-outs of a provider's library, and some more


@dataclass
class _Run:
    """What one drain has in hand."""

    until: float
    pool: Pool
    token: UUID = field(default_factory=uuid4)  # of the last claim
    sent: list[Job] = field(default_factory=list)
    results: list[settle.Result] = field(default_factory=list)
    # what will not leave by its channel: row, reason, whether the address is to blame
    instead: list[tuple[Any, str, bool]] = field(default_factory=list)
    done: int = 0
    dry: bool = False
    renewed_at: float = field(default_factory=time.monotonic)
    looked_at: float = 0.0

    @property
    def ripe(self) -> bool:
        """Whether a claim would find places, and perhaps rows."""
        return self.pool.free > 0 and (not self.dry or time.monotonic() - self.looked_at >= LOOK_SECONDS)


class Deliverer:
    """Sends for one process: its channels, its threads, its random source. Each queue has places of its own and is
    drained by one thread at a time."""

    def __init__(
        self, channels: Mapping[str, Channel], *, threads: int, lease: timedelta, rng: random.Random
    ) -> None:
        self._channels = channels
        self._lease = lease
        self._rng = rng
        self._pools = {queue: Pool(threads, self._send) for queue in BANDS}
        self._instant = {name for name, channel in channels.items() if channel.instant}
        self._providers = json.dumps({name: channel.provider for name, channel in channels.items()})

    def close(self) -> None:
        """Let the threads and the channels' connections go."""
        for pool in self._pools.values():
            pool.close()
        for channel in self._channels.values():
            channel.close()

    def drain(self, queue: str, seconds: float, stop: Callable[[], bool] = lambda: False) -> int:
        """Deliver what is due on `queue` until nothing is, or `seconds` of real time have passed (what was
        begun is finished). Returns how many deliveries were settled or put off."""
        run = _Run(time.monotonic() + seconds, self._pools[queue])
        while True:
            # while something hangs the free places go on working, for a while beyond the drain's own time
            over = time.monotonic() - run.until
            closing = stop() or over >= (GRACE_SECONDS if run.pool.jobs else 0)
            if not closing and run.ripe:
                self._fill(run, queue)
            self._collect(run)
            self._settle(run)
            self._renew(run)
            if not run.pool.jobs and not run.results and (closing or run.dry):
                return run.done

    # --- claim and send --------------------------------------------------------------------------------------------

    def _fill(self, run: _Run, queue: str) -> None:
        run.looked_at = time.monotonic()
        run.token = uuid4()
        wanted = WAVE if self._instant == self._channels.keys() else run.pool.free
        try:
            rows = self._claim(queue, wanted, run.token)
        except AWAY as error:
            log.warning("nothing claimed: %s", type(error).__name__)
            rows = []
        run.dry = len(rows) < wanted
        by_organisation: dict[UUID, list[Any]] = {}
        for row in rows:
            by_organisation.setdefault(row.organisation_id, []).append(row)
        for organisation_id, mine in by_organisation.items():
            for one in make_ready(organisation_id, mine):
                self._renew(run)
                self._begin(run, one)

    def _claim(self, queue: str, limit: int, token: UUID) -> list[Any]:
        first, last = BANDS[queue]
        values = {"first": first, "last": last, "limit": limit, "token": token}
        values |= {"lease": self._lease, "providers": self._providers}
        with db.engines["engine"].begin() as conn:
            return list(conn.execute(sql.CLAIM, values))

    def _begin(self, run: _Run, one: Job | NotSent) -> None:
        if isinstance(one, NotSent):
            if one.instead:
                run.instead.append((one.row, one.instead, False))
            run.results.append(
                settle.not_tried(one.row, one.state, one.reason, wait=one.wait, detail=one.detail)
            )
        elif one.row.channel in self._instant:
            one.do(self._send)
            run.sent.append(one)
        else:
            run.pool.put(one)

    def _send(self, message: Message) -> Receipt:
        """On a thread, without the database. Raises ChannelFailure."""
        channel = self._channels.get(message.channel)
        if channel is None:
            raise Misconfigured(f"This worker has no channel called {message.channel}.", "no_channel")
        try:
            address = channel.clean(message.address)
        except Invalid as error:
            raise settle.BadAddress(str(error), "bad_address") from None
        return channel.send(message if address == message.address else replace(message, address=address))

    # --- settle ----------------------------------------------------------------------------------------------------

    def _collect(self, run: _Run) -> None:
        """What is finished becomes results. Waits only while there is nothing else to do."""
        if run.pool.jobs:
            idle = not run.sent and not run.results and not run.ripe
            patience = LOOK_SECONDS if idle else 0.0
            run.sent += run.pool.finished(patience, run.pool.places // ENOUGH or 1, GATHER_SECONDS)
            run.dry = run.dry and not run.sent
        run.results += [self._result(run, job) for job in run.sent]
        run.sent = []

    def _result(self, run: _Run, job: Job) -> settle.Result:
        row, answer = job.row, job.answer
        if isinstance(answer, Receipt):
            return settle.accepted(row, answer)
        if not isinstance(answer, ChannelFailure):
            log.error("delivery %s: the channel raised what it must not", row.id, exc_info=answer)
            answer = Ambiguous(f"{type(answer).__name__}: {answer}", "bug")
        result = settle.after_failure(row, answer, self._rng, doubts=job.doubts)
        if result["state"] == "failed":
            run.instead.append((row, answer.reason, isinstance(answer, GiveUp) and answer.suppress))
        return result

    def _settle(self, run: _Run) -> None:
        if not run.results:
            return
        try:
            self._otherwise(run)
            settled = self._written(run.results)
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
        publish(connect(hub().redis_url), [Changed(one, "delivery") for one in settled.organisations])

    def _written(self, results: list[settle.Result]) -> settle.Settled:
        begin = db.engines["engine"].begin
        try:
            with begin() as conn:
                return settle.write(conn, results)
        except AWAY:
            raise
        except DBAPIError:
            return settle.write_each(begin, results)

    def _otherwise(self, run: _Run) -> None:
        """What has not left by its channel goes by the next, or the office hears of it (A16). Before the row is
        settled, so that a crash between the two only does this again, which changes nothing."""
        while run.instead:
            row, reason, blocked = run.instead[0]
            try:
                with step(row.organisation_id) as work:
                    fallback.instead(work, row, reason, blocked=blocked)
            except AWAY:
                raise
            except Exception:
                log.exception("delivery %s: no other way was found", row.id)
            run.instead.pop(0)

    def _renew(self, run: _Run) -> None:
        """Say that what is in hand still is: every third of a lease, in one statement."""
        if time.monotonic() - run.renewed_at < self._lease.total_seconds() / 3:
            return
        tokens = list({run.token, *(job.row.token for job in run.pool.jobs)})
        try:
            with db.engines["engine"].begin() as conn:
                conn.execute(sql.RENEW, {"tokens": tokens, "lease": self._lease})
        except AWAY as error:
            log.warning("leases not renewed: %s", type(error).__name__)
        run.renewed_at = time.monotonic()
