"""Take over deliveries whose worker went away in the middle: their lease ran out, so they are in doubt.

Whether the provider has the message cannot be known. The channel's policy decides: an email is sent once more
under the same Message-ID, an ordinary SMS is not. The interrupted attempt is closed as ambiguous either way.
"""

from __future__ import annotations

import json
import random
from datetime import datetime
from typing import Any

from notify_app.channels.base import Ambiguous
from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.deliver import after_failure
from notify_app.policy.reasons import Reason

__all__ = ["run"]


def run(now: datetime, limit: int = 500, rng: random.Random | None = None) -> int:  # noqa: ARG001
    """How many deliveries were taken over. Leases are real time; `now` is not used for them."""
    rng = rng or random.Random()
    with db.engines["engine"].begin() as conn:
        rows = conn.execute(sql.EXPIRED_LEASES, {"limit": limit}).all()
        if rows:
            conn.execute(sql.SETTLE, {"results": json.dumps([_result(row, rng) for row in rows])})
    return len(rows)


def _result(row: Any, rng: random.Random) -> dict[str, Any]:
    lost = Ambiguous("The worker that was sending it went away.", "lease_ran_out")
    settled = after_failure(row, lost, rng)
    if settled["state"] == "queued":
        settled["reason"] = Reason.lease_ran_out
    return {
        "organisation_id": str(row.organisation_id),
        "id": str(row.id),
        "token": str(row.token),
        "number": row.number,
        **settled,
    }
