"""Announcements to many (C8): each told once, as they wish; in chunks that a crash cannot double or lose."""

from __future__ import annotations

import re
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text

from notify_app import process
from notify_app.domains import hub as pack
from notify_app.pipeline import broadcast
from notify_app.pipeline.ahead import looking_ahead
from notify_app.pipeline.crowd import Audience
from notify_app.pipeline.route import Origin, Override
from notify_app.pipeline.step import step
from notify_app.work import why
from tests.stories.conftest import DANA_MAIL, DANA_PHONE, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL, PRIYA_MAIL

pytestmark = pytest.mark.proves("C8")

TITLE, MESSAGE = "The shop closes at noon", "We open again on Monday at 08:00."


def announce(hub, audience=None, *, settle=True, **more):
    """An announcement by webhook."""
    data = {"title": TITLE, "message": MESSAGE, "audience": audience or {"everyone": True}, **more}
    answer = hub.post("announcement.send", data, settle=settle)
    assert answer.status_code == 202, answer.get_json()
    return answer


def broadcasts(hub):
    return hub.build.all(
        "SELECT * FROM broadcast WHERE organisation_id = :org ORDER BY event_id", org=hub.organisation.id
    )


def the_broadcast(hub):
    rows = broadcasts(hub)
    assert len(rows) == 1
    return rows[0]


def decided(hub):
    """(channel, outcome, reason) → how many people."""
    rows = hub.build.all(
        "SELECT channel, outcome, reason, sum(people) AS n FROM decision WHERE class_id IS NOT NULL GROUP BY 1, 2, 3"
    )
    return {(row.channel, row.outcome, row.reason): row.n for row in rows}


def lines_of(hub):
    """Person → how many lines they have of announcements."""
    rows = hub.build.all("SELECT person_id FROM notification WHERE name = 'announcement'")
    return Counter(row.person_id for row in rows)


def many(hub, count, *, role="technician"):
    """So many people who sign in and have no address, written at once."""
    hub.build.run(
        "INSERT INTO account (id, email, name, password_hash) SELECT uuidv7(), 'many-' || n || '@example.com', "
        "'Many ' || n, 'x' FROM generate_series(1, :count) AS n",
        count=count,
    )
    hub.build.run(
        "INSERT INTO person (organisation_id, account_id, name, role) "
        "SELECT :org, id, name, :role FROM account WHERE email LIKE 'many-%'",
        org=hub.organisation.id,
        role=role,
    )
    return {row.id for row in hub.build.all("SELECT id FROM person WHERE name LIKE 'Many %'")}


@pytest.fixture
def chunks_of_1000():
    """So many people a chunk, but the first."""
    worker = process.current()
    worker.chunk = 1000
    yield
    worker.chunk = broadcast.CHUNK


@contextmanager
def in_office(hub):
    with hub.world.app.app_context(), step(hub.organisation.id) as work:
        yield work


def why_lines(hub, person_id):
    event = the_broadcast(hub).event_id
    with in_office(hub) as work:
        return "\n".join(why.plain(work, event, person_id))


# --- everybody as they wish ------------------------------------------------------------------------------------------


@pytest.mark.proves("A5", "A7", "A8", "A16")
def test_people_of_many_kinds_are_each_told_once_and_as_they_wish(shop):
    shop.at("2026-11-24 23:30", "America/Los_Angeles")
    sleeps = {"quiet": ("22:00", "07:00")}
    shop.person("quiet", email="quiet@example.com", **sleeps)
    shop.person("abroad", email="abroad@example.com", zone="Europe/Berlin", **sleeps)  # 08:30 there
    shop.person("muted", email="muted@example.com", off=[("category:announcement", "email")])
    shop.person(
        "this",
        email="this@example.com",
        off=[("category:announcement", "email")],
        on=[("event:announcement", "email")],
    )
    shop.person("no_mail", sms="+12025550111")
    shop.person("blocked", email="blocked@example.com", sms="+12025550112")
    shop.build.suppress(shop.organisation, "email", "blocked@example.com")
    second = shop.person("second", email="old@example.com")
    shop.build.address(second, "email", "new@example.com", position=1)
    shop.build.suppress(shop.organisation, "email", "old@example.com")
    shop.customer("lost")
    gone = shop.person("gone", email="gone@example.com")
    shop.build.run("UPDATE person SET left_at = hub_now() WHERE id = :id", id=gone.id)

    announce(shop)

    for address in (
        DANA_MAIL,
        MARCO_MAIL,
        PRIYA_MAIL,
        OFFICE_MAIL,
        "abroad@example.com",
        "this@example.com",
        "new@example.com",
    ):
        mail = shop.mail(address).says(TITLE, MESSAGE)
        assert mail.to == (address,), "one message each, never a shared To line"
    shop.sms("+12025550111").says(TITLE)
    shop.sms("+12025550112").says(TITLE)
    for key in ("olga", "marco", "priya", "quiet", "abroad", "muted", "this", "no_mail", "blocked", "second"):
        assert shop.inbox(key).has("announcement", TITLE, MESSAGE, priority="medium").seq == 1
    shop.inbox("olga").has(
        "not_reached", "Not reached: 1 person", "No address for email is known (1)", "Lost"
    )
    shop.mail(OFFICE_MAIL).says("Not reached: 1 person")
    shop.silence()
    row = the_broadcast(shop)
    assert (row.people, row.considered, row.told) == (12, 12, 12)
    assert decided(shop) == {
        ("inapp", "told", "in_inbox"): 12,
        ("email", "told", "priority_channel"): 7,
        ("email", "deferred", "quiet_hours"): 1,
        ("email", "not_told", "preference_category"): 1,
        ("email", "not_told", "no_address"): 2,
        ("email", "not_told", "suppressed"): 1,
        ("sms", "told", "fallback_channel"): 2,
        ("sms", "not_told", "no_address"): 1,
        ("", "not_told", "not_reached"): 1,
    }
    held = shop.delivery("quiet", "email")
    assert (held.state, held.reason, held.due_at.isoformat()) == (
        "held",
        "quiet_hours",
        "2026-11-25T15:00:00+00:00",
    )
    shop.wait(timedelta(hours=8))
    shop.mail("quiet@example.com").says(TITLE)
    shop.silence()


def test_addresses_are_kept_letter_for_letter_whatever_is_in_them(shop):
    odd = ['a,b {c} "d" \\ NULL', "NULL", "{}", "quote'and,comma"]
    for number, value in enumerate(odd):
        shop.person(f"odd{number}", sms=value, quiet=("00:00", "00:00"))
    announce(shop, {"people": [{"id": f"odd{number}"} for number in range(len(odd))]})
    for number, value in enumerate(odd):
        assert shop.delivery(f"odd{number}", "sms").address == value
    shop.forget()


def test_roles_grades_and_named_people_hear_and_nobody_else(shop):
    shop.person("grace", grade="A")
    announce(shop, {"roles": ["manager", "contact"]}, priority="low")
    shop.inbox("olga").has("announcement", priority="low")
    shop.sms(DANA_PHONE).says(TITLE)  # who cannot sign in has no inbox
    announce(shop, {"grades": ["A", "B"]}, priority=4)
    shop.inbox("grace").has("announcement")
    named = [{"id": "marco"}, {"person": str(shop.people["priya"].id)}, {"id": "nobody"}]
    answer = announce(shop, {"people": named}, priority="low")
    shop.inbox("marco").has("announcement")
    shop.inbox("priya").has("announcement")
    row = shop.inbound(answer)
    assert (row.state, row.error) == (
        "applied",
        "audience.people[2]: nobody is not known in this organisation.",
    )
    shop.silence()


@pytest.mark.proves("A16")
def test_an_audience_of_nobody_is_told_to_the_office(shop):
    answer = announce(shop, {"grades": ["C"]})
    shop.mail(OFFICE_MAIL).says(
        "Not reached: grade C", f"Announcement: {TITLE}", "Nobody holds the part of grade C"
    )
    shop.inbox("olga").has("not_reached")
    shop.silence()
    assert shop.inbound(answer).state == "applied"
    assert broadcasts(shop) == []
    assert shop.decisions(None, "announcement") == {"": ("not_told", "nobody")}


def test_urgent_ignores_wishes_and_goes_out_by_every_channel(shop):
    shop.build.choose(shop.people["marco"], "category:announcement", "email", False)
    shop.build.quiet(shop.people["marco"], "00:00", "00:00")
    announce(shop, {"people": [{"id": "marco"}]}, priority="critical")
    shop.mail(MARCO_MAIL).says(TITLE)
    shop.sms(MARCO_PHONE).says(TITLE)
    shop.inbox("marco").has("announcement", priority="urgent")
    shop.silence()
    assert {row.priority for row in shop.deliveries("marco")} == {1}


def test_each_reads_their_own_name_where_the_office_wrote_it_so(shop):
    shop.build.template(shop.organisation, "announcement", title="{{ person.first_name }}: {{ title }}")
    announce(shop, {"roles": ["technician"]}, priority="low")
    shop.inbox("marco").has("announcement", f"Marco: {TITLE}")
    shop.inbox("priya").has("announcement", f"Priya: {TITLE}")
    shop.silence()


def test_a_message_that_the_office_has_switched_off_is_refused(shop):
    shop.build.template(shop.organisation, "announcement", active=False)
    answer = announce(shop)
    row = shop.inbound(answer)
    assert (row.state, broadcasts(shop)) == ("refused", [])
    assert "announcement is switched off" in row.error
    shop.silence()


def test_an_organisation_that_sends_nothing_tells_nobody_and_says_why(shop):
    shop.build.run("UPDATE organisation SET settings = '{\"notifications_on\": false}'")
    announce(shop)
    assert shop.decisions(None, "announcement") == {"": ("not_told", "notifications_off")}
    assert broadcasts(shop) == []
    shop.silence()


@pytest.mark.proves("C5")
def test_another_organisation_hears_nothing(shop):
    elsewhere = shop.another("elsewhere")
    elsewhere.office("zoe", email="zoe@example.com")
    announce(shop, {"people": [{"id": "marco"}, {"person": str(elsewhere.people["zoe"].id)}]}, priority="low")
    announce(shop, {"roles": ["manager"]}, priority="low")
    shop.inbox("marco").has("announcement")
    shop.inbox("olga").has("announcement")
    elsewhere.inbox("zoe").nothing()
    shop.silence()


@pytest.mark.parametrize(
    ("data", "field", "says"),
    [
        ({}, "data.audience", "required"),
        ({"audience": {}}, "data.audience", "exactly one"),
        ({"audience": {"everyone": True, "roles": ["contact"]}}, "data.audience", "exactly one"),
        ({"audience": {"everyone": False}}, "data.audience.everyone", "True"),
        ({"audience": {"roles": ["boss"]}}, "data.audience.roles[0]", "technician"),
        ({"audience": {"roles": []}}, "data.audience.roles", "at least 1"),
        ({"audience": {"grades": ["D"]}}, "data.audience.grades[0]", "'A', 'B' or 'C'"),
        ({"audience": {"people": [{}]}}, "data.audience.people[0]", "either id"),
        ({"audience": {"people": [{"person": "x"}]}}, "data.audience.people[0].person", "UUID"),
        ({"audience": {"zone": "UTC"}}, "data.audience.zone", "not known"),
        ({"audience": {"everyone": True}, "priority": 7}, "data.priority", "1 to 4"),
        ({"audience": {"everyone": True}, "category": "news"}, "data.category", "announcement"),
        ({"audience": {"everyone": True}, "action_url": "javascript:x"}, "data.action_url", "https://"),
        ({"audience": {"everyone": True}, "titel": "x"}, "data.titel", "spelling"),
    ],
)
def test_what_cannot_be_used_is_refused_and_named(shop, data, field, says):
    answer = shop.post("announcement.send", {"title": TITLE, "message": MESSAGE, **data})
    assert answer.status_code == 422
    errors = {one["field"]: one["message"] for one in answer.get_json()["errors"]}
    assert says in errors[field], errors
    assert broadcasts(shop) == []


def test_the_same_announcement_again_is_told_once(shop):
    body = {"title": TITLE, "message": MESSAGE, "audience": {"roles": ["technician"]}, "priority": "low"}
    at = shop.now()
    answers = [shop.post("announcement.send", body, id="msg-1", at=at) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 200]
    shop.inbox("marco").has("announcement")
    shop.inbox("priya").has("announcement")
    shop.silence()


@pytest.mark.proves("A16", "C7")
def test_addresses_that_fail_are_told_to_the_office_once_and_counted_on_the_page(shop):
    for key in ("ann", "bob", "cleo"):
        shop.person(key, email=f"{key}@example.com")
        shop.world.smtp.fail(f"{key}@example.com", 550)
    announce(shop, {"roles": ["technician"]})
    shop.mail(MARCO_MAIL).says(TITLE)
    shop.mail(PRIYA_MAIL).says(TITLE)
    mail = shop.mail(OFFICE_MAIL).says("Not reached: Some of many people", f"Announcement: {TITLE}")
    shop.inbox("olga").has("not_reached", "Some of many people")
    for name in ("Ann", "Bob", "Cleo"):
        shop.inbox("olga").has("address_blocked", name)
    for key in ("marco", "priya", "ann", "bob", "cleo"):
        shop.inbox(key).has("announcement")
    shop.silence()
    page = shop.browser("olga").get(re.search(r"https://hub.example.com(/inbox/\S+)", mail.text)[1]).text
    assert "They could not be reached on any channel. 3" in page
    assert "They could not be reached on any channel." in why_lines(shop, shop.people["bob"].id)
    assert "could not be reached" not in why_lines(shop, shop.people["marco"].id)


# --- in chunks -------------------------------------------------------------------------------------------------------


def test_2500_people_are_told_in_three_chunks_everybody_once(shop, chunks_of_1000):
    crowd = many(shop, 2498)
    announce(shop, {"roles": ["technician"]}, priority="low")
    row = the_broadcast(shop)
    everybody = crowd | {shop.people["marco"].id, shop.people["priya"].id}
    assert lines_of(shop) == dict.fromkeys(everybody, 1)
    assert (row.people, row.considered, row.told) == (2500, 2500, 2500)
    assert row.done_at is not None
    moments = shop.build.all("SELECT created_at, count(*) AS n FROM notification GROUP BY 1 ORDER BY 1")
    assert [one.n for one in moments] == [500, 1000, 1000]
    assert decided(shop) == {("inapp", "told", "in_inbox"): 2500}
    counters = shop.build.all("SELECT person_id, seq FROM inbox_counter")
    assert {one.person_id: one.seq for one in counters} == dict.fromkeys(everybody, 1)
    shop.forget()


def test_the_ids_of_lines_and_messages_are_in_order_of_time_and_each_their_own(shop, chunks_of_1000):
    many(shop, 1200)
    announce(shop, priority="urgent")
    rows = shop.build.all("SELECT id, created_at FROM notification WHERE name = 'announcement' ORDER BY id")
    assert [row.created_at for row in rows] == sorted(row.created_at for row in rows)
    sent = shop.build.all("SELECT id FROM delivery")
    assert len({row.id for row in (*rows, *sent)}) == len(rows) + len(sent)
    assert {row.id.version for row in (*rows, *sent)} == {7}
    shop.forget()


def test_who_joins_while_it_is_told_is_not_told(shop, chunks_of_1000):
    many(shop, 600)
    announce(shop, {"roles": ["technician"]}, priority="low", settle=False)
    take_all(shop)
    assert advance(shop)
    late = shop.person("late")
    shop.settle()
    assert late.id not in lines_of(shop)
    assert the_broadcast(shop).told == 602
    assert "they came after it was sent out" in why_lines(shop, late.id)
    shop.forget()


def take_all(shop):
    """Apply what has arrived, and write no chunk yet."""
    from notify_app.pipeline import take

    with shop.world.app.app_context():
        take.drain(10)


def advance(shop, size=1000, first=500):
    with shop.world.app.app_context():
        return broadcast.advance(size, first)


def test_a_crash_between_chunks_is_found_by_the_column_alone(shop, chunks_of_1000):
    crowd = many(shop, 1600)
    announce(shop, {"roles": ["technician"]}, priority="low", settle=False)
    take_all(shop)
    assert advance(shop)
    assert advance(shop)
    assert the_broadcast(shop).considered == 1500
    shop.world.valkey.flushall()  # with it go all wake-ups
    assert shop.world.due() == ["route"]
    shop.world.sweep("release")
    assert set(lines_of(shop).values()) == {1}
    assert set(lines_of(shop)) >= crowd
    assert the_broadcast(shop).done_at is not None
    shop.forget()


def test_a_crash_inside_a_chunk_leaves_nothing_of_it_and_is_resumed_at_the_cursor(shop, chunks_of_1000):
    shop.expects_errors()
    crowd = sorted(many(shop, 1600))
    shop.build.run(
        "CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF NEW.person_id = '{crowd[900]}' THEN RAISE 'stumbled'; END IF; RETURN NEW; END $$"
    )
    shop.build.run(
        "CREATE TRIGGER stumble BEFORE INSERT ON notification FOR EACH ROW EXECUTE FUNCTION stumble()"
    )
    try:
        announce(shop, {"roles": ["technician"]}, priority="low")
        row = the_broadcast(shop)
        assert (row.considered, row.attempts, row.done_at) == (500, 1, None)
        assert row.error == "RaiseException: stumbled"
        assert len(lines_of(shop)) == 500
        assert shop.build.one("SELECT count(*) AS n FROM inbox_counter").n == 500
        assert decided(shop) == {("inapp", "told", "in_inbox"): 500}
        shop.jump(timedelta(seconds=2))
        assert the_broadcast(shop).attempts == 2
    finally:
        shop.build.run("DROP TRIGGER stumble ON notification")
        shop.build.run("DROP FUNCTION stumble()")
    shop.jump(timedelta(minutes=1))
    row = the_broadcast(shop)
    assert (row.considered, row.attempts, row.error) == (1602, 0, None)
    assert lines_of(shop) == dict.fromkeys([*crowd, shop.people["marco"].id, shop.people["priya"].id], 1)
    assert decided(shop) == {("inapp", "told", "in_inbox"): 1602}
    shop.forget()


def test_a_chunk_that_cannot_get_its_turn_waits_a_second_and_loses_nothing(shop):
    announce(shop, {"roles": ["technician"]}, priority="low", settle=False)
    take_all(shop)
    with shop.world.owner.begin() as conn:
        conn.execute(
            text("INSERT INTO inbox_counter (organisation_id, person_id, seq) VALUES (:org, :person, 0)"),
            {"org": shop.organisation.id, "person": shop.people["marco"].id},
        )
        assert not advance(shop)
    row = the_broadcast(shop)
    assert (row.considered, row.attempts) == (0, 1)
    assert row.error == "LockNotAvailable: canceling statement due to lock timeout"
    assert lines_of(shop) == {}
    shop.jump(timedelta(seconds=1))
    assert set(lines_of(shop).values()) == {1}
    assert the_broadcast(shop).error is None
    shop.forget()


def test_what_is_more_pressing_goes_first_and_the_other_goes_on_where_it_was(shop):
    crowd = many(shop, 1600)
    announce(shop, {"roles": ["technician"]}, priority="low", settle=False)
    take_all(shop)
    with shop.world.app.app_context(), looking_ahead() as ahead:
        assert broadcast.advance(500, 500, ahead)
        assert broadcast.advance(500, 500, ahead)
        announce(shop, {"roles": ["technician"]}, priority="urgent", settle=False)
        take_all(shop)
        assert broadcast.advance(500, 500, ahead)
        assert [row.considered for row in broadcasts(shop)] == [1000, 500]
        while broadcast.advance(500, 500, ahead):
            pass
    everybody = [*crowd, shop.people["marco"].id, shop.people["priya"].id]
    assert lines_of(shop) == dict.fromkeys(everybody, 2)
    assert all(row.done_at for row in broadcasts(shop))
    counters = shop.build.all(
        "SELECT seq FROM inbox_counter WHERE person_id = ANY(:people)", people=everybody
    )
    assert [row.seq for row in counters] == [2] * len(everybody)
    shop.settle()
    shop.forget()


def test_two_workers_never_write_the_same_chunk(shop):
    announce(shop, priority="low", settle=False)
    take_all(shop)
    with shop.world.owner.begin() as conn:
        conn.execute(text("SELECT 1 FROM broadcast FOR UPDATE"))
        assert not advance(shop)
    assert advance(shop)
    assert not advance(shop)
    assert set(lines_of(shop).values()) == {1}
    shop.settle()
    shop.forget()


def test_what_arrives_meanwhile_is_routed_at_once_and_not_behind_a_chunk(shop):
    announce(shop, {"roles": ["technician"]}, priority="low", settle=False)
    take_all(shop)
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    with shop.world.owner.begin() as conn:
        # somebody holds what the chunk needs
        conn.execute(
            text("INSERT INTO inbox_counter (organisation_id, person_id, seq) VALUES (:org, :person, 0)"),
            {"org": shop.organisation.id, "person": shop.people["marco"].id},
        )
        working = threading.Thread(target=shop.world.settle)
        working.start()
        until(lambda: shop.build.all(waiting), "the chunk waits")
        shop.post("repair.upsert", {"id": "R-1", "status": "pending"}, settle=False)
        applied = "SELECT 1 FROM inbound WHERE type = 'repair.upsert' AND state = 'applied'"
        until(lambda: shop.build.all(applied), "the repair is taken")
        assert shop.build.all(waiting), "the chunk still waits"
        assert the_broadcast(shop).considered == 0
    working.join(20)
    shop.settle()
    assert the_broadcast(shop).done_at is not None
    shop.forget()


def until(true, what, seconds=10):
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if found := true():
            return found
        pause.wait(0.01)
    raise AssertionError(f"it never came to this: {what}")


def test_somebody_named_who_leaves_before_their_turn_is_not_told_and_the_record_says_so(shop):
    named = [{"id": "marco"}, {"id": "priya"}]
    announce(shop, {"people": named}, priority="low", settle=False)
    take_all(shop)
    shop.build.run("UPDATE person SET left_at = hub_now() WHERE id = :id", id=shop.people["marco"].id)
    shop.settle()
    shop.inbox("priya").has("announcement")
    shop.inbox("marco").nothing()
    assert shop.decisions("marco", "announcement") == {"": ("not_told", "person_left")}
    shop.inbox("olga").has("not_reached", "Not reached: 1 person", "They have left the organisation (1)")
    shop.mail(OFFICE_MAIL).says("Not reached")
    shop.silence()


def test_switching_the_message_off_stops_what_is_left_of_it(shop, chunks_of_1000):
    many(shop, 1600)
    announce(shop, {"roles": ["technician"]}, priority="low", settle=False)
    take_all(shop)
    assert advance(shop)
    shop.build.template(shop.organisation, "announcement", active=False)
    shop.settle()
    row = the_broadcast(shop)
    assert (row.considered, row.told) == (500, 500)
    assert row.done_at is not None
    told, not_told = min(lines_of(shop)), shop.people["priya"].id
    assert "switched this message off" not in why_lines(shop, told)
    assert {told, not_told} & set(lines_of(shop)) in ({told}, {told, not_told})
    left = next(
        one.id
        for one in shop.build.all("SELECT id FROM person ORDER BY id DESC")
        if one.id not in lines_of(shop)
    )
    assert "The office has switched this message off." in why_lines(shop, left)
    shop.forget()


@pytest.mark.proves("A16")
def test_any_event_for_more_than_a_thousand_is_written_in_chunks_and_no_office_is_told_of_itself(
    shop, chunks_of_1000
):
    crowd = many(shop, 1001, role="manager")
    shop.repair("R-1", customer="dana").approved()  # nobody is assigned: all of the office hear of it
    rows = shop.build.all("SELECT person_id FROM notification WHERE name = 'not_reached'")
    assert Counter(row.person_id for row in rows) == dict.fromkeys([*crowd, shop.people["olga"].id], 1)
    row = the_broadcast(shop)
    assert (row.people, row.told, list(row.audience)) == (1002, 1002, ["people"])
    assert len(shop.events("not_reached")) == 1
    url = f"/work/{shop.build.one('SELECT id FROM work_item').id}"
    assert {one.action_url for one in shop.build.all("SELECT action_url FROM notification")} == {url}
    shop.forget()


@pytest.mark.proves("A17")
def test_a_private_link_is_each_readers_own_where_an_item_is_told_of_to_many(shop):
    """Begun by the verb itself, as a page of the office begins it."""
    repair = shop.repair("R-1", customer="dana").pending()
    shop.forget()
    shop.customer("carl", sms="+12025550121")
    with in_office(shop) as work:
        _event, problems = broadcast.begin(
            work,
            pack.announcement(TITLE, MESSAGE),
            Audience("roles", ("contact", "technician")),
            Origin(work.now, actor_id=shop.people["olga"].id),
            Override(item_id=repair.item_id),
        )
    shop.settle()
    assert problems == []
    written = shop.mail(DANA_MAIL).says(TITLE).text, shop.sms("+12025550121").says(TITLE).text
    links = [re.search(r"https://hub.example.com(/l/\S+)", one)[1] for one in written]
    assert len(set(links)) == 2
    assert shop.stranger().get(links[0]).status == 200
    shop.mail(MARCO_MAIL).says(f"/jobs/{repair.item_id}")
    shop.forget()


# --- on open phones --------------------------------------------------------------------------------------------------


@pytest.mark.proves("B4")
@pytest.mark.xdist_group("live")
def test_open_phones_hear_once_and_a_stream_that_resumes_misses_nothing_and_repeats_nothing(shop, live):
    streams = {key: live.stream(shop.browser(key).cookie()) for key in ("marco", "priya")}
    for stream in streams.values():
        stream.next("snapshot")
    announce(shop, priority="low")
    for key, stream in streams.items():
        frame = stream.until(lambda one: one.event == "notification")
        line = shop.build.one(
            "SELECT id FROM notification WHERE person_id = :person AND name = 'announcement'",
            person=shop.people[key].id,
        )
        assert (frame.data["id"], frame.data["title"], frame.data["text"]) == (str(line.id), TITLE, MESSAGE)
        assert frame.data["url"] == f"/inbox/{line.id}"
        assert frame.data["category_title"] == "Announcements"
    place = streams["marco"].position
    live.hang_up()
    announce(shop, priority="low", action_url="https://example.com/notice")
    back = live.stream(shop.browser("marco").cookie(), after=place)
    frame = back.until(lambda one: one.event == "notification")
    assert frame.data["action_url"] == "https://example.com/notice"
    assert back.quiet("notification", "snapshot")
    shop.forget()


# --- why, and on the pages -------------------------------------------------------------------------------------------


@pytest.mark.proves("C7")
def test_why_is_answered_for_one_person_of_many(shop):
    shop.person("muted", off=[("category:announcement", "email")], email="muted@example.com")
    announce(shop, {"roles": ["technician", "contact"]})
    shop.forget()
    story = why_lines(shop, shop.people["marco"].id)
    for said in (
        "Marco Reyes was told of announcement",
        "It is for technicians and contacts.",
        "goes out by email",
        "was handed over",
    ):
        assert said in story
    assert "switched" not in story, "that is somebody else's reason"
    assert "They switched email off for Announcements." in why_lines(shop, shop.people["muted"].id)
    assert "never considered: it is for technicians and contacts" in why_lines(shop, shop.people["olga"].id)


def test_who_is_still_to_be_told_is_answered_so(shop, chunks_of_1000):
    many(shop, 600)
    announce(shop, {"roles": ["technician"]}, priority="low", settle=False)
    take_all(shop)
    assert advance(shop, first=1)
    left = next(
        one.id
        for one in shop.build.all("SELECT id FROM person WHERE name LIKE 'Many %' ORDER BY id DESC LIMIT 1")
    )
    assert "has not come to" in why_lines(shop, left)
    shop.settle()
    assert "has not come to" not in why_lines(shop, left)
    shop.forget()


@pytest.mark.proves("C7")
def test_the_page_says_how_many_were_told_why_others_were_not_and_how_far_it_is(shop, chunks_of_1000):
    many(shop, 1200)
    shop.build.choose(shop.people["priya"], "event:announcement", "email", False)
    announce(shop, settle=False)
    take_all(shop)
    assert advance(shop)
    line = shop.build.all("SELECT id FROM notification LIMIT 1")[0]
    page = shop.browser("olga").get(f"/inbox/{line.id}").text
    assert "It is for everyone: 500 of 1,204 people so far." in page
    assert "41 %" in page
    shop.settle()
    words = shop.browser("olga").get(f"/inbox/{line.id}").text
    assert "It was for everyone: 1,204 of 1,204 people were told." in words
    for said in ("They switched email off for this event.", "No address for email is known.", "Who was told"):
        assert said in words
    assert "Who else was told" not in words
    assert words.count("Many 7") < 200, "nobody reads a list of all of them"
    board = shop.browser("olga").get("/dashboard").text
    assert "1,204 people told" in board
    shop.forget()


@pytest.mark.proves("B5")
def test_an_urgent_one_is_an_alert_of_the_office_until_it_takes_notice(shop):
    announce(shop, priority="urgent")
    shop.forget()
    olga = shop.browser("olga")
    assert "Olga Brandt: not read yet" in olga.get("/dashboard").text, "and not who else was told"
    event = the_broadcast(shop).event_id
    olga.submit("/dashboard", f"/alerts/{event}/acknowledge")
    noticed = "SELECT person_id FROM notification WHERE name = 'announcement' AND acknowledged_at IS NOT NULL"
    assert [row.person_id for row in shop.build.all(noticed)] == [shop.people["olga"].id]
    assert "No active alerts" in olga.get("/dashboard").text
