"""The drain at work: many workers on one outbox, urgent beside bulk, one bad row among good ones, leases and tokens."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from notify_app.channels.base import Message
from notify_app.extensions import db
from notify_app.pipeline import bodies, sql
from notify_app.pipeline.deliver import WAVE, Deliverer
from notify_app.pipeline.line import Line
from notify_app.pipeline.pool import Job
from notify_app.pipeline.ready import NotSent, make_ready
from notify_app.process import WorkerProcess
from notify_app.queue import wake
from notify_app.sweeps import rescue
from tests.hub import Hub
from tests.pipeline.outbox import PEOPLE, Provider, attempts, fill, states

LEASE = timedelta(seconds=30)
PATIENCE = 60.0


def deliverer(email: Provider, *, threads: int = 4, lease: timedelta = LEASE) -> Deliverer:
    channels: dict[str, Any] = {"email": email, "sms": Provider("sms", instant=email.instant)}
    return Deliverer(channels, threads=threads, lease=lease, rng=random.Random(1))


def eventually(true: Callable[[], object], what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, f"it never came to this: {what}"
        threading.Event().wait(0.02)


@contextmanager
def beside(app: Flask, work: Callable[[], object]) -> Iterator[threading.Thread]:
    """`work` on a thread of its own, in the application's context; ended with the block."""

    def run() -> None:
        with app.app_context():
            work()

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(PATIENCE)
    assert not thread.is_alive()


def all_at_once(hub: Hub, providers: Sequence[Provider]) -> None:
    """A worker for each, all at once, until nothing is due."""
    workers = [deliverer(provider, threads=16) for provider in providers]
    with ExitStack() as stack:
        for worker in workers:
            stack.callback(worker.close)
            stack.enter_context(beside(hub.world.app, partial(worker.drain, "bulk", PATIENCE)))


# --- many workers ------------------------------------------------------------------------------------------------------


@pytest.mark.proves("F3", "A10")
@pytest.mark.parametrize("instant", [False, True])
def test_four_workers_share_an_outbox_and_each_message_leaves_once(hub: Hub, instant: bool) -> None:
    ids = fill(hub, 2000)
    together = threading.Barrier(4)  # nobody goes on before each of them has a claim in hand

    def first() -> Callable[[Message], None]:
        once = threading.Lock()

        def wait(_message: Message) -> None:
            if once.acquire(blocking=False):
                together.wait(PATIENCE)

        return wait

    providers = [Provider("email", instant=instant, before=first()) for _ in range(4)]
    all_at_once(hub, providers)
    taken = sum((provider.taken for provider in providers), Counter[str]())
    assert taken == Counter(ids)
    assert all(provider.taken for provider in providers), "each had its part"
    assert states(hub) == {"sent": 2000}
    assert attempts(hub) == [(one, 1, "accepted") for one in sorted(ids)]


@pytest.mark.proves("F3", "A11")
def test_workers_that_write_the_same_words_at_once_keep_them_once_and_do_not_wait_in_a_circle(
    hub: Hub,
) -> None:
    ids = fill(hub, 400, kept=False)
    providers = [Provider("email") for _ in range(4)]
    all_at_once(hub, providers)
    assert sum((provider.taken for provider in providers), Counter[str]()) == Counter(ids)
    assert states(hub) == {"sent": 400}
    assert hub.build.one("SELECT count(*) AS many FROM content").many == PEOPLE, "each reader's words once"


@pytest.mark.proves("F3")
def test_no_more_is_claimed_than_can_start_now(hub: Hub) -> None:
    fill(hub, 40)
    release, begun = threading.Event(), threading.Semaphore(0)

    def hang(_message: Message) -> None:
        begun.release()
        assert release.wait(PATIENCE)

    provider = Provider("email", before=hang)
    worker = deliverer(provider, threads=3)
    with beside(hub.world.app, lambda: worker.drain("bulk", PATIENCE)):
        for _ in range(3):
            assert begun.acquire(timeout=PATIENCE)
        threading.Event().wait(0.3)  # long enough for three more looks
        assert states(hub) == {"sending": 3, "queued": 37}
        release.set()
    assert states(hub) == {"sent": 40}
    worker.close()


@pytest.mark.proves("F3")
def test_what_is_urgent_leaves_while_the_bulk_still_waits(hub: Hub) -> None:
    fill(hub, 5000)
    release, stop = threading.Event(), threading.Event()

    def slow(message: Message) -> None:
        if message.priority != "urgent":
            assert release.wait(PATIENCE)

    provider = Provider("email", before=slow)
    worker = deliverer(provider)  # one process with both queues: each has places of its own
    with beside(hub.world.app, lambda: worker.drain("bulk", PATIENCE, stop.is_set)):
        eventually(lambda: states(hub).get("sending") == 4, "every place of the bulk is taken")
        (urgent,) = fill(hub, 1, priority=1)
        with hub.world.app.app_context():
            assert worker.drain("urgent", PATIENCE) == 1
        assert provider.taken[urgent] == 1
        assert states(hub) == {"sent": 1, "sending": 4, "queued": 4996}
        stop.set()
        release.set()
    assert states(hub) == {"sent": 5, "queued": 4996}
    worker.close()


def test_over_channels_that_never_block_a_drain_works_in_two_lanes(hub: Hub) -> None:
    ids = fill(hub, 3 * WAVE)
    lanes: set[str] = set()
    provider = Provider("email", instant=True, before=lambda _: lanes.add(threading.current_thread().name))
    worker = deliverer(provider)
    with hub.world.app.app_context():
        assert worker.drain("bulk", PATIENCE) == 3 * WAVE
    assert provider.taken == Counter(ids)
    assert len(lanes) == 2
    assert not any(name.startswith("send") for name in lanes), "and needs no thread for a message"
    worker.close()


@pytest.mark.proves("F3")
@pytest.mark.parametrize(("many", "calls"), [(3, 0), (40, 1)])
def test_who_finds_more_than_it_can_take_wakes_another_worker(hub: Hub, many: int, calls: int) -> None:
    fill(hub, many)
    worker = deliverer(Provider("email"), threads=4)
    with hub.world.app.app_context():
        assert worker.drain("bulk", PATIENCE) == many
    worker.close()
    assert hub.world.queued() == calls
    hub.world.settle()


class Late(WorkerProcess):
    """A worker to which a message comes between its drain's last look and its end: another thread is woken for it."""

    def __init__(self, app: Flask, hub: Hub, deliverer: Deliverer) -> None:
        super().__init__(app)
        self.deliverer = deliverer
        self._hub, self._late = hub, True

    def _waiting(self, name: str) -> bool:
        found = super()._waiting(name)
        if self._late:
            self._late = False
            fill(self._hub, 1)
            wake(self._hub.world.valkey, [name])
            woken = threading.Thread(target=self.drain, args=(name,))
            woken.start()
            woken.join(PATIENCE)
        return found


@pytest.mark.proves("F3")
def test_what_comes_after_the_last_look_of_a_drain_is_not_left_to_the_poll(hub: Hub) -> None:
    provider = Provider("email")
    worker = Late(hub.world.app, hub, deliverer(provider))
    assert worker.drain("bulk") == 1
    assert len(provider.taken) == 1
    assert not hub.world.valkey.exists("hub:wake:bulk"), "and the next wake-up is not swallowed"
    worker.deliverer.close()
    hub.world.settle()


# --- one bad row -------------------------------------------------------------------------------------------------------


@contextmanager
def refusing(hub: Hub, table: str, column: str, value: str) -> Iterator[None]:
    """The database raises when this value is written into this table."""
    hub.build.run(
        f"CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.{column}::text LIKE '%{value}%' "
        "THEN RAISE EXCEPTION 'no %', TG_TABLE_NAME; END IF; RETURN NEW; END $$"
    )
    hub.build.run(f"CREATE TRIGGER poison BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION poison()")
    try:
        yield
    finally:
        hub.build.run(f"DROP TRIGGER poison ON {table}")
        hub.build.run("DROP FUNCTION poison()")


@pytest.mark.proves("A11", "A16")
def test_a_body_that_cannot_be_kept_takes_no_other_message_with_it(hub: Hub) -> None:
    ids = fill(hub, 30, kept=False)
    hub.build.run("UPDATE person SET name = 'Poison' WHERE external_id = 'reader3'")
    provider = Provider("email", instant=True)
    worker = deliverer(provider)
    with refusing(hub, "content", "body", "Poison"), hub.world.app.app_context():
        worker.drain("bulk", PATIENCE)
    worker.close()
    bad = {str(row.id) for row in hub.build.all("SELECT id FROM delivery WHERE state = 'failed'")}
    assert len(bad) == 3, "of thirty messages to ten people three"
    assert provider.taken == Counter(set(ids) - bad)
    assert {row.reason for row in hub.build.all("SELECT reason FROM delivery WHERE state = 'failed'")} == {
        "template_failed"
    }
    hub.world.quiet_errors = True


@pytest.mark.proves("A10", "A11")
def test_a_result_that_cannot_be_settled_leaves_the_others_settled(hub: Hub) -> None:
    ids = fill(hub, 30)
    provider = Provider("email", instant=True)
    worker = deliverer(provider, lease=timedelta(seconds=1))
    with refusing(hub, "attempt", "provider_id", ids[7]), hub.world.app.app_context():
        worker.drain("bulk", PATIENCE)
    worker.close()
    assert states(hub) == {"sent": 29, "sending": 1}
    with hub.world.app.app_context():
        eventually(lambda: rescue.run(hub.now()) == 1, "its lease has run out")
    assert [one for one in attempts(hub) if one[0] == ids[7]] == [(ids[7], 1, "ambiguous")]
    hub.world.quiet_errors = True


@pytest.mark.proves("A11")
def test_a_lease_that_cannot_be_taken_over_leaves_the_others_taken_over(hub: Hub) -> None:
    ids = fill(hub, 5)
    with hub.world.app.app_context(), Line(db.engines["engine"]) as engine:
        claimed(engine, 5, timedelta(0))
        with refusing(hub, "attempt", "delivery_id", ids[2]):
            assert rescue.run(hub.now()) == 4
        assert {row.id for row in hub.build.all("SELECT id FROM delivery WHERE state = 'sending'")} == {
            UUID(ids[2])
        }
        assert rescue.run(hub.now()) == 1
    hub.world.quiet_errors = True


# --- whose it is -------------------------------------------------------------------------------------------------------


def claimed(line: Line, limit: int, lease: timedelta = LEASE) -> list[Any]:
    values = {"first": 1, "last": 4, "limit": limit, "token": uuid4(), "lease": lease}
    return line.all(sql.CLAIM, values | {"providers": '{"email": "test"}'})


@pytest.mark.proves("A11")
@pytest.mark.parametrize("kept", [True, False])
def test_a_row_that_was_taken_over_after_the_claim_is_not_sent(hub: Hub, kept: bool) -> None:
    fill(hub, 3, kept=kept)
    with hub.world.app.app_context(), Line(db.engines["engine"]) as engine, Line(db.engine) as app:
        rows = claimed(engine, 3)
        hub.build.run("UPDATE delivery SET token = uuidv7() WHERE id = :id", id=rows[1].id)
        ready = list(make_ready(app, UUID(rows[0].organisation_id), rows))
    assert [type(one) for one in ready] == [Job, Job]
    assert {one.row.id for one in ready} == {rows[0].id, rows[2].id}


@pytest.mark.proves("A7", "A11")
def test_what_is_read_while_others_are_written_is_not_sent(hub: Hub) -> None:
    ids = fill(hub, 2, kept=False)
    with hub.world.app.app_context(), Line(db.engines["engine"]) as engine, Line(db.engine) as app:
        rows = claimed(engine, 2)
        ready = make_ready(app, UUID(rows[0].organisation_id), rows)
        hub.build.template(hub.organisation, "repair_completed", subject="Written by the office itself")
        writing = bodies.Unwritten.body

        def slow(self: bodies.Unwritten) -> bodies.Body | str:
            hub.build.run("UPDATE notification SET read_at = hub_now() WHERE id = :id", id=ids[1])
            return writing(self)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bodies.Unwritten, "body", slow)
            came = list(ready)
    assert {one.row.id: type(one) for one in came} == {ids[0]: Job, ids[1]: NotSent}


@pytest.mark.proves("A10", "A11")
def test_a_worker_that_dies_before_the_body_is_kept_leaves_no_doubt(hub: Hub) -> None:
    (delivery,) = fill(hub, 1, kept=False)
    with hub.world.app.app_context(), Line(db.engines["engine"]) as engine:
        claimed(engine, 1, timedelta(0))
        assert rescue.run(hub.now()) == 1
    row = hub.build.one("SELECT * FROM delivery")
    assert (row.state, row.reason, row.failures) == ("queued", "lease_ran_out", 1)
    (attempt,) = hub.build.all("SELECT * FROM attempt")
    assert (attempt.number, attempt.outcome, attempt.error_code) == (1, "transient", "lease_ran_out")
    assert str(attempt.delivery_id) == delivery


@pytest.mark.proves("A10", "A11")
def test_the_attempt_of_a_dead_worker_says_when_it_began_and_by_whom_it_went(hub: Hub) -> None:
    fill(hub, 1)
    with hub.world.app.app_context(), Line(db.engines["engine"]) as engine:
        (row,) = claimed(engine, 1, timedelta(0))
        assert rescue.run(hub.now()) == 1
    (attempt,) = hub.build.all("SELECT * FROM attempt")
    assert (attempt.outcome, attempt.provider, attempt.started_at) == ("ambiguous", "test", row.now)
    assert attempt.finished_at >= attempt.started_at


def test_what_was_claimed_and_not_tried_names_no_provider(hub: Hub) -> None:
    fill(hub, 1)
    hub.build.run("UPDATE notification SET read_at = hub_now()")
    worker = deliverer(Provider("email", instant=True))
    with hub.world.app.app_context():
        worker.drain("bulk", PATIENCE)
    worker.close()
    row = hub.build.one("SELECT * FROM delivery")
    assert (row.state, row.reason, row.attempts, row.provider) == ("skipped", "read_meanwhile", 0, None)
    assert attempts(hub) == []


def test_while_it_sends_it_keeps_its_leases(hub: Hub) -> None:
    fill(hub, 1)
    release = threading.Event()
    worker = deliverer(Provider("email", before=lambda _: release.wait(PATIENCE)), lease=timedelta(seconds=1))
    with beside(hub.world.app, lambda: worker.drain("bulk", PATIENCE)):
        eventually(lambda: states(hub) == {"sending": 1}, "it is being sent")
        first = hub.build.one("SELECT lease_until FROM delivery").lease_until
        eventually(
            lambda: (
                hub.build.one("SELECT lease_until FROM delivery").lease_until > first + timedelta(seconds=1)
            ),
            "the lease was renewed",
        )
        with hub.world.app.app_context():
            assert rescue.run(hub.now()) == 0
        release.set()
    assert states(hub) == {"sent": 1}
    worker.close()


@pytest.mark.proves("A11")
def test_a_channel_that_this_worker_does_not_have_is_waited_for_and_holds_up_no_other(hub: Hub) -> None:
    ids = fill(hub, 3)
    hub.build.run(
        "INSERT INTO address (organisation_id, person_id, channel, value) "
        "SELECT organisation_id, person_id, 'sms', address FROM delivery WHERE id = :id",
        id=ids[0],
    )
    hub.build.run("UPDATE delivery SET channel = 'sms' WHERE id = :id", id=ids[0])
    worker = Deliverer({"email": Provider("email")}, threads=2, lease=LEASE, rng=random.Random(1))
    with hub.world.app.app_context():
        worker.drain("bulk", PATIENCE)
    worker.close()
    assert states(hub) == {"sent": 2, "queued": 1}
    row = hub.build.one("SELECT * FROM delivery WHERE state = 'queued'")
    assert (row.reason, row.failures, row.detail) == (
        "provider_config",
        0,
        "This worker has no channel called sms.",
    )
