"""What a provider reports of a message that it has taken, kept first and applied then: so nothing is lost and nothing is done
twice, in whatever order it comes.

`keep` writes a message of a topic down, once; `take` does what it asks for. A report may come before its message is
written down as sent, for the provider answers it while our answer is still on its way: then it waits for the sweep. Its
content is kept no longer than that.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from notify_app.channels.reports import Answered, Report
from notify_app.extensions import db
from notify_app.live.announce import Changed
from notify_app.pipeline import fallback, sql
from notify_app.pipeline.step import Step, hub, step
from notify_app.policy import feedback as policy
from notify_app.policy.feedback import SOFT_WINDOW_DAYS, Block, Heard
from notify_app.work import blocked, replies

__all__ = ["GIVEN_UP", "apply", "forget", "is_known", "keep", "take"]

log = logging.getLogger(__name__)

GIVEN_UP = timedelta(hours=1)  # after that a report is about nothing that was sent here
SOONEST, LATEST = timedelta(seconds=5), timedelta(minutes=10)  # until it is looked at again
WINDOW = timedelta(days=SOFT_WINDOW_DAYS)

LOCK = """
    SELECT id, person_id, channel, address, purpose, group_key, priority, state, reason, due_at FROM delivery
    WHERE organisation_id = :org AND id = :id FOR UPDATE
"""
MOVE = """
    UPDATE delivery SET state = :state, reason = :reason, detail = coalesce(nullif(:detail, ''), detail)
    WHERE organisation_id = :org AND id = :id
"""
NOTE = """
    INSERT INTO feedback (organisation_id, delivery_id, channel, address, heard, provider, detail, created_at)
    VALUES (:org, :delivery, :channel, :address, :heard, :provider, :detail, :now)
    ON CONFLICT ON CONSTRAINT uq_feedback_matter DO NOTHING
"""
SOFT = """
    SELECT count(*) AS n FROM feedback WHERE organisation_id = :org AND channel = :channel AND address = :address
       AND heard = 'soft_bounce' AND counts AND created_at > :since
"""
WHY = {
    Block.bounce: "mail to it comes back",
    Block.soft_bounces: "{n} messages to it came back",
    Block.complaint: "a message to it was reported as spam",
    Block.opt_out: "whoever has it wants no messages",
}
NO_NUMBER = "messages to it do not arrive"


# --- kept, and taken -----------------------------------------------------------------------------------------------


def is_known(message_id: str) -> bool:
    """Whether a message was taken before."""
    with db.engines["engine"].connect() as conn:
        return conn.execute(sql.KNOWN_REPORT, {"id": message_id}).first() is not None


def keep(message_id: str, topic: str, what: Report | Answered | None) -> bool:
    """Write it down, durably; nothing waits where there is nothing to do. Returns whether it is new."""
    waiting = None
    if what is not None:
        waiting = json.dumps({"report" if isinstance(what, Report) else "answer": what.plain()})
    values = {"id": message_id, "topic": topic, "waiting": waiting}
    with db.engines["engine"].begin() as conn:
        return conn.execute(sql.KEEP_REPORT, values).first() is not None


def forget(message_id: str) -> None:
    """It could not be done: when it comes again, it is new."""
    with db.engines["engine"].begin() as conn:
        conn.execute(sql.FORGET_REPORT, {"id": message_id})


def take(message_id: str) -> bool:
    """Do what a message asks for, if nobody else has it in hand. Returns whether it is done; else it is looked at later."""
    with db.engines["engine"].begin() as conn:
        row = conn.execute(sql.TAKE_REPORT, {"id": message_id}).first()
        if row is None:
            return False
        # the row is held until what it asks for is committed; what is committed and not crossed out changes nothing more
        why = "is about nothing that was sent here"
        try:
            done = _do(message_id, row.waiting, conn)
        except Exception:
            log.exception("message %s of a provider could not be applied", message_id)
            done, why = False, "could not be applied for an hour, and is given up"
        if not done and row.age > GIVEN_UP:
            log.warning("message %s of a provider %s", message_id, why)
            done = True
        if done:
            conn.execute(sql.REPORT_DONE, {"id": message_id})
        else:
            wait = min(max(row.age, SOONEST), LATEST)
            conn.execute(sql.REPORT_LATER, {"id": message_id, "wait": wait})
        return done


def _do(message_id: str, waiting: Mapping[str, Any], conn: Connection) -> bool:
    if "answer" in waiting:
        replies.take(Answered(**waiting["answer"]), message_id, conn)
        return True
    report = Report.of(waiting["report"])
    about = conn.execute(
        sql.FIND_SENT, {"provider": report.provider, "provider_id": report.provider_id}
    ).first()
    if about is None:
        return False
    with step(about.organisation_id) as work:
        apply(work, about.delivery_id, report)
    return True


# --- applied -------------------------------------------------------------------------------------------------------


def apply(work: Step, delivery_id: UUID, report: Report) -> None:
    """Move the delivery, block its address, take another way: what the report proves, and what was not known before."""
    row = work.one(LOCK, id=delivery_id)
    if row is None:
        return
    now = policy.after(row.state, row.reason, row.channel, report.heard)
    if (now.state, now.reason) != (row.state, row.reason):
        work.run(MOVE, id=row.id, state=now.state, reason=now.reason, detail=report.detail)
        work.news.append(Changed(work.organisation_id, "delivery"))
    if _is_new(work, row, report):
        _block(work, row, report.heard)
    if now.lost:
        fallback.afterwards(work, row, _why_lost(report))


def _is_new(work: Step, row: Any, report: Report) -> bool:
    """Whether this trouble is heard for the first time of this delivery; it is on record then."""
    if report.heard not in policy.TROUBLE:
        return False
    return bool(
        work.run(
            NOTE,
            delivery=row.id,
            channel=row.channel,
            address=row.address,
            heard=report.heard.name,
            provider=report.provider,
            detail=report.detail,
            now=work.now,
        )
    )


def _block(work: Step, row: Any, heard: Heard) -> None:
    soft = 0
    if heard is Heard.soft_bounce:
        soft = work.one(SOFT, channel=row.channel, address=row.address, since=work.now - WINDOW).n
    kind = policy.blocks(heard, soft, hub().soft_bounces)
    if kind is not None:
        why = NO_NUMBER if kind is Block.bounce and row.channel != "email" else WHY[kind].format(n=soft)
        blocked.block(work, row.channel, row.address, why, kind)


def _why_lost(report: Report) -> str:
    said = {
        Heard.hard_bounce: "it came back for good",
        Heard.soft_bounce: "it came back",
        Heard.opted_out: "they want no messages at that number",
    }.get(report.heard, "the provider took it and then did not send it")
    return f"{said} ({report.detail})" if report.detail else said
