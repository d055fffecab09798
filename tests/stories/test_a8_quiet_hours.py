"""A8: quiet hours hold mail and SMS back until the window ends where the person lives; they drop nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.stories.conftest import DANA_MAIL, DANA_PHONE

pytestmark = pytest.mark.proves("A8")

PHONE, MAIL = "+12025550105", "nell@example.com"


def sleeper(shop, zone, quiet=("22:00", "07:00"), key="nell", **more):
    return shop.person(key, email=MAIL, sms=PHONE, zone=zone, quiet=quiet, **more)


def assigned(shop, key="nell", number="R-1"):
    repair = shop.repair(number, customer="dana").in_progress()
    shop.mail(DANA_MAIL).says(number)
    return repair.assigned(key)


def leaves_at(shop, wall, zone, key="nell"):
    """The only SMS waits for this wall time, to the minute."""
    row = shop.delivery(key, "sms")
    assert row.state == "held"
    assert row.reason == "quiet_hours"
    local = row.next_attempt_at.astimezone(ZoneInfo(zone))
    assert f"{local:%Y-%m-%d %H:%M}" == wall
    return row.next_attempt_at


def test_a_message_in_the_night_waits_for_the_morning_and_the_inbox_does_not(shop):
    sleeper(shop, "America/Los_Angeles")
    shop.at("2027-02-10 23:10", "America/Los_Angeles")
    assigned(shop)
    shop.inbox("nell").has("repair_assigned")
    shop.silence()
    assert shop.decisions("nell", "repair_assigned")["sms"] == ("deferred", "quiet_hours")
    leaves_at(shop, "2027-02-11 07:00", "America/Los_Angeles")
    shop.wait(timedelta(hours=7, minutes=49))
    shop.silence()
    shop.wait(timedelta(minutes=2))
    shop.sms(PHONE).says("New job R-1")
    shop.silence()


def test_outside_of_the_window_nothing_waits(shop):
    sleeper(shop, "America/Los_Angeles")
    shop.at("2027-02-10 21:59", "America/Los_Angeles")
    assigned(shop)
    shop.sms(PHONE).says("New job R-1")
    shop.inbox("nell").has("repair_assigned")
    shop.forget()


def test_the_window_begins_to_the_minute_and_ends_to_the_minute(shop):
    sleeper(shop, "UTC")
    shop.at("2027-02-10 22:00", "UTC")
    assigned(shop)
    shop.inbox("nell").has("repair_assigned")
    shop.sms(PHONE).nothing()
    shop.at("2027-02-11 07:00", "UTC")
    shop.sms(PHONE).says("New job R-1")
    shop.silence()


def test_the_zone_is_the_persons_own(shop):
    """22:00 in Tokyo is 05:00 in Los Angeles, where the office is."""
    sleeper(shop, "Asia/Tokyo")
    shop.at("2027-02-10 22:30", "Asia/Tokyo")
    assigned(shop)
    shop.inbox("nell").has("repair_assigned")
    leaves_at(shop, "2027-02-11 07:00", "Asia/Tokyo")
    shop.forget()


def test_without_a_zone_of_their_own_the_organisations_is_meant(shop):
    sleeper(shop, None)
    shop.at("2027-02-10 23:00", "America/Los_Angeles")
    assigned(shop)
    leaves_at(shop, "2027-02-11 07:00", "America/Los_Angeles")
    shop.forget()


@pytest.mark.parametrize(
    ("zone", "night", "morning", "hours"),
    [
        ("Europe/Berlin", "2027-03-27 22:00", "2027-03-28 07:00", 8),
        ("Europe/Berlin", "2027-10-30 22:00", "2027-10-31 07:00", 10),
        ("America/New_York", "2027-03-13 22:00", "2027-03-14 07:00", 8),
        ("America/New_York", "2027-11-06 22:00", "2027-11-07 07:00", 10),
        ("Australia/Lord_Howe", "2027-10-02 22:00", "2027-10-03 07:00", 8.5),
    ],
)
def test_in_the_night_of_the_clock_change_the_wall_clock_counts(shop, zone, night, morning, hours):
    sleeper(shop, zone)
    began = shop.at(night, zone)
    assigned(shop)
    shop.inbox("nell").has("repair_assigned")
    until = leaves_at(shop, morning, zone)
    assert until - began == timedelta(hours=hours)
    shop.jump(until - shop.now() - timedelta(minutes=1))
    shop.sms(PHONE).nothing()
    shop.jump(timedelta(minutes=1))
    shop.sms(PHONE).says("New job R-1")
    shop.silence()


def test_a_window_that_ends_at_a_time_that_does_not_exist_ends_with_the_jump(shop):
    sleeper(shop, "Europe/Berlin", quiet=("22:00", "02:30"))
    shop.at("2027-03-27 23:00", "Europe/Berlin")
    assigned(shop)
    assert leaves_at(shop, "2027-03-28 03:00", "Europe/Berlin") == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    shop.forget()


def test_a_window_that_ends_at_a_time_that_comes_twice_ends_at_the_first(shop):
    sleeper(shop, "Europe/Berlin", quiet=("22:00", "02:30"))
    shop.at("2027-10-30 23:00", "Europe/Berlin")
    assigned(shop)
    assert leaves_at(shop, "2027-10-31 02:30", "Europe/Berlin") == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    shop.forget()


def test_several_messages_of_one_night_come_as_one_in_the_morning(shop):
    sleeper(shop, "UTC")
    shop.at("2027-02-10 23:00")
    for number in ("R-1", "R-2", "R-3"):
        assigned(shop, number=number)
    shop.inbox("nell").has("repair_assigned", "R-1")
    shop.inbox("nell").has("repair_assigned", "R-2")
    shop.inbox("nell").has("repair_assigned", "R-3")
    shop.sms(PHONE).nothing()
    shop.wait(timedelta(hours=9))
    shop.sms(PHONE).says("3 messages while it was quiet", "R-1", "R-2", "R-3")
    shop.silence()


def test_what_was_read_in_the_night_does_not_ring_in_the_morning(shop):
    sleeper(shop, "UTC")
    shop.at("2027-02-10 23:00")
    assigned(shop)
    line = shop.inbox("nell").has("repair_assigned")
    assert shop.browser("nell").get(f"/inbox/{line.id}").status == 200
    shop.wait(timedelta(hours=9))
    shop.sms(PHONE).nothing()
    row = shop.delivery("nell", "sms")
    assert (row.state, row.reason) == ("skipped", "read_meanwhile")
    shop.forget()


def test_urgent_rings_at_night_and_the_rest_of_the_night_waits(shop):
    sleeper(shop, "UTC")
    shop.at("2027-02-10 23:00")
    shop.repair("R-1", technician="nell").approved()
    shop.sms(PHONE).says("R-1 is approved")
    shop.mail(MAIL).says("Approved: R-1")
    shop.inbox("nell").has("repair_approved")
    shop.inbox("nell").has("repair_assigned")
    shop.sms(PHONE).nothing()
    shop.wait(timedelta(hours=9))
    shop.sms(PHONE).says("New job R-1")
    shop.silence()


def test_quiet_hours_set_on_the_page_hold_what_comes_after(shop):
    dana_like = shop.person("nell", "contact", sms=PHONE, email=MAIL, signs_in=True)
    nell = shop.browser("nell")
    form = {
        "on": "1",
        "start": "22:00",
        "end": "07:00",
        "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    }
    saved = nell.submit("/preferences", "/quiet-hours", zone="Europe/Berlin", **form)
    assert "Your quiet hours are saved" in saved.text
    shop.at("2027-02-10 23:00", "Europe/Berlin")
    shop.repair("R-1", customer="nell").completed()
    leaves_at(shop, "2027-02-11 07:00", "Europe/Berlin")
    assert dana_like.role == "contact"
    shop.sms(DANA_PHONE).nothing()
    shop.forget()


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("start", {"start": "25:00"}),
        ("end", {"end": ""}),
        ("days", {"days": None}),
        ("zone", {"zone": "Mars/Olympus"}),
    ],
)
def test_quiet_hours_that_mean_nothing_are_refused_and_change_nothing(shop, field, change):
    form = {"on": "1", "start": "22:00", "end": "07:00", "days": ["mon"], "zone": "Europe/Berlin", **change}
    said = shop.browser("marco").submit("/preferences", "/quiet-hours", **form)
    assert said.status == 422
    assert shop.build.one("SELECT count(*) AS n FROM preference").n == 0
    shop.silence()


def test_an_outage_over_the_end_of_the_window_sends_late_and_once(shop):
    sleeper(shop, "UTC")
    shop.at("2027-02-10 23:00")
    assigned(shop)
    shop.inbox("nell").has("repair_assigned")
    shop.jump(timedelta(hours=9))
    shop.sms(PHONE).says("New job R-1")
    shop.sms(PHONE).nothing()
    shop.jump(timedelta(days=1))
    shop.sms(PHONE).nothing()
    shop.forget()
