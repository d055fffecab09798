"""Bursts and limits where several claims and workers meet: what one of them is sending counts for the others."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from notify_app.channels.base import Message
from notify_app.extensions import db
from notify_app.pipeline import again
from notify_app.pipeline.deliver import Deliverer
from tests.hub import Hub
from tests.pipeline.outbox import PEOPLE, Provider, fill

pytestmark = pytest.mark.proves("A14")

PATIENCE = 60.0


def deliverer(email: Provider) -> Deliverer:
    channels: dict[str, Any] = {"email": email, "sms": Provider("sms", instant=email.instant)}
    return Deliverer(channels, threads=4, lease=timedelta(seconds=30), rng=random.Random(1))


def pace(hub: Hub, **settings: int) -> None:
    hub.build.run("UPDATE organisation SET settings = CAST(:s AS jsonb)", s=json.dumps(settings))


def states(hub: Hub) -> Counter[tuple[str, str | None]]:
    return Counter((row.state, row.reason) for row in hub.build.all("SELECT state, reason FROM delivery"))


@pytest.fixture
def drained(hub: Hub) -> Any:
    """Drain once with a provider that takes everything."""

    def drain(provider: Provider) -> None:
        worker = deliverer(provider)
        with hub.world.app.app_context():
            worker.drain("bulk", PATIENCE)
        worker.close()

    return drain


def test_of_one_claim_the_first_to_each_person_leaves_and_the_rest_is_held(hub: Hub, drained: Any) -> None:
    pace(hub)
    fill(hub, 5 * PEOPLE)
    drained(Provider("email", instant=True))
    assert states(hub) == {("sent", None): PEOPLE, ("held", "burst"): 4 * PEOPLE}


def test_of_one_claim_as_many_leave_as_the_limit_allows(hub: Hub, drained: Any) -> None:
    pace(hub, burst_seconds=0, email_an_hour=3)
    fill(hub, 5 * PEOPLE)
    drained(Provider("email", instant=True))
    assert states(hub) == {("sent", None): 3 * PEOPLE, ("held", "throttled"): 2 * PEOPLE}
    fill(hub, PEOPLE)
    drained(Provider("email", instant=True))
    assert states(hub) == {("sent", None): 3 * PEOPLE, ("held", "throttled"): 3 * PEOPLE}


@pytest.mark.parametrize("kept", [True, False])
def test_what_was_decided_on_before_its_words_were_written_is_not_held_by_itself(
    hub: Hub, drained: Any, kept: bool
) -> None:
    pace(hub)
    fill(hub, PEOPLE, kept=kept)
    drained(Provider("email", instant=True))
    assert states(hub) == {("sent", None): PEOPLE}


def test_what_another_worker_is_sending_has_begun_the_burst(hub: Hub, drained: Any) -> None:
    pace(hub)
    fill(hub, 1)
    begun, release = threading.Event(), threading.Event()

    def hang(_message: Message) -> None:
        begun.set()
        assert release.wait(PATIENCE)

    slow = deliverer(Provider("email", before=hang))

    def other() -> None:
        with hub.world.app.app_context():
            slow.drain("bulk", PATIENCE)

    thread = threading.Thread(target=other)
    thread.start()
    assert begun.wait(PATIENCE)
    fill(hub, PEOPLE)  # whichever of the two takes what
    drained(Provider("email", instant=True))
    release.set()
    thread.join(PATIENCE)
    slow.close()
    assert states(hub) == {("sent", None): PEOPLE, ("held", "burst"): 1}


def test_when_something_last_left_is_found_by_its_own_index(hub: Hub, drained: Any) -> None:
    fill(hub, 2000)
    drained(Provider("email", instant=True))
    ids = fill(hub, PEOPLE)
    token = "0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a21"
    hub.build.run(
        "UPDATE delivery SET state = 'sending', token = :token, lease_until = clock_timestamp(), claimed_at = hub_now(), "
        "provider = '' WHERE id = ANY(CAST(:ids AS uuid[]))",
        token=token,
        ids=ids,
    )
    with hub.world.owner.begin() as conn:
        conn.execute(text("ANALYZE delivery"))
    with hub.world.app.app_context(), db.engine.begin() as conn:
        conn.execute(
            text("SELECT set_config('hub.organisation', :id, true)"), {"id": str(hub.organisation.id)}
        )
        (plan,) = conn.execute(
            text(f"EXPLAIN (FORMAT JSON) {again.READ}"),
            {"org": hub.organisation.id, "ids": ids, "token": token},
        ).scalar_one()
    assert "ix_delivery_told" in json.dumps(plan)
