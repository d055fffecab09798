"""Take over deliveries whose worker went away in the middle: their lease ran out.

Whether the provider has the message cannot be known. The channel's policy decides: an email is sent once more
under the same Message-ID, an ordinary SMS is not, and the interrupted attempt is logged as ambiguous. What was never
written was never sent (a body is kept before it leaves): it is simply tried again.
"""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from notify_app.channels.base import Ambiguous, TryLater
from notify_app.extensions import db
from notify_app.pipeline import budget, settle, sql
from notify_app.pipeline.step import hub, step
from notify_app.policy import sms
from notify_app.policy.reasons import Reason

__all__ = ["run"]

log = logging.getLogger(__name__)

LAST_SECONDS = 60.0
TEXTS = """
    SELECT CAST(d.id AS text) AS id, d.address, coalesce(c.body ->> 'text', '') AS text,
           CASE WHEN d.purpose = 'notification' THEN coalesce((
               SELECT n.name FROM delivery_item i
               JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
               WHERE i.organisation_id = d.organisation_id AND i.delivery_id = d.id ORDER BY n.id LIMIT 1), d.purpose)
           ELSE d.purpose END AS event
    FROM delivery d JOIN content c ON c.organisation_id = d.organisation_id AND c.id = d.content_id
    WHERE d.organisation_id = :org AND d.id = ANY(CAST(:ids AS uuid[]))
"""


def run(now: datetime, limit: int = 0, rng: random.Random | None = None) -> int:  # noqa: ARG001
    """How many deliveries were taken over, at most `limit` (0: the setting). Leases are real time; `now` is not used for
    them."""
    rng = rng or random.Random()
    with db.engines["engine"].begin() as conn:
        rows = conn.execute(sql.EXPIRED_LEASES, {"limit": limit or hub().rescue_batch}).all()
        texts = _texts(rows)
        results = [_result(row, rng, texts.get(row.id)) for row in rows]
        try:
            return _settled(conn, results)
        except DBAPIError as error:
            if isinstance(error, OperationalError):
                raise
            return sum(_settled_alone(conn, one) for one in results)


def _settled(conn: Connection, results: list[settle.Result]) -> int:
    if not results:
        return 0
    with conn.begin_nested():
        return settle.write(lambda *asked: conn.execute(*asked).all(), results).count


def _settled_alone(conn: Connection, result: settle.Result) -> int:
    """One that cannot be settled holds up no other."""
    try:
        return _settled(conn, [result])
    except DBAPIError as error:
        if isinstance(error, OperationalError):
            raise
        log.exception("delivery %s cannot be taken over", result["id"])
        return 0


def _texts(rows: Sequence[Any]) -> dict[str, Any]:
    """What the SMS among them may have cost: their words and what they were about, read in their organisations' own scope."""
    wanted: defaultdict[UUID, list[str]] = defaultdict(list)
    for row in rows:
        if row.channel == budget.CHANNEL and row.content_id is not None:
            wanted[UUID(row.organisation_id)].append(row.id)
    found: dict[str, Any] = {}
    for organisation_id, ids in wanted.items():
        with step(organisation_id) as work:
            found |= {one.id: one for one in work.all(TEXTS, ids=ids)}
    return found


def _result(row: Any, rng: random.Random, said: Any = None) -> settle.Result:
    if row.content_id is None:
        before = TryLater("The worker that was about to send it went away.", "lease_ran_out")
        settled = settle.after_failure(row, before, rng, doubts=row.doubts)
        if (
            settled["state"] != "queued"
        ):  # too old or tried too often: the drain ends it, and finds another way
            settled |= {"state": "queued", "wait": LAST_SECONDS}
    else:
        lost = Ambiguous("The worker that was sending it went away.", "lease_ran_out")
        settled = settle.after_failure(row, lost, rng, doubts=row.doubts)
    if settled["state"] == "queued":
        settled["reason"] = Reason.lease_ran_out
    if said is not None:
        prices = sms.prices(hub().sms_prices)
        settled = settle.priced(settled, said.address, said.text, said.event, prices)
    return settled
