"""Between claim and send: is each row still wanted, and what does it say? For one organisation's rows of a claim at once.

What was written before is ready first; what must be written comes after it in small parts, so that nothing waits for
somebody else's slow template. A row that cannot be written, or at which the database itself fails, is told of for
itself and takes no other with it. No transaction is open while anything is written or handed out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app.pipeline import again, bodies
from notify_app.pipeline.bodies import Bodies, Body
from notify_app.pipeline.pool import Job
from notify_app.pipeline.step import step
from notify_app.policy.reasons import Reason, sentence

__all__ = ["AWAY", "NotSent", "make_ready"]

log = logging.getLogger(__name__)

Found = TypeVar("Found")
AWAY = (OperationalError, PoolTimeout)  # the database; whatever else it raises is about a row
LATER_SECONDS = 1.0  # when the database went away in the middle
WRITE_SECONDS = 0.25  # after so long what has been written leaves before more is written
# the address is of no use, or of no use any more: the next channel is to be taken (A16)
ANOTHER_WAY = (Reason.suppressed, Reason.too_old, Reason.no_address)


@dataclass(frozen=True)
class NotSent:
    """A claimed row that does not leave now: the state and reason to settle with; `wait` in seconds where it is put off.
    `instead` says why another way to its reader is to be found, where that is so."""

    row: Any
    state: str
    reason: str | None
    wait: float | None = None
    detail: str | None = None
    instead: str | None = None


def make_ready(organisation_id: UUID, rows: Sequence[Any]) -> Iterator[Job | NotSent]:
    """Each of these rows once, as what is to be sent or as why not; a row that another worker has taken over, never."""
    for looked in _guarded(rows, lambda some: _look(organisation_id, some)):
        if isinstance(looked, NotSent):
            yield looked
            continue
        yield from looked.refused
        yield from looked.jobs
        yield from _written(organisation_id, looked)


@dataclass
class _Looked:
    """What one look into the database has found."""

    facts: Mapping[UUID, Any]
    bodies: Bodies | None
    refused: list[NotSent]
    jobs: list[Job]

    def job(self, row: Any, body: Body) -> Job:
        assert self.bodies is not None
        fact = self.facts[row.id]
        return Job(row, self.bodies.message(row, fact, body), fact.doubts)


def _guarded(rows: Sequence[Any], work: Callable[[Sequence[Any]], Found]) -> Iterator[Found | NotSent]:
    """`work` for all of them; when it fails, for each alone, so that only the one at fault does not leave."""
    try:
        yield work(rows)
    except AWAY as error:
        log.warning("not ready: %s", type(error).__name__)
        yield from (NotSent(row, "queued", row.reason, wait=LATER_SECONDS) for row in rows)
    except Exception as bug:
        if len(rows) == 1:
            log.exception("delivery %s cannot be written", rows[0].id)
            yield _broken(rows[0], f"{type(bug).__name__}: {bug}"[: bodies.LONGEST_ERROR])
            return
        for row in rows:
            yield from _guarded([row], work)


def _look(organisation_id: UUID, rows: Sequence[Any]) -> _Looked:
    with step(organisation_id) as work:
        facts = again.read(work, rows)
        looked = _Looked(facts, None, [], [])
        wanted = []
        for row in rows:
            if row.id in facts:
                refusal = again.refusal(facts[row.id], work.now)
                if refusal is None:
                    wanted.append(row)
                else:
                    looked.refused.append(_refused(row, refusal))
        if wanted:
            looked.bodies = bodies.look(work, wanted, facts)
            looked.refused += [_broken(row, said) for row, said in looked.bodies.broken]
            kept = looked.bodies.kept
            looked.jobs = [looked.job(row, kept[row.content_id]) for row in wanted if row.content_id in kept]
    return looked


def _refused(row: Any, refusal: again.Refusal) -> NotSent:
    instead = None
    if refusal.reason in ANOTHER_WAY:
        instead = refusal.detail or sentence(refusal.reason, {"channel": row.channel})
    return NotSent(row, refusal.state, refusal.reason, refusal.wait, refusal.detail, instead)


def _broken(row: Any, said: str) -> NotSent:
    return NotSent(row, "failed", Reason.template_failed, detail=said, instead=said)


def _written(organisation_id: UUID, looked: _Looked) -> Iterator[Job | NotSent]:
    """Write what was never written, and keep it before it leaves."""
    done: list[tuple[Any, Body]] = []
    since = time.monotonic()
    for one in looked.bodies.unwritten if looked.bodies else ():
        body = one.body()
        if isinstance(body, str):
            yield _broken(one.row, body)
            continue
        done.append((one.row, body))
        if time.monotonic() - since > WRITE_SECONDS:
            yield from _kept(organisation_id, looked, done)
            done, since = [], time.monotonic()
    if done:
        yield from _kept(organisation_id, looked, done)


def _kept(
    organisation_id: UUID, looked: _Looked, done: Sequence[tuple[Any, Body]]
) -> Iterator[Job | NotSent]:
    written = {row.id: body for row, body in done}

    def keep(rows: Sequence[Any]) -> list[Job]:
        with step(organisation_id) as work:
            mine = bodies.keep(work, [(row, written[row.id]) for row in rows])
        return [looked.job(row, written[row.id]) for row in rows if row.id in mine]

    for kept in _guarded([row for row, _ in done], keep):
        if isinstance(kept, NotSent):
            yield kept
        else:
            yield from kept
