"""What an organisation may still spend on SMS, asked right before they leave, and how it stands (architecture: reliability.md §3.2).

Settlement adds up what was spent, in the statement that settles (`sql.SETTLE`: `sms_spent`). What is about to be sent is
held before (`sms_hold`), one row for a claim and organisation, under a lock of the organisation's budget: so however many workers
send at once, what is not urgent never costs more than it may. A hold counts as long as one delivery of its claim is
under way, so what a dead worker held is free, or spent, when its deliveries are settled by the rescue sweep. Asked once for the
messages of a claim that are ready together, and only of an organisation that has a budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from notify_app.pipeline.again import PRIORITIES, WAITING, Refusal
from notify_app.pipeline.pool import Job
from notify_app.pipeline.step import Step, hub, step
from notify_app.policy import sms
from notify_app.policy.budget import Budget, Period, Purse, first_of_month
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.formats import local
from notify_app.policy.reasons import Reason

__all__ = ["CHANNEL", "Standing", "affords", "hold", "let_go", "of_sms", "standing", "standing_of_budget"]

CHANNEL = "sms"  # the one that costs by the message
URGENT = 1
# so often a message that waits for money asks again; the budget's own change lets it go at once
LOOK_AGAIN = timedelta(minutes=10)

LOCK = """
    SELECT o.zone, b.month_usd, b.day_usd, b.reserve, b.month_refused_at, b.day_refused_at
    FROM sms_budget b JOIN organisation o ON o.id = b.organisation_id WHERE b.organisation_id = :org FOR UPDATE OF b
"""
BUDGET = """
    SELECT o.zone, b.month_usd, b.day_usd, b.reserve, b.month_refused_at, b.day_refused_at
    FROM organisation o LEFT JOIN sms_budget b ON b.organisation_id = o.id WHERE o.id = :org
"""
# What is spent, and what is held: in one statement, so that what is being settled meanwhile is in one of the two and not
# in neither. A hold counts while something of its claim is under way
SPENT = """
    SELECT coalesce(sum(cost_usd), 0) AS month, coalesce(sum(cost_usd) FILTER (WHERE day = :today), 0) AS day,
           (SELECT coalesce(sum(h.cost_usd), 0) FROM sms_hold h WHERE h.organisation_id = :org AND h.token IN (
               SELECT d.token FROM delivery d WHERE d.organisation_id = :org AND d.state = 'sending')) AS held
    FROM sms_spent WHERE organisation_id = :org AND day >= :first AND day <= :today
"""
FORGET = """
    DELETE FROM sms_hold h WHERE h.organisation_id = :org AND h.token <> :token AND h.token NOT IN (
        SELECT d.token FROM delivery d WHERE d.organisation_id = :org AND d.state = 'sending')
"""
HOLD = """
    INSERT INTO sms_hold AS h (organisation_id, token, cost_usd) VALUES (:org, :token, :cost)
    ON CONFLICT ON CONSTRAINT pk_sms_hold DO UPDATE SET cost_usd = h.cost_usd + excluded.cost_usd
"""
REFUSED = """
    UPDATE sms_budget SET month_refused_at = CASE WHEN :month THEN hub_now() ELSE month_refused_at END,
        day_refused_at = CASE WHEN :day THEN hub_now() ELSE day_refused_at END
    WHERE organisation_id = :org
"""
LET_GO = """
    UPDATE delivery SET next_attempt_at = :now
    WHERE organisation_id = :org AND state = 'queued' AND reason = 'budget' AND next_attempt_at > :now
"""


@dataclass(frozen=True)
class Standing:
    """How an organisation's budget stands: `month` and `day` are spent, `held` is about to be. `budget` is None where there
    is none."""

    budget: Budget | None
    zone: str
    today: date
    month: Decimal
    day: Decimal
    held: Decimal
    month_refused_at: datetime | None = None
    day_refused_at: datetime | None = None

    def purse(self) -> Purse | None:
        """What of it can still be spent."""
        if self.budget is None:
            return None
        return Purse(self.budget, month=self.month + self.held, day=self.day + self.held)

    def spent(self, period: Period) -> Decimal:
        return self.month if period is Period.month else self.day

    def refused(self, period: Period) -> bool:
        """Whether a message of this very period did not leave for want of it."""
        at = self.month_refused_at if period is Period.month else self.day_refused_at
        if at is None:
            return False
        on = local(at, self.zone).date()
        return on == self.today or (
            period is Period.month and first_of_month(on) == first_of_month(self.today)
        )


def standing(work: Step) -> Standing:
    """As of now, also of an organisation without a budget."""
    return _standing(work, work.one(BUDGET))


def standing_of_budget(work: Step) -> Standing | None:
    """The same where there is a budget; None, for one look, where there is none."""
    row = work.one(BUDGET)
    return None if row.month_usd is None else _standing(work, row)


def _standing(work: Step, row: Any) -> Standing:
    today = local(work.now, row.zone).date()
    spent = work.one(SPENT, today=today, first=first_of_month(today))
    budget = None if row.month_usd is None else Budget(row.month_usd, row.day_usd, row.reserve)
    refused = row.month_refused_at, row.day_refused_at
    return Standing(budget, row.zone, today, spent.month, spent.day, spent.held, *refused)


def affords(work: Step, text: str, number: str) -> bool:
    """Whether there is money for an SMS that is not urgent, as of now: nothing is held for it."""
    purse = standing(work).purse()
    return purse is None or purse.take(sms.prices(hub().sms_prices).cost(text, number), urgent=False)


def let_go(work: Step) -> int:
    """What waits for money asks again at once."""
    return work.run(LET_GO, now=work.now)


def hold(organisation_id: UUID, jobs: Sequence[Job]) -> dict[str, Refusal]:
    """Hold what these messages of one claim would cost, the most pressing first; by their ids, those that must not leave.
    Money is held before anything is sent, in a transaction of its own."""
    prices = sms.prices(hub().sms_prices)
    with step(organisation_id) as work:
        row = work.one(LOCK)
        # read after the lock was given: what another worker held meanwhile is seen
        purse = _standing(work, row).purse() if row else None
        if purse is None:
            return {}
        refused = {}
        for job in sorted(jobs, key=lambda one: one.row.priority):
            cost = prices.cost(job.message.text, job.message.address)
            if purse.take(cost, urgent=job.row.priority == URGENT):
                job.held = cost
            else:
                refused[job.row.id] = _refusal(job.row, work.now)
        _write(work, jobs, purse)
    return refused


def _write(work: Step, jobs: Sequence[Job], purse: Purse) -> None:
    token = jobs[0].row.token
    if purse.taken:
        work.run(FORGET, token=token)
        work.run(HOLD, token=token, cost=purse.taken)
    if purse.short:
        work.run(REFUSED, month=Period.month in purse.short, day=Period.day in purse.short)


def _refusal(row: Any, now: datetime) -> Refusal:
    """It waits for more money as long as it would be of use; then it ends."""
    oldest = channel_type(row.channel).schedule.oldest(PRIORITIES[row.priority].value)
    if row.purpose not in WAITING or now - row.due_at + LOOK_AGAIN >= oldest:
        return Refusal("suppressed", Reason.budget)
    return Refusal("queued", Reason.budget, LOOK_AGAIN.total_seconds())


def of_sms(jobs: Iterable[Job]) -> list[Job]:
    """Those that cost something."""
    return [job for job in jobs if job.row.channel == CHANNEL]
