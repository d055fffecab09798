"""How streams begin, are kept and end, without a server: limits, sessions, heartbeats, the office's hints."""

from __future__ import annotations

import json
import re

import pytest

from notify_app.errors import Unavailable
from notify_app.live import hub as hubs
from notify_app.live import queued
from notify_app.live.announce import CHANNEL, CROWD, MOST_OF_A_MESSAGE, Changed, Frame, Spread, _messages
from notify_app.live.registry import ROUNDS, Index
from notify_app.live.stream import STUCK_SECONDS
from tests.streams.page import Page


def ended(wire, page):
    return wire.stream(page).closed


def office(wire, *news):
    """Tell this."""
    for _, message in _messages(news):
        wire.hub.hear(message.encode())


# --- whose stream it is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE account_session SET revoked_at = hub_now() WHERE id = :session",
        "UPDATE account_session SET expires_at = hub_now() - interval '1 s' WHERE id = :session",
        "DELETE FROM account_session WHERE id = :session",
        "UPDATE account SET disabled_at = hub_now() WHERE id = :account",
        "UPDATE person SET left_at = hub_now() WHERE id = :person",
        "UPDATE person SET account_id = NULL WHERE id = :person",
        "UPDATE person SET role = 'contact' WHERE id = :person",
    ],
)
def test_a_stream_ends_with_what_it_was_opened_by(wire, world, shop, change):
    marco, priya = world.member("marco", shop), world.member("priya", shop)
    page, other = wire.open(marco), wire.open(priya)
    wire.settle(page, other)
    values = {
        "session": marco.session_id,
        "account": marco.account_id,
        "person": marco.people[0].id,
    }
    used = {name: value for name, value in values.items() if f":{name}" in change}
    world.build.run(change, **used)
    wire.hub.compare()
    assert ended(wire, page)
    assert not ended(wire, other)
    world.put(marco.people[0], "Not for this stream any more")
    wire.settle()
    assert wire.waiting(page) == b""


def test_an_account_that_is_one_person_more_is_asked_to_come_again(wire, world, shop):
    marco = world.member("marco", shop)
    page = wire.open(marco)
    wire.settle(page)
    lakeside = world.organisation("lakeside")
    world.build.person(lakeside, None, "marco", account_id=marco.account_id)
    wire.hub.compare()
    assert ended(wire, page)


def test_an_account_that_is_other_people_than_before_is_asked_to_come_again(wire, world, shop):
    marco = world.member("marco", shop)
    page = wire.open(marco)
    wire.settle(page)
    world.build.run("UPDATE person SET account_id = NULL WHERE id = :id", id=marco.people[0].id)
    lakeside = world.organisation("lakeside")
    world.build.person(lakeside, None, "marco", account_id=marco.account_id)
    wire.hub.compare()
    assert ended(wire, page)


def test_a_thousand_streams_are_compared_by_two_statements(wire, world, shop):
    members = [world.member(f"m{number}", shop) for number in range(30)]
    for one in members:
        wire.open(one)
    wire.bring()
    assert len(wire.asked(wire.hub.compare)) == 2


# --- limits -------------------------------------------------------------------------------------------------------------


def test_of_one_account_the_oldest_stream_gives_way_and_no_one_elses(wire, world, shop):
    marco, priya = world.member("marco", shop), world.member("priya", shop)
    other = wire.open(priya)
    pages = [wire.open(marco) for _ in range(hubs.MOST_OF_ONE_ACCOUNT + 3)]
    assert [ended(wire, page) for page in pages] == [True] * 3 + [False] * hubs.MOST_OF_ONE_ACCOUNT
    assert not ended(wire, other)
    assert wire.hub.count() == hubs.MOST_OF_ONE_ACCOUNT + 1


@pytest.mark.parametrize("queue", [True, False])
def test_beyond_the_limit_there_is_no_room(wire, world, shop, monkeypatch, queue):
    monkeypatch.setattr(hubs, "MOST_QUEUED", 2)
    marco = world.member("marco", shop)
    for _ in range(2):
        wire.hub.admit(queued=queue)
        wire.open(marco)
    if queue:
        with pytest.raises(Unavailable):
            wire.hub.admit(queued=True)
    else:
        wire.hub.admit(queued=False)


def test_what_was_counted_is_counted_back(wire, world, shop):
    marco = world.member("marco", shop)
    pages = [wire.open(marco) for _ in range(5)]
    for page in pages:
        wire.cut(page)
        wire.hub.drop(wire.stream(page))
    assert wire.hub.count() == 0
    assert list(wire.hub._streams) == []
    assert not wire.hub._behind
    streams = wire.hub._streams
    assert not streams.by_person._of
    assert not streams.by_account._of
    assert not streams.watching._of


def test_an_index_knows_one_and_many_and_forgets_them():
    index: Index[str] = Index()
    one, two = object(), object()
    for stream in (one, two, one):
        index.add("key", stream)  # type: ignore[arg-type]
    assert index.of("key") == (one, two)
    for stream in (two, one, one):
        index.remove("key", stream)  # type: ignore[arg-type]
    assert index.of("key") == ()
    assert not index._of


# --- the heartbeat ------------------------------------------------------------------------------------------------------


def test_every_stream_has_one_heartbeat_in_fifteen_seconds(wire, world, shop):
    members = [world.member(f"m{number}", shop) for number in range(3)]
    pages = []
    for member in members:
        pages.append(wire.open(member))
        wire.hub.beat()
    wire.bring()
    for page in pages:
        wire.waiting(page)
    for _ in range(ROUNDS):
        wire.hub.beat()
    assert [wire.waiting(page).count(b"event: heartbeat") for page in pages] == [1, 1, 1]
    assert ROUNDS * hubs.TICK_SECONDS == 15


def test_the_more_streams_there_are_the_longer_is_the_time_in_which_they_come_back(wire):
    def among(count: int) -> tuple[int, int]:
        times = [wire.hub._retry_ms(count) for _ in range(500)]
        return min(times), max(times)

    for count, seconds in ((0, 10), (100, 10), (5_000, 20), (10_000, 40)):
        least, most = among(count)
        assert 2_000 <= least < 3_000
        assert seconds * 950 < most <= seconds * 1_000


def test_who_takes_nothing_is_dropped_at_the_next_heartbeat(wire, world, shop, monkeypatch):
    marco = world.member("marco", shop)
    page, other = wire.open(marco), wire.open(marco)
    wire.read(other)
    broken = []
    wire.stream(page)._cut = lambda: broken.append(True)
    now = queued.time.monotonic()
    monkeypatch.setattr(hubs.time, "monotonic", lambda: now + STUCK_SECONDS + 1)
    for _ in range(ROUNDS):
        wire.hub.beat()
    assert ended(wire, page)
    assert broken
    assert not ended(wire, other)


# --- the end of the process ---------------------------------------------------------------------------------------------


def test_a_server_that_ends_tells_its_streams_when_to_come_back_and_takes_no_more(wire, world, shop):
    marco = world.member("marco", shop)
    pages = [wire.open(marco) for _ in range(3)]
    wire.settle(*pages)
    serving = True
    wire.hub.alive = lambda: serving
    wire.hub.beat()
    assert not any(ended(wire, page) for page in pages)
    serving = False
    wire.hub.beat()
    for page in pages:
        assert ended(wire, page)
        assert re.fullmatch(rb"retry: \d+\n\n", wire.waiting(page))
    with pytest.raises(Unavailable):
        wire.hub.admit()
    late = wire.open(marco)
    assert ended(wire, late)


# --- the office ---------------------------------------------------------------------------------------------------------


def test_what_changes_in_one_tick_is_told_at_once_and_then_together(wire, world, shop):
    olga = world.member("olga", shop, role="manager")
    page = wire.open(olga)
    wire.settle(page)
    for number in range(5):
        office(wire, Changed(shop.id, "work", (f"item-{number}",)))
    told = wire.waiting(page)
    assert told.count(b"event: changed") == 1
    assert b"item-0" in told
    wire.hub.beat()
    (data,) = re.findall(rb"event: changed\ndata: (.*)\n", wire.waiting(page))
    assert json.loads(data) == {
        "items": [f"item-{number}" for number in range(1, 5)],
        "what": ["work"],
    }
    for _ in range(2):
        wire.hub.beat()
    assert b"changed" not in wire.waiting(page)
    office(wire, Changed(shop.id, "alert"))
    assert b"changed" in wire.waiting(page)


def test_contacts_and_other_organisations_are_not_told_of_the_offices_work(wire, world, shop):
    lakeside = world.organisation("lakeside")
    pages = [
        wire.open(world.member("dana", shop, role="contact")),
        wire.open(world.member("otto", lakeside, role="manager")),
    ]
    wire.settle(*pages)
    office(wire, Changed(shop.id, "work", ("item-1",)))
    wire.hub.beat()
    assert not any(b"changed" in wire.waiting(page) for page in pages)


# --- announcements ------------------------------------------------------------------------------------------------------


def test_a_message_to_many_is_published_in_parts_on_a_channel_of_its_own(world, shop):
    from notify_app.ids import new_id

    people = [(new_id(), 1, new_id()) for _ in range(MOST_OF_A_MESSAGE + 1)]
    news = [
        Spread(shop.id, "notification", {"title": "Hello"}, people),
        Changed(shop.id, "work"),
        Frame(people[0][0], 1, "read", {}),
    ]
    (first, both), *many = _messages(news)
    assert first == CHANNEL
    assert [set(one) & {"p", "o"} for one in json.loads(both)] == [{"o"}, {"p"}]
    assert [channel for channel, _ in many] == [CROWD, CROWD]
    told = [json.loads(message)["m"] for _, message in many]
    assert [len(one) // 3 for one in told] == [MOST_OF_A_MESSAGE, 1]
    assert told[1] == [people[-1][0].hex, 1, str(people[-1][2])]


def test_of_an_event_that_is_no_new_line_many_are_told_from_the_database(wire, world, shop):
    """A release to come may spread other things; this one does not guess what they mean."""
    marco = world.member("marco", shop)
    page = wire.open(marco)
    wire.settle(page)
    (line,) = world.put(marco.people[0], "Line")
    wire.hear()
    world.mark(marco.people[0], "withdrawn", [line])
    world.air.clear()
    office(wire, Spread(shop.id, "withdrawn", {}, [(marco.people[0].id, 2, line)]))
    wire.bring()
    wire.read(page)
    assert page.events == ["snapshot", "notification", "withdrawn"]
    assert page.lines == {}


def test_what_was_told_to_somebody_who_is_not_connected_is_nothing(wire, world, shop):
    marco = world.member("marco", shop)
    world.put(marco.people[0], "Line")
    world.spread([marco.people[0]], "To all")
    wire.hear()
    page = wire.open(marco, Page())
    wire.settle(page)
    assert page.lines == world.inbox(marco)
