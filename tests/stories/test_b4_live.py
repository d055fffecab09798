"""B4: what happens is on every open tab and phone at once; a lost connection misses nothing and repeats nothing."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from notify_app.live.announce import CHANNEL
from tests.stories.conftest import MARCO_PHONE

pytestmark = [pytest.mark.proves("B4"), pytest.mark.xdist_group("live")]


@pytest.fixture(params=["handed over", "by a generator"])
def live(live, request):
    """Each story is told twice: where the server hands its connections over, and where it cannot."""
    live.generator = request.param == "by a generator"
    yield live
    live.generator = False


@pytest.fixture
def stage(shop, live):
    """The shop with a real web server; `stage(key)` opens a stream as this person and reads its snapshot."""

    def open_stream(key, **at):
        stream = live.stream(shop.browser(key).cookie(), **at)
        assert stream.status == 200
        assert stream.handed_over is not live.generator
        listens(shop)
        if not at:
            stream.next("snapshot")
        return stream

    return open_stream


def listens(shop):
    """The server is subscribed: a test before may have taken Redis away, and what is announced meanwhile reaches an inbox
    by the database, and an office's page not at all."""
    until = time.monotonic() + 30
    while not dict(shop.world.valkey.pubsub_numsub(CHANNEL)).get(CHANNEL.encode()):
        assert time.monotonic() < until, "nobody listens"
        threading.Event().wait(0.05)


def tell(shop, *keys, headline="Hello", priority="low", settle=True):
    """A message to these people, by webhook; LOW stays in the inbox."""
    data = {
        "template": "general",
        "recipients": [{"id": key} for key in keys],
        "context": {"headline": headline, "known": []},
        "priority": priority,
    }
    shop.post("notification.send", data, settle=settle)
    shop.forget()


def heard(stream, headline="Hello"):
    return stream.until(lambda frame: frame.event == "notification" and headline in frame.data["title"])


def of(stream, *events):
    """The ids that a stream has been told by these events, in order."""
    return [frame.data["id"] for frame in stream.frames if frame.event in events]


def test_a_new_stream_begins_with_a_snapshot_of_the_inbox(shop, live):
    tell(shop, "marco", headline="Before")
    stream = live.stream(shop.browser("marco").cookie())
    snapshot = stream.next("snapshot")
    assert [one["title"] for one in snapshot.data["notifications"]] == ["Before"]
    assert snapshot.data["unread"] == 1
    assert snapshot.id
    assert int(stream.retry) >= 1000


def test_a_webhook_reaches_every_open_tab_and_phone_of_its_reader_and_nobody_elses(shop, stage):
    tabs = [stage("marco") for _ in range(3)]
    priya = stage("priya")
    shop.repair("R-1", customer="dana", technician="marco").in_progress()
    shop.forget()
    for tab in tabs:
        frame = tab.until(lambda one: one.event == "notification")
        assert frame.data["title"].startswith("New job: R-1")
        assert frame.data["unread"] == 1
        assert frame.data["priority"] == "high"
        assert frame.data["category_title"] == "Assignments"
    tell(shop, "priya", headline="Only for you")
    heard(priya, "Only for you")
    assert len(of(priya, "notification")) == 1
    assert all(tab.quiet("notification") for tab in tabs)


def test_a_message_to_many_reaches_the_streams_of_all(shop, stage):
    streams = {key: stage(key) for key in ("olga", "marco", "priya")}
    tell(shop, "olga", "marco", "priya", headline="We close at noon")
    ids = {heard(stream, "We close at noon").data["id"] for stream in streams.values()}
    assert len(ids) == 3, "each has a line of their own"


def test_each_change_of_the_count_is_told(shop, stage):
    stream = stage("marco")
    for number in range(1, 4):
        tell(shop, "marco", headline=f"Message {number}")
        assert heard(stream, f"Message {number}").data["unread"] == number


def test_a_stream_that_comes_back_with_its_last_id_gets_what_it_missed_and_nothing_twice(shop, stage):
    stream = stage("marco")
    tell(shop, "marco", headline="First")
    first = heard(stream, "First")
    stream.close()
    tell(shop, "marco", headline="Second")
    tell(shop, "marco", headline="Third")
    back = stage("marco", last_event_id=stream.position)
    assert [back.next("notification").data["title"] for _ in range(2)] == ["Second", "Third"]
    tell(shop, "marco", headline="Fourth")
    assert back.next("notification").data["title"] == "Fourth"
    assert first.data["id"] not in of(back, "notification")


def test_a_browser_that_forgot_the_header_says_it_in_the_address(shop, stage):
    stream = stage("marco")
    tell(shop, "marco", headline="First")
    heard(stream, "First")
    stream.close()
    tell(shop, "marco", headline="Second")
    assert stage("marco", after=stream.position).next("notification").data["title"] == "Second"


def test_the_header_is_newer_than_the_address_a_browser_reconnects_with(shop, stage):
    stream = stage("marco")
    begun = stream.position
    tell(shop, "marco", headline="First")
    heard(stream, "First")
    stream.close()
    tell(shop, "marco", headline="Second")
    back = stage("marco", after=begun, last_event_id=stream.position)
    assert back.next("notification").data["title"] == "Second"


def test_what_was_read_or_withdrawn_meanwhile_comes_as_a_tombstone(shop, stage):
    shop.customer("kim", signs_in=True)
    repair = shop.repair("R-1", customer="kim").pending()
    tell(shop, "kim", headline="First")
    stream = stage("kim")
    stream.close()
    request = shop.build.one("SELECT id FROM notification WHERE name = 'repair_pending_approval'")
    other = shop.build.one("SELECT id FROM notification WHERE name = 'general'")
    kim = shop.browser("kim")
    kim.get(f"/inbox/{other.id}")
    repair.approved()
    shop.forget()
    back = stage("kim", last_event_id=stream.position)
    frames = {frame.event: frame.data for frame in (back.next(), back.next())}
    assert frames["read"]["ids"] == [str(other.id)]
    assert frames["withdrawn"]["ids"] == [str(request.id)]
    assert frames["withdrawn"]["unread"] == 0


def test_a_line_that_asks_is_told_with_its_event_and_what_was_answered_and_no_other_is(shop, stage, live):
    stream = stage("marco")
    alarm = {"alert_message": "Fire alarm", "location": "Bay 2", "recipients": [{"id": "marco"}]}
    shop.post("emergency.raised", alarm)
    tell(shop, "marco")
    asking = heard(stream, "Fire alarm").data
    assert asking["asks"] == "emergency_alert" and "answered" not in asking
    assert "asks" not in heard(stream).data
    shop.browser("marco").submit("/inbox", "/answer", answer="safe")
    shop.forget()
    fresh = live.stream(shop.browser("marco").cookie()).until(lambda frame: frame.event == "snapshot")
    known = fresh.data["notifications"]
    assert {one["title"]: one.get("answered") for one in known} == {asking["title"]: "safe", "Hello": None}


@pytest.mark.parametrize(
    "cursor", ["nonsense", "00000000000000000000000000000000.7", "x.1-y.2", "a" * 3000, "-", "1.1"]
)
def test_an_unknown_place_begins_with_a_fresh_snapshot(shop, live, cursor):
    tell(shop, "marco", headline="Before")
    stream = live.stream(shop.browser("marco").cookie(), last_event_id=cursor)
    assert stream.next("snapshot").data["unread"] == 1


def test_a_place_ahead_of_all_that_is_known_begins_with_a_fresh_snapshot(shop, stage, live):
    stream = stage("marco")
    person, _, _ = stream.position.partition(".")
    back = live.stream(shop.browser("marco").cookie(), last_event_id=f"{person}.999999")
    assert back.next("snapshot").data["unread"] == 0


def test_somebody_elses_place_opens_nothing_of_theirs(shop, stage, live):
    tell(shop, "marco", headline="For Marco")
    marco = stage("marco")
    stream = live.stream(shop.browser("priya").cookie(), last_event_id=marco.position)
    assert stream.next("snapshot").data == {"unread": 0, "notifications": []}


def test_an_announcement_that_was_lost_is_made_up_for_within_seconds(shop, stage, monkeypatch):
    stream = stage("marco")
    tell(shop, "marco", headline="Heard")
    heard(stream, "Heard")
    with monkeypatch.context() as patch:
        patch.setattr("notify_app.pipeline.step.announce.publish", lambda *_: None)
        tell(shop, "marco", headline="Lost")
    assert heard(stream, "Lost").data["unread"] == 2
    tell(shop, "marco", headline="Heard again")
    heard(stream, "Heard again")
    assert len(of(stream, "notification")) == len(set(of(stream, "notification"))) == 3


def test_a_gap_is_filled_by_the_next_announcement_at_once(shop, stage, monkeypatch):
    stream = stage("marco")
    with monkeypatch.context() as patch:
        patch.setattr("notify_app.pipeline.step.announce.publish", lambda *_: None)
        tell(shop, "marco", headline="Lost")
    tell(shop, "marco", headline="Heard")
    told = [stream.until(lambda frame: frame.event == "notification", 4) for _ in range(2)]
    titles = [frame.data["title"] for frame in told]
    assert titles == ["Lost", "Heard"]


def test_an_announcement_that_comes_twice_is_shown_once(shop, stage, monkeypatch):
    from notify_app.live import announce

    publish = announce.publish

    def twice(connection, news):
        news = list(news)
        publish(connection, news)
        publish(connection, news)

    stream = stage("marco")
    monkeypatch.setattr("notify_app.pipeline.step.announce.publish", twice)
    tell(shop, "marco", headline="One")
    tell(shop, "marco", headline="Two")
    heard(stream, "Two")
    assert len(of(stream, "notification")) == 2


def test_after_a_restart_of_the_server_every_stream_goes_on_where_it_was(shop, stage, live):
    stream = stage("marco")
    tell(shop, "marco", headline="First")
    heard(stream, "First")
    live.stop(signal.SIGKILL)
    assert stream.ended()
    tell(shop, "marco", headline="While it was away")
    live.start()
    back = stage("marco", last_event_id=stream.position)
    assert back.next("notification").data["title"] == "While it was away"
    tell(shop, "marco", headline="After")
    assert back.next("notification").data["title"] == "After"


def test_while_redis_is_away_the_stream_still_hears_within_seconds(shop, stage, engines):
    stream = stage("marco")
    engines.kill_valkey()
    try:
        data = {
            "template": "general",
            "recipients": [{"id": "marco"}],
            "context": {"headline": "Hello", "known": []},
        }
        answer = shop.post("notification.send", {**data, "priority": "low"}, settle=False)
        assert answer.status_code == 202
        shop.world.workers["smtp"].drain("route")
        heard(stream)
    finally:
        engines.revive("valkey")
    shop.forget()


def test_nobody_streams_without_signing_in(shop, live):
    assert live.stream("").status == 401
    assert live.stream("session=forged").status == 401


def test_signing_out_ends_the_streams_of_that_browser(shop, stage):
    stream = stage("marco")
    other = stage("priya")
    marco = shop.browser("marco")
    marco.submit("/preferences", "/sign-out")
    assert stream.ended(15), "within 15 seconds of the session's end"
    tell(shop, "priya")
    heard(other)


def test_the_offices_pages_are_told_that_work_has_changed(shop, stage):
    stream = stage("olga")
    repair = shop.repair("R-1", customer="dana", technician="marco").in_progress()
    shop.sms(MARCO_PHONE).says("New job")
    frame = stream.until(lambda one: one.event == "changed" and str(repair.item_id) in one.data["items"])
    assert not frame.id, "a hint has no place in the order"
    shop.forget()


def test_another_organisations_changes_are_not_told(shop, stage):
    other = shop.another("lakeside")
    other.office("otto")
    stream = stage("olga")
    other.repair("R-9", customer={"id": "x", "phone": "+12025550150"}).pending()
    shop.forget()
    shop.repair("R-1", customer="dana").pending()
    shop.forget()
    ours = str(shop.repair("R-1").item_id)
    stream.until(lambda one: one.event == "changed" and ours in one.data["items"])
    foreign = str(other.repair("R-9").item_id)
    assert not [one for one in stream.frames if one.event == "changed" and foreign in one.data["items"]]
