"""Each role killed in the middle of 200 events: nothing lost, nothing doubled, nothing stuck.

A kill counts only when work of that role was seen in flight by a process that then stood still until it died; a test
that cannot show this fails. Three planted bugs show that what is checked would be seen.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rq.registry import StartedJobRegistry

from notify_app.processes import children_of
from notify_app.queue import QUEUES, HubQueue
from tests.channels.stubs import free_port
from tests.chaos.checks import findings
from tests.chaos.house import House, eventually, freeze, thaw
from tests.chaos.load import Load, Reported
from tests.chaos.office import Office

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(180)]

EVENTS = 200
_PAUSE = threading.Event()


def done(house: House, office: Office, load: Load, *, doubt: bool = False) -> None:
    """All was accepted, all has come to rest, and the checks find nothing."""
    load.finish()
    house.until_quiet(office)
    assert findings(house, office, load, doubt=doubt) == []


def working(house: House, office: Office) -> bool:
    """Whether work of this office still waits or is in hand."""
    row = house.left(office)
    return bool(row.now_due or row.sending)


def test_without_a_fault_nothing_ends_and_nothing_is_in_doubt(house: House, office: Office) -> None:
    before = {name: len(house.log(name)) for name in house.names()}
    kept = house.said()
    load = house.load(office, EVENTS).start()
    done(house, office, load)
    assert load.statuses() == {202: EVENTS}
    assert house.said() == kept, "a process ended by itself"
    errors = [
        line
        for name in house.names()
        for line in house.log(name)[before[name] :].splitlines()
        if " ERROR " in line
    ]
    assert errors == []


def test_all_of_this_runs_in_one_process(request: pytest.FixtureRequest) -> None:
    """The running product is heavy: two worker processes of pytest must not each have one."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("pytest is not distributing by groups")
    assert request.node.nodeid.endswith("@chaos")


# --- the web server ----------------------------------------------------------------------------------------------------


@pytest.mark.proves("R3")
def test_web_worker_dies_before_and_after_its_commit(house: House, office: Office) -> None:
    load = house.load(office, EVENTS).start()
    load.wait(20)
    undone, _ = _kill_with_a_group_in_flight(house, office, load, its_write_ends_too=True)
    kept: set[str] = set()
    for so_many in (60, 85, 110):  # a group may be of one, where nobody else had come yet
        load.wait(so_many)
        more, groups = _kill_with_a_group_in_flight(house, office, load, its_write_ends_too=False)
        kept |= more
        if max(groups.values()) > 1:
            break
    load.wait(135)
    torn = _kill_between_commit_and_answer(house, office, load)

    done(house, office, load)
    assert set(load.statuses()) <= {200, 202}
    for message in undone:
        assert [answer.status for answer in load.answers[message]] == [202], "nothing of a group was kept"
    assert max(groups.values()) > 1, "several webhooks were written at once"
    for message in (*kept, *torn):
        assert [answer.status for answer in load.answers[message]] == [200], (
            "a repetition was taken for something new"
        )


def _kill_with_a_group_in_flight(
    house: House, office: Office, load: Load, *, its_write_ends_too: bool
) -> tuple[set[str], Counter[str]]:
    """Kill the web worker while its group is inserted and not committed. PostgreSQL does not notice the death of a
    client whose statement runs, so the group is either ended as well or kept though nobody hears of it. Returns the
    messages whose fate that is, and for those that were kept how many came with each transaction."""
    with house.held(office, load.soon):
        server = eventually(house.group_in_flight, "a group is inserted and not committed")
        eventually(lambda: len(load.unanswered) > 2, "others wait as well")
        worker = house.web_worker()
        freeze(worker)
        before, caught = load.torn.copy(), load.unanswered
        caught -= _stored(house, office, caught).keys()  # the answer to an earlier group may be on its way
        assert load.going_on and caught
        house.kill(worker)
        if its_write_ends_too:
            house.database.run("SELECT pg_terminate_backend(%(pid)s)", pid=server)
            eventually(lambda: not house.group_in_flight(), "its write has ended")
    eventually(lambda: not _running(house, [server]), "its transaction has come to an end")
    kept = _stored(
        house, office, caught
    )  # before the next worker has started, to which the others come again
    # one that the worker had not taken from the queue of the socket is answered by the next worker
    load.wait_for(lambda it: all(it.torn[one] > before[one] or one in it.accepted for one in caught))
    if its_write_ends_too:
        return {one for one in caught if load.torn[one] > before[one]}, Counter()
    assert kept, "the group was kept all the same"
    return set(kept), Counter(kept.values())


def _stored(house: House, office: Office, messages: set[str]) -> dict[str, str]:
    """Those of these messages that are durable, with the transaction that has written each."""
    rows = house.database.all(
        "SELECT external_id, CAST(xmin AS text) AS by FROM inbound WHERE organisation_id = %(org)s "
        "AND external_id = ANY(%(ids)s)",
        org=office.id,
        ids=list(messages),
    )
    return {row.external_id: row.by for row in rows}


def _kill_between_commit_and_answer(house: House, office: Office, load: Load) -> set[str]:
    """The messages that were durable and whose sender was left without an answer: the worker stands still while its group is
    written, so that nobody hears that it is, and dies then."""
    with house.held(office, load.soon):
        eventually(house.group_in_flight, "a group is inserted and not committed")
        worker = house.web_worker()
        freeze(worker)
        before, caught = load.torn.copy(), load.unanswered
        caught -= _stored(house, office, caught).keys()  # the answer to an earlier group may be on its way
    durable = eventually(lambda: _stored(house, office, caught).keys(), "the group is committed")
    assert load.going_on
    house.kill(worker)
    load.wait_for(lambda it: durable <= it.accepted)
    assert all(load.torn[message] > before[message] for message in durable)
    return set(durable)


@pytest.mark.proves("R3")
def test_web_worker_dies_with_a_batch_in_its_hands(house: House, office: Office) -> None:
    """All of it or nothing of it is there, and what is sent again is told once."""
    posts = [office.reward(number)[0] for number in range(1, 61)]
    report = Reported(house.port, office, posts)
    with house.held(office, lambda: posts[30].id), ThreadPoolExecutor(1) as pool:
        sent = pool.submit(report.send)
        server = eventually(house.group_in_flight, "the batch is inserted and not committed")
        assert not _stored(house, office, {post.id for post in posts})
        house.kill(house.web_worker())
        assert sent.result() is None, "there is no answer from the dead"
    eventually(lambda: not _running(house, [server]), "its transaction has come to an end")
    there = _stored(house, office, {post.id for post in posts})
    assert len(there) in (0, len(posts))
    assert len(set(there.values())) <= 1
    eventually(report.send, "the batch is answered")
    assert set(report.statuses) == {200 if there else 202}
    house.until_quiet(office)
    assert findings(house, office, report) == []


@pytest.mark.proves("R3")
def test_web_server_dies_with_all_its_requests(house: House, office: Office) -> None:
    load = house.load(office, EVENTS).start()
    load.wait(60)
    worker, caught = house.caught(
        house.web_worker,
        lambda: found if len(found := load.unanswered) > 2 else None,
        "several requests without an answer",
    )
    master = house.process("web")
    assert load.going_on
    house.kill(master)
    load.wait_for(lambda it: bool(caught & it.torn.keys()))
    done(house, office, load)
    assert not worker.lives(), "a worker outlived the server that it belonged to"
    assert set(load.statuses()) <= {200, 202}


# --- the workers -------------------------------------------------------------------------------------------------------


@pytest.mark.proves("R3")
def test_route_worker_dies_in_a_transaction(house: House, office: Office) -> None:
    load = house.load(office, EVENTS).start()
    for accepted in (30, 100):
        load.wait(accepted)
        worker, rows = house.caught(
            lambda: house.process("route-worker"),
            lambda: _locked(house, office),
            "an inbound row being routed",
        )
        house.kill(worker)
        eventually(
            lambda rows=rows: not set(rows) & set(_locked_rows(house, office)),
            "the dead worker's lock is gone",
        )
        state = {
            row.state
            for row in house.database.all("SELECT state FROM inbound WHERE id = ANY(%(ids)s)", ids=rows)
        }
        assert state <= {"accepted", "applied"}
    done(house, office, load)
    assert load.statuses() == {202: EVENTS}


def _locked(house: House, office: Office) -> list[Any]:
    """The inbound rows that the frozen route worker has under lock, in a transaction that cannot end any more."""
    return _locked_rows(house, office) if house.transactions("route-worker") else []


def _locked_rows(house: House, office: Office) -> list[Any]:
    waiting = "SELECT id FROM inbound WHERE organisation_id = %(org)s AND state = 'accepted'"
    free = {row.id for row in house.database.all(f"{waiting} FOR UPDATE SKIP LOCKED", org=office.id)}
    return [row.id for row in house.database.all(waiting, org=office.id) if row.id not in free]


@pytest.mark.proves("R3")
def test_route_worker_dies_in_the_middle_of_a_chunk(house: House, office: Office) -> None:
    news = office.announcement(house.database, 600)  # a first chunk of 500, and the rest
    load = house.load(office, [(news,), *office.chains(60)], senders=2)
    with house.database.connect() as other:
        # somebody holds what the second chunk needs
        other.execute(
            "INSERT INTO inbox_counter (organisation_id, person_id, seq) "
            "SELECT organisation_id, id, 0 FROM person WHERE organisation_id = %(org)s ORDER BY id DESC LIMIT 1",
            {"org": office.id},
        )
        load.start()
        worker, waiting = house.caught(
            lambda: house.process("route-worker"), lambda: _chunk_waits(house, office), "a chunk half written"
        )
        house.kill(worker)
        other.rollback()
    eventually(lambda: not _running(house, waiting), "the dead worker's transaction is gone")
    done(house, office, load)
    row = house.database.one("SELECT * FROM broadcast WHERE organisation_id = %(org)s", org=office.id)
    assert (row.people, row.considered, row.told) == (616, 616, 616)
    assert row.done_at


def _chunk_waits(house: House, office: Office) -> list[int]:
    """The process of PostgreSQL in which a chunk waits for a lock, after another one was written."""
    row = house.database.all(
        "SELECT considered FROM broadcast WHERE organisation_id = %(org)s AND done_at IS NULL", org=office.id
    )
    if not row or row[0].considered != 500:
        return []
    rows = house.database.all(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'route-worker' AND wait_event_type = 'Lock' "
        "AND query LIKE '%%WITH given AS (%%SELECT t.*%%'"  # of a long one PostgreSQL shows the beginning
    )
    return [one.pid for one in rows]


def _running(house: House, pids: list[int]) -> list[Any]:
    return house.database.all("SELECT pid FROM pg_stat_activity WHERE pid = ANY(%(pids)s)", pids=pids)


@pytest.mark.proves("R3")
def test_delivery_workers_die_in_the_middle_of_messages(house: House, office: Office) -> None:
    load = house.load(office, EVENTS).pause(100)
    urgent = _email_addresses(office, load, "repair_approved") - _email_addresses(office, load, "reward")
    ordinary = _email_addresses(office, load, "repair_in_progress")
    asked = next(
        tell for post in load.posts for tell in post.tells if tell.event == "repair_pending_approval"
    )
    number = office.people[asked.person]["sms"]
    house.aws.fail(number, "hang:accepted", times=1)
    holds = {
        ("urgent", "dot"): house.smtp.hold(urgent, "dot"),
        ("bulk", "dot"): house.smtp.hold(ordinary, "dot"),
        ("bulk", "rcpt"): house.smtp.hold(ordinary, "rcpt"),
    }
    load.start()
    for hold in holds.values():
        hold.wait()
    eventually(lambda: house.aws.to(number), "an SMS is accepted and not answered")
    held = {key: _in_hand(house, office, hold.held[0], phase=key[1]) for key, hold in holds.items()}
    silent = house.aws.to(number)[0]
    load.go_on()
    assert working(house, office)

    for role in ("urgent-worker", "bulk-worker"):
        house.kill(house.process(role))
    house.behave()

    done(house, office, load, doubt=True)
    for (_, phase), delivery in held.items():
        state, outcomes, copies = _end_of(house, delivery)
        assert (state, outcomes) == ("sent", ["ambiguous", "accepted"])
        assert copies == (2 if phase == "dot" else 1), "sent again under the same Message-ID"
    assert house.aws.to(number).count(silent) == 1, "an ordinary SMS in doubt was sent again"


def _email_addresses(office: Office, load: Load, event: str) -> set[str]:
    people = {tell.person for post in load.posts for tell in post.tells if tell.event == event}
    return {office.people[person]["email"] for person in people}


def _in_hand(house: House, office: Office, address: str, *, phase: str) -> Any:
    """The delivery whose conversation the server holds: its row says that it is being sent, and goes on saying so. Others to
    the same address pass the same phase, and are settled; what is left alone is the one that is held."""

    def waiting() -> set[str]:
        rows = house.database.all(
            "SELECT id FROM delivery WHERE organisation_id = %(org)s AND address = %(address)s AND state = 'sending'",
            org=office.id,
            address=address,
        )
        sending, accepted = {str(row.id) for row in rows}, {_key(mail) for mail in house.smtp.messages}
        return sending & accepted if phase == "dot" else sending - accepted

    def alone() -> str | None:
        found = waiting()
        return found.pop() if len(found) == 1 else None

    return eventually(alone, f"one message alone is being sent to {address}", 45)


def _key(mail: Any) -> str:
    return mail.message_id.strip("<>").partition("@")[0]


def _end_of(house: House, delivery: str) -> tuple[str, list[str], int]:
    row = house.database.one(
        "SELECT state, (SELECT array_agg(outcome ORDER BY number) FROM attempt a WHERE a.delivery_id = d.id) AS outcomes "
        "FROM delivery d WHERE id = %(id)s",
        id=delivery,
    )
    return row.state, row.outcomes, sum(_key(mail) == delivery for mail in house.smtp.messages)


@pytest.mark.proves("R3")
def test_delivery_worker_dies_between_its_claim_and_the_provider(house: House, office: Office) -> None:
    load = house.load(office, EVENTS).start()
    load.wait(20)
    worker, claimed = house.caught(
        lambda: house.process("bulk-worker"),
        lambda: _claimed_and_not_written(house, office),
        "messages that are claimed and not written",
    )
    assert load.going_on or working(house, office)
    house.kill(worker)
    done(house, office, load, doubt=True)
    for row in claimed:
        state, outcomes, copies = _end_of(house, str(row.id))
        assert (state, outcomes) == ("sent", ["transient", "accepted"]), "it cannot have arrived"
        assert row.channel == "sms" or copies == 1


def _claimed_and_not_written(house: House, office: Office) -> list[Any]:
    """First tries of a frozen worker of which no provider can know: nothing leaves before its body is kept."""
    return house.database.all(
        "SELECT id, channel FROM delivery WHERE organisation_id = %(org)s AND state = 'sending' AND priority > 1 "
        "AND attempts = 1 AND content_id IS NULL",
        org=office.id,
    )


@pytest.mark.proves("R3")
def test_delivery_worker_dies_in_the_middle_of_settling(house: House, office: Office) -> None:
    load = house.load(office, EVENTS).pause(100)
    hold = house.smtp.hold(_email_addresses(office, load, "repair_in_progress"), "dot")
    load.start()
    hold.wait()
    held = _in_hand(house, office, hold.held[0], phase="dot")
    load.go_on()
    with house.database.connect() as other:
        other.execute("SELECT 1 FROM delivery WHERE id = %s FOR UPDATE", [held])
        hold.open()
        eventually(lambda: _settling(house, "bulk-worker"), "the worker is settling")
        house.kill(house.process("bulk-worker"))
        eventually(lambda: not _settling(house, "bulk-worker"), "what it had begun is undone")
    done(house, office, load, doubt=True)
    assert _end_of(house, held) == ("sent", ["ambiguous", "accepted"], 2)


def _settling(house: House, role: str) -> list[Any]:
    """Its settlement waits for a row that somebody else holds."""
    return house.database.all(
        "SELECT pid FROM pg_stat_activity WHERE application_name = %(role)s AND wait_event_type = 'Lock' "
        "AND query LIKE '%%json_to_recordset%%'",
        role=role,
    )


# --- the scheduler -----------------------------------------------------------------------------------------------------


@pytest.mark.proves("R3")
def test_workers_die_while_bursts_are_held_and_collected(house: House, office: Office) -> None:
    house.database.run(
        "UPDATE organisation SET settings = settings || '{\"burst_seconds\": 2}' WHERE id = %(org)s",
        org=office.id,
    )
    load = house.load(office, EVENTS).start()
    for role in ("route-worker", "bulk-worker", "urgent-worker", "route-worker"):
        eventually(lambda: _how_many(house, office, "state = 'held'"), "something is held", every=0.005)
        house.kill(house.process(role))
    done(house, office, load, doubt=True)
    together = _how_many(house, office, "purpose = 'collected'")
    assert 0 < together < _how_many(house, office, "reason = 'collected'"), "several left as one"


def _how_many(house: House, office: Office, which: str) -> int:
    row = house.database.one(
        f"SELECT count(*) AS n FROM delivery WHERE organisation_id = %(org)s AND {which}", org=office.id
    )
    return int(row.n)


@pytest.mark.proves("R3")
def test_scheduler_dies_between_taking_an_entry_and_putting_it_back(house: House, office: Office) -> None:
    load = house.load(office, EVENTS, senders=2).start()
    load.wait(20)
    scheduler, lost = house.caught(
        lambda: house.process("scheduler"),
        house.entries_in_hand,
        "an entry of the schedule taken out",
        seconds=30,
    )
    assert load.going_on or working(house, office)
    house.kill(scheduler)
    assert lost <= house.unscheduled(), "what it had in hand is gone with it"
    eventually(lambda: not house.unscheduled(), "the entry is back")
    done(house, office, load)
    assert load.statuses() == {202: EVENTS}


# --- Valkey ------------------------------------------------------------------------------------------------------------


@pytest.mark.proves("R6")
def test_valkey_dies_and_comes_back_empty(house: House, office: Office) -> None:
    load = house.load(office, EVENTS).start()
    load.wait(40)
    worker, _ = house.caught(
        lambda: house.process("route-worker"), lambda: _jobs_in_hand(house), "a job in a worker's hand"
    )
    house.engines.kill_valkey()
    thaw(worker)
    load.wait(min(EVENTS, len(load.accepted) + 40))
    house.empty_valkey()
    house.engines.revive("valkey")
    done(house, office, load)
    assert load.statuses() == {202: EVENTS}
    assert not load.torn


def _jobs_in_hand(house: House) -> list[str]:
    with house.valkey() as valkey:
        return [
            job
            for name in QUEUES
            for job in StartedJobRegistry(name, connection=valkey).get_job_ids(cleanup=False)
        ]


def test_valkey_is_flushed_again_and_again(house: House, office: Office) -> None:
    load = house.load(office, EVENTS).start()
    load.wait(10)
    lost = flushes = 0
    with house.valkey() as valkey:
        while load.going_on or lost < 3:
            assert working(house, office) or load.going_on, f"{flushes} flushes lost only {lost} waiting jobs"
            lost += _flush(valkey)
            flushes += 1
            _PAUSE.wait(0.05)
    done(house, office, load)
    assert load.statuses() == {202: EVENTS}


def _flush(valkey: Any) -> int:
    """FLUSHALL; how many waiting jobs and marks of wake-ups went with it, counted in the same instant."""
    with valkey.pipeline(transaction=True) as all_at_once:
        for name in QUEUES:
            all_at_once.llen(HubQueue(name, connection=valkey).key)
        all_at_once.flushall()
        return sum(all_at_once.execute()[:-1])


@pytest.mark.proves("R6")
def test_without_valkey_all_is_accepted_and_delivered_by_looking(house: House, office: Office) -> None:
    house.engines.kill_valkey()
    load = house.load(office, 50).start()
    done(house, office, load)
    assert load.statuses() == {202: 50}
    assert not load.torn
    assert not load.unreachable
    late = house.database.one(
        "SELECT extract(epoch FROM percentile_cont(0.95) WITHIN GROUP (ORDER BY a.started_at - i.received_at)) AS p95 "
        "FROM attempt a JOIN delivery d ON d.id = a.delivery_id JOIN event e ON e.id::text = d.group_key "
        "JOIN inbound i ON i.id = e.inbound_id WHERE a.organisation_id = %(org)s AND a.number = 1",
        org=office.id,
    )
    assert late.p95 < 10


# --- PostgreSQL --------------------------------------------------------------------------------------------------------


@pytest.mark.proves("R3")
def test_postgres_crashes_under_everybody(house: House, office: Office) -> None:
    load = house.load(office, EVENTS).pause(60)
    hold = house.smtp.hold(_email_addresses(office, load, "repair_approved"), "dot")
    load.start()
    hold.wait()
    load.wait(60)
    held = _in_hand(house, office, hold.held[0], phase="dot")
    load.go_on()
    router, _ = house.caught(
        lambda: house.process("route-worker"),
        lambda: house.transactions("route-worker"),
        "an inbound row being routed",
    )
    with house.held(office, load.soon):
        eventually(house.group_in_flight, "a group is inserted and not committed")
        assert load.going_on
        house.engines.kill_postgres()
    thaw(router)
    hold.open()  # the worker hears that its message was accepted, and cannot write it down
    load.wait_for(lambda it: it.statuses()[503] > 0)
    house.engines.revive("postgres")
    done(house, office, load)
    assert set(load.statuses()) <= {200, 202, 503}
    assert not load.torn
    assert _end_of(house, held) == ("sent", ["accepted"], 1)


# --- frozen, not dead --------------------------------------------------------------------------------------------------

WORK_URGENT = (sys.executable, "worker.py", "work", "urgent")


@pytest.mark.proves("R8")
def test_late_result_of_a_frozen_worker_changes_nothing(house: House, office: Office) -> None:
    assert frozen_worker(house, office, WORK_URGENT) == []


def frozen_worker(house: House, office: Office, command: tuple[str, ...]) -> list[str]:
    """A worker is stopped in the middle of an email for longer than its lease; another takes over; the first goes on
    and has a result to write. What is wrong then, in sentences."""
    address = {office.people["tech1"]["email"]}
    other = house.process("urgent-worker")
    freeze(other)  # so that the message is the first one's
    with house.beside("frozen", *command) as worker:
        first, second = house.smtp.hold(address, "dot"), house.smtp.hold(address, "dot")
        load = house.load(office, [office.repair(1)[:1]]).start().finish()
        first.wait(seconds=40)
        delivery = _in_hand(house, office, *address, phase="dot")
        freeze(worker)
        first.open()  # accepted: the answer waits in the frozen worker's socket
        thaw(other)
        eventually(lambda: house.pass_time(office) or second.held, "another worker sends it again", 60, 0.05)
        before = _as_it_stands(house, delivery)
        assert before.outcomes == ["ambiguous"], "the second try is under way"
        thaw(worker)
        eventually(
            lambda: "stale_result" in house.log("frozen") or _as_it_stands(house, delivery) != before,
            "the frozen worker has settled its result",
        )
        after = _as_it_stands(house, delivery)
        second.open()
        house.until_quiet(office)
    changed = [] if after == before else [f"a late result changed {before} to {after}"]
    return changed + findings(house, office, load, doubt=True)


def _as_it_stands(house: House, delivery: str) -> Any:
    return house.database.one(
        "SELECT state, reason, attempts, token, provider_id, settled_at, "
        "(SELECT array_agg(outcome ORDER BY number) FROM attempt a WHERE a.delivery_id = d.id) AS outcomes "
        "FROM delivery d WHERE id = %(id)s",
        id=delivery,
    )


# --- planted bugs: the checks must see them ----------------------------------------------------------------------------


@pytest.mark.proves("R4")
def test_settling_without_the_token_is_seen(house: House, office: Office) -> None:
    planted = (sys.executable, "-m", "tests.chaos.mutants", "settle_without_token", *WORK_URGENT[2:])
    found = frozen_worker(house, office, planted)
    assert any(line.startswith("a late result changed") for line in found)
    assert any("counts 2 attempts and has the rows [1]" in line for line in found), found


@pytest.mark.proves("R4")
def test_answering_before_the_commit_is_seen(house: House, office: Office) -> None:
    port = free_port()
    server = (sys.executable, "-m", "gunicorn", "-c", "notify_app/web/gunicorn_conf.py")
    with house.beside(
        "hasty", *server, "tests.chaos.mutants:reply_before_commit()", HUB_BIND=f"127.0.0.1:{port}"
    ) as web:
        eventually(lambda: house.answers(port), "the server with the bug answers", 40)
        load = house.load(office, 80, port=port).start()
        load.wait(40)
        house.kill_pid(children_of(web.pid)[0])
        load.finish()
        house.until_quiet(office)
    found = findings(house, office, load)
    assert any(line.startswith("accepted and lost") for line in found), found


@pytest.mark.proves("R4")
def test_routing_in_two_transactions_is_seen(house: House, office: Office) -> None:
    router = house.process("route-worker")
    freeze(router)  # so that the messages are taken by the worker with the bug
    planted = (sys.executable, "-m", "tests.chaos.mutants", "route_in_two_transactions", "work", "route")
    with house.beside("divided", *planted) as worker:
        load = house.load(office, [office.reward(number) for number in range(1, 21)]).start().finish()
        _, between = house.caught(
            lambda: worker, lambda: _applied_without_event(house, office), "a half of a step", 40
        )
        house.kill(worker)
    thaw(router)
    house.until_quiet(office)
    found = findings(house, office, load)
    assert any(line.startswith(f"inbox line missing: {len(between)}") for line in found), found


def _applied_without_event(house: House, office: Office) -> list[Any]:
    return house.database.all(
        "SELECT id FROM inbound i WHERE organisation_id = %(org)s AND state = 'applied' "
        "AND NOT EXISTS (SELECT FROM event e WHERE e.organisation_id = i.organisation_id AND e.inbound_id = i.id)",
        org=office.id,
    )
