"""The last step of the path: claim what is due, send it, settle it. No transaction is open while a provider is called.

One drain keeps the pool's free places filled: it claims just that many rows with a lease and a fencing token and
commits; decides once more whether each is still wanted; renders what was never rendered; sends on threads; settles
what is finished in one statement that leaves alone every row whose token is no longer its own. While it works it
renews its leases; a worker that freezes or dies does not, and `sweeps.rescue` takes over what it held.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app.channels.base import Ambiguous, Channel, ChannelFailure, GiveUp, Invalid, Message, Receipt
from notify_app.extensions import db
from notify_app.live.announce import Changed, publish
from notify_app.pipeline import again, fallback, sql, wording
from notify_app.pipeline.step import hub, step
from notify_app.policy.reasons import Reason, sentence
from notify_app.policy.retry import COUNTED, SCHEDULES, FailureClass, Retry, StopReason, next_attempt
from notify_app.queue import URGENT, connect

__all__ = ["Deliverer", "verdict"]

log = logging.getLogger(__name__)

PRIORITIES = {1: "urgent", 2: "high", 3: "medium", 4: "low"}
# urgent messages have workers of their own, which a broadcast cannot keep busy
BANDS = {URGENT: (1, 1), "bulk": (2, 4)}
LOOK_SECONDS = 1.0  # how often a drain looks for more while it waits for what is being sent
GRACE_SECONDS = 120.0  # the longest time-outs of a provider's library, and some more
STILL_MINE = """
    UPDATE delivery SET lease_until = clock_timestamp() + :lease
    WHERE organisation_id = :org AND id = :id AND token = :token AND state = 'sending'
"""
STOPPED = {
    StopReason.PERMANENT: Reason.provider_refused,
    StopReason.ATTEMPTS: Reason.attempts_used_up,
    StopReason.TOO_OLD: Reason.too_old,
    StopReason.UNCONFIRMED: Reason.sent_unconfirmed,
}
AFTER = {
    FailureClass.AMBIGUOUS: Reason.in_doubt,
    FailureClass.CONFIG: Reason.provider_config,
}


def verdict(row: Any) -> tuple[str, Reason] | None:
    """Decide again (invariant 6): the state and reason to settle with when a claimed row is no longer wanted.

    Read meanwhile, withdrawn, blocked, or too old. URGENT is sent even when its reader has seen it (another
    phone may lie elsewhere), and its first attempt even when late.
    """
    if row.blocked:
        return "suppressed", Reason.suppressed
    if row.carried and row.withdrawn == row.carried:
        return "skipped", Reason.withdrawn
    urgent = row.priority == 1
    if row.carried and not row.unread and not urgent:
        return "skipped", Reason.read_meanwhile
    oldest = SCHEDULES[row.channel].oldest(PRIORITIES[row.priority])
    if row.now - row.due_at > oldest and not (urgent and row.attempts == 1):
        return "skipped", Reason.too_old
    return None


def after_failure(row: Any, failure: ChannelFailure, rng: random.Random) -> dict[str, Any]:
    """The columns that a failed attempt settles with: a later try, or an end with its reason."""
    kind = failure.failure_class
    counted = kind in COUNTED
    outcome = next_attempt(
        row.channel,
        kind,
        row.failures + 1 if counted else row.failures,
        row.now - row.due_at,
        PRIORITIES[row.priority],
        rng,
        after=failure.after,
        ambiguous_before=row.doubts,
    )
    common = {
        "outcome": kind.value,
        "failed": counted,
        "detail": failure.reason,
        "error": failure.reason,
        "error_code": failure.code,
    }
    if isinstance(outcome, Retry):
        reason = AFTER.get(kind, Reason.provider_trouble)
        return {**common, "state": "queued", "reason": reason, "wait": outcome.at.total_seconds()}
    reason = Reason.bad_address if isinstance(failure, BadAddress) else STOPPED[outcome.reason]
    return {**common, "state": outcome.state, "reason": reason}


class BadAddress(GiveUp):
    """The address is not one: it fails before any provider is asked."""


@dataclass
class _Run:
    """What one drain has in hand."""

    until: float
    sending: dict[Future[Any], Any] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)
    # what will not leave by its channel: row, reason, whether the address is to blame
    instead: list[tuple[Any, str, bool]] = field(default_factory=list)
    done: int = 0
    dry: bool = False
    renewed_at: float = field(default_factory=time.monotonic)
    looked_at: float = 0.0


class Deliverer:
    """Sends for one process: its channels, its threads, its random source. Safe to drain one at a time."""

    def __init__(
        self, channels: Mapping[str, Channel], *, threads: int, lease: timedelta, rng: random.Random
    ) -> None:
        self._channels = channels
        self._threads = threads
        self._lease = lease
        self._rng = rng
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="send")
        self._providers = json.dumps({name: channel.provider for name, channel in channels.items()})

    def close(self) -> None:
        """Let the threads and the channels' connections go."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for channel in self._channels.values():
            channel.close()

    def drain(self, queue: str, seconds: float, stop: Callable[[], bool] = lambda: False) -> int:
        """Deliver what is due on `queue` until nothing is, or `seconds` of real time have passed (what was
        begun is finished). Returns how many deliveries were settled or put off."""
        run = _Run(time.monotonic() + seconds)
        while True:
            # while something hangs the free places go on working, for a while beyond the drain's own time
            over = time.monotonic() - run.until
            closing = stop() or over >= (GRACE_SECONDS if run.sending else 0)
            if not closing and (not run.dry or time.monotonic() - run.looked_at >= LOOK_SECONDS):
                run.looked_at = time.monotonic()
                self._fill(run, queue)
            if run.sending:
                finished, _ = wait(run.sending, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in finished:
                    run.results.append(self._result(run, run.sending.pop(future), future))
                    run.dry = False
            self._settle(run)
            self._renew(run)
            if not run.sending and not run.results and (closing or run.dry):
                return run.done

    # --- claim -----------------------------------------------------------------------------------------------------

    def _fill(self, run: _Run, queue: str) -> None:
        free = self._threads - len(run.sending)
        if free <= 0:
            return
        try:
            rows = self._claim(queue, free)
        except (OperationalError, PoolTimeout) as error:
            log.warning("nothing claimed: %s", type(error).__name__)
            rows = []
        run.dry = not rows
        for row in rows:
            message = self._prepare(run, row) if self._still_wanted(run, row) else None
            if message:
                run.sending[self._pool.submit(self._send, row.channel, message)] = row
            self._renew(run)

    def _claim(self, queue: str, free: int) -> list[Any]:
        first, last = BANDS[queue]
        values = {
            "first": first,
            "last": last,
            "limit": free,
            "token": uuid4(),
            "lease": self._lease,
            "providers": self._providers,
        }
        with db.engines["engine"].begin() as conn:
            return list(conn.execute(sql.CLAIM, values))

    def _still_wanted(self, run: _Run, row: Any) -> bool:
        refused = verdict(row)
        if refused is None:
            return True
        state, reason = refused
        detail = row.blocked if reason is Reason.suppressed else None
        if reason in (Reason.suppressed, Reason.too_old):
            run.instead.append((row, detail or sentence(reason), False))
        run.results.append(_columns(row) | {"state": state, "reason": reason, "detail": detail})
        return False

    def _prepare(self, run: _Run, row: Any) -> Message | None:
        """The message of a claimed row, written once and kept; None when it is settled otherwise. One row at a time,
        so that one which cannot be written holds up no other, and only while its lease is ours."""
        try:
            with step(row.organisation_id) as work:
                refused = again.refusal(work, row)
                written = None if refused else wording.Words(work).message(row)
                if not work.run(STILL_MINE, id=row.id, token=row.token, lease=self._lease):
                    return None
        except (OperationalError, PoolTimeout) as error:
            log.warning("not prepared: %s", type(error).__name__)
            run.results.append(_columns(row) | {"state": "queued", "reason": row.reason, "wait": 1.0})
            return None
        except Exception as bug:
            log.exception("delivery %s cannot be written", row.id)
            written, refused = f"{type(bug).__name__}: {bug}"[:500], None
        if isinstance(written, Message):
            return written
        if refused:
            if refused.reason is Reason.no_address:
                run.instead.append((row, sentence(refused.reason, {"channel": row.channel}), False))
            run.results.append(
                _columns(row) | {"state": refused.state, "reason": refused.reason, "wait": refused.wait}
            )
        else:
            run.instead.append((row, str(written), False))
            run.results.append(
                _columns(row) | {"state": "failed", "reason": Reason.template_failed, "detail": str(written)}
            )
        return None

    # --- send ------------------------------------------------------------------------------------------------------

    def _send(self, name: str, message: Message) -> Receipt:
        """On a thread, without the database. Raises ChannelFailure."""
        channel = self._channels[name]
        try:
            address = channel.clean(message.address)
        except Invalid as error:
            raise BadAddress(str(error), "bad_address") from None
        return channel.send(_readdressed(message, address))

    def _result(self, run: _Run, row: Any, future: Future[Any]) -> dict[str, Any]:
        try:
            receipt: Receipt = future.result()
        except ChannelFailure as failure:
            ended = after_failure(row, failure, self._rng)
            if ended["state"] == "failed":
                run.instead.append((row, failure.reason, isinstance(failure, GiveUp) and failure.suppress))
            return _columns(row) | ended
        except Exception as bug:
            log.exception("delivery %s: the channel raised what it must not", row.id)
            return _columns(row) | after_failure(
                row, Ambiguous(f"{type(bug).__name__}: {bug}", "bug"), self._rng
            )
        return _columns(row) | {
            "state": "sent",
            "outcome": "accepted",
            "provider": receipt.provider,
            "provider_id": receipt.provider_id,
            "response": receipt.response,
            "segments": receipt.segments or None,
            "cost_usd": str(receipt.cost_usd) if receipt.cost_usd is not None else None,
        }

    # --- settle ----------------------------------------------------------------------------------------------------

    def _settle(self, run: _Run) -> None:
        if not run.results:
            return
        try:
            self._otherwise(run)
            with db.engines["engine"].begin() as conn:
                settled = conn.execute(sql.SETTLE, {"results": _storable(run.results)}).all()
        except (OperationalError, PoolTimeout) as error:
            # kept in hand and tried again until the leases are gone; then the rescue sweep calls them ambiguous
            if time.monotonic() > run.until + self._lease.total_seconds():
                raise
            log.warning("not settled yet: %s", type(error).__name__)
            wait(run.sending, timeout=0.5) if run.sending else time.sleep(0.2)
            return
        lost = len(run.results) - len(settled)
        if lost:
            log.warning("stale_result: %s results came after their leases and changed nothing", lost)
        run.done += len(run.results)
        run.results = []
        organisations = {row.organisation_id for row in settled}
        publish(connect(hub().redis_url), [Changed(one, "delivery") for one in organisations])

    def _otherwise(self, run: _Run) -> None:
        """What has not left by its channel goes by the next, or the office hears of it (A16). Before the row is
        settled, so that a crash between the two only does this again, which changes nothing."""
        while run.instead:
            row, reason, blocked = run.instead[0]
            try:
                with step(row.organisation_id) as work:
                    fallback.instead(work, row, reason, blocked=blocked)
            except (OperationalError, PoolTimeout):
                raise
            except Exception:
                log.exception("delivery %s: no other way was found", row.id)
            run.instead.pop(0)

    def _renew(self, run: _Run) -> None:
        if not run.sending or time.monotonic() - run.renewed_at < self._lease.total_seconds() / 3:
            return
        tokens = list({row.token for row in run.sending.values()})
        try:
            with db.engines["engine"].begin() as conn:
                conn.execute(sql.RENEW, {"tokens": tokens, "lease": self._lease})
        except (OperationalError, PoolTimeout) as error:
            log.warning("leases not renewed: %s", type(error).__name__)
        run.renewed_at = time.monotonic()


def _readdressed(message: Message, address: str) -> Message:
    return message if address == message.address else replace(message, address=address)


def _storable(results: list[dict[str, Any]]) -> str:
    """The results as JSON that PostgreSQL takes: a provider's words may hold anything."""
    return json.dumps(
        [
            {
                name: value.replace("\x00", "").encode("utf-8", "ignore").decode()
                if isinstance(value, str)
                else value
                for name, value in result.items()
            }
            for result in results
        ]
    )


def _columns(row: Any) -> dict[str, Any]:
    return {
        "organisation_id": str(row.organisation_id),
        "id": str(row.id),
        "token": str(row.token),
        "number": row.attempts,
        "failed": False,
    }
