"""Between claim and send: is each row still wanted, and what does it say? For one organisation's rows of a claim at once.

What was written before is ready first; what must be written comes after it in small parts, so that nothing waits for
somebody else's slow template. A row that cannot be written, or at which the database itself fails, is told of for
itself and takes no other with it. No transaction is open while anything is written or handed out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from notify_app.pipeline import again, bodies, budget, flaws, pace
from notify_app.pipeline.bodies import Body, Office, Unwritten
from notify_app.pipeline.line import AWAY, Line
from notify_app.pipeline.pool import Job
from notify_app.pipeline.step import step
from notify_app.policy.reasons import Reason, sentence

__all__ = ["NotSent", "make_ready"]

log = logging.getLogger(__name__)

Found = TypeVar("Found")
LATER_SECONDS = 1.0  # when the database went away in the middle
WRITE_SECONDS = 0.02  # after so long what has been written leaves before more is written
# the address is of no use, or of no use any more: the next channel is to be taken (A16)
ANOTHER_WAY = (Reason.suppressed, Reason.too_old, Reason.no_address)


@dataclass(frozen=True)
class NotSent:
    """A claimed row that does not leave now: the state and reason to settle with; `wait` in seconds where it is put off.
    `instead` says why another way to its reader is to be found, where that is so; `or_wait`: what has none waits."""

    row: Any
    state: str
    reason: str | None
    wait: float | None = None
    detail: str | None = None
    instead: str | None = None
    or_wait: bool = False


def make_ready(line: Line, organisation_id: UUID, rows: Sequence[Any]) -> Iterator[Job | NotSent]:
    """Each of these rows once, as what is to be sent or as why not; a row that another worker has taken over, never."""
    for looked in _guarded(rows, lambda some: _look(line, organisation_id, some)):
        if isinstance(looked, NotSent):
            yield looked
            continue
        yield from looked.refused
        yield from _paid(organisation_id, looked)
        yield from _written(line, organisation_id, looked)


@dataclass
class _Looked:
    """What one look into the database has found."""

    office: Office
    facts: Mapping[str, Any]  # of those that are still ours, by their ids
    tally: pace.Tally | None = None  # what has left to whom; None where that was asked before
    refused: list[NotSent] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    unwritten: list[Unwritten] = field(default_factory=list)

    def sort(self, rows: Sequence[Any], body: Callable[[Any], Body | None]) -> list[Any]:
        """Decide on these rows: those with a body become jobs; those without one, if they are wanted, come back."""
        fresh = []
        for row in rows:
            fact = self.facts.get(row.id)
            if fact is None:
                continue
            refusal = again.refusal(row, fact, self.office.now)
            if refusal is None and self.tally is not None:
                refusal = self.tally.refusal(row, fact)
            if refusal is not None:
                self.refused.append(_refused(row, refusal))
            elif (text := body(row)) is not None:
                message = self.office.message(row, fact, text)
                self.jobs.append(Job(row, message, fact.doubts, _event(row, fact)))
            else:
                fresh.append(row)
        return fresh


def _guarded(rows: Sequence[Any], work: Callable[[Sequence[Any]], Found]) -> Iterator[Found | NotSent]:
    """`work` for all of them; when it fails, for each alone, so that only the one at fault does not leave."""
    try:
        found = work(rows)
    except AWAY as error:
        log.warning("not ready: %s", type(error).__name__)
        yield from (NotSent(row, "queued", row.reason, wait=LATER_SECONDS) for row in rows)
        return
    except Exception as error:  # noqa: BLE001 - in the end `said` logs it
        if len(rows) == 1:
            yield _broken(rows[0], bodies.said(error, rows[0]))
            return
    else:
        yield found
        return
    for row in rows:
        yield from _guarded([row], work)


def _look(line: Line, organisation_id: UUID, rows: Sequence[Any]) -> _Looked:
    ids = {row.content_id for row in rows} - {None}
    kept_before = [(bodies.KEPT, {"ids": list(ids)})] if ids else []
    facts, offices, *bodies_ = line.scoped(
        organisation_id, again.question(rows), (bodies.OFFICE, {}), *kept_before
    )
    kept = {one.id: one._asdict() for some in bodies_ for one in some}
    office, known = Office.of(offices[0]), {fact.id: fact for fact in facts}
    counted = pace.question(rows, known, office.pace, office.now)
    history = line.scoped(organisation_id, counted)[0] if counted else []
    looked = _Looked(office, known, pace.Tally(office.pace, office.now, history))
    fresh = looked.sort(rows, lambda row: kept.get(row.content_id))
    if fresh:
        with step(organisation_id) as work:
            for one in bodies.look(work, fresh, looked.facts):
                if isinstance(one, Unwritten):
                    looked.unwritten.append(one)
                else:
                    looked.refused.append(_broken(*one))
    return looked


def _refused(row: Any, refusal: again.Refusal) -> NotSent:
    instead = None
    if refusal.too_long:
        instead = sentence(Reason.too_old, {})
    elif refusal.reason in ANOTHER_WAY:
        instead = refusal.detail or sentence(refusal.reason, {"channel": row.channel})
    return NotSent(
        row, refusal.state, refusal.reason, refusal.wait, refusal.detail, instead, refusal.too_long
    )


def _broken(row: Any, why: str) -> NotSent:
    return NotSent(row, "failed", Reason.template_failed, detail=why, instead=why)


def _written(line: Line, organisation_id: UUID, looked: _Looked) -> Iterator[Job | NotSent]:
    """Write what was never written, and keep it before it leaves."""
    done: list[tuple[Any, Body]] = []
    since = time.monotonic()
    for one in looked.unwritten:
        body = one.body()
        _note_flaws(organisation_id, one)
        if isinstance(body, str):
            yield _broken(one.row, body)
            continue
        done.append((one.row, body))
        if time.monotonic() - since > WRITE_SECONDS:
            yield from _kept(line, organisation_id, done)
            done, since = [], time.monotonic()
    if done:
        yield from _kept(line, organisation_id, done)


def _note_flaws(organisation_id: UUID, one: Unwritten) -> None:
    """The office is to hear that its own template could not be used; once is enough, so a claim says it once."""
    found = list(one.words.flaws)
    if not found or one.words.noted:
        return
    try:
        with step(organisation_id) as work:
            flaws.note(work, found)
        one.words.noted = True
    except AWAY as error:  # the next message that it spoils says it again
        log.warning("a flaw of a template was not noted: %s", type(error).__name__)


def _kept(line: Line, organisation_id: UUID, done: Sequence[tuple[Any, Body]]) -> Iterator[Job | NotSent]:
    written = {row.id: body for row, body in done}

    def keep(rows: Sequence[Any]) -> _Looked:
        given = bodies.given([(row, written[row.id]) for row in rows])
        # writing may have taken a while: what has changed meanwhile counts too
        mine, offices, facts = line.scoped(
            organisation_id, (bodies.KEEP, given), (bodies.OFFICE, {}), again.question(rows)
        )
        ours = {one.id for one in mine}
        kept = _Looked(Office.of(offices[0]), {fact.id: fact for fact in facts if fact.id in ours})
        kept.sort(rows, lambda row: written[row.id])
        return kept

    for kept in _guarded([row for row, _ in done], keep):
        if isinstance(kept, NotSent):
            yield kept
        else:
            yield from kept.refused
            yield from _paid(organisation_id, kept)


def _event(row: Any, fact: Any) -> str:
    """What its cost stands under: the event, or what else it was for (several at once, a test)."""
    return str(fact.name if fact.name and row.purpose == "notification" else row.purpose)


# --- what it costs ---------------------------------------------------------------------------------------------------


def _paid(organisation_id: UUID, looked: _Looked) -> Iterator[Job | NotSent]:
    """The jobs for which there is money; what costs some and finds none is refused."""
    costly = budget.of_sms(looked.jobs) if looked.office.has_budget else []
    if not costly:
        yield from looked.jobs
        return
    yield from (job for job in looked.jobs if job.row.channel != budget.CHANNEL)
    try:
        refused = budget.hold(organisation_id, costly)
    except AWAY as error:
        log.warning("no money asked for: %s", type(error).__name__)
        yield from (NotSent(job.row, "queued", job.row.reason, wait=LATER_SECONDS) for job in costly)
        return
    for job in costly:
        refusal = refused.get(job.row.id)
        yield job if refusal is None else _unpaid(job.row, refusal)


def _unpaid(row: Any, refusal: again.Refusal) -> NotSent:
    """Another channel is looked for when money is first found wanting, and once more when it is given up."""
    waits, asked_before = refusal.state == "queued", row.reason == Reason.budget
    instead = None
    if row.purpose in again.WAITING and not (waits and asked_before):
        instead = sentence(Reason.budget)
    return NotSent(row, refusal.state, refusal.reason, refusal.wait, refusal.detail, instead, or_wait=waits)
