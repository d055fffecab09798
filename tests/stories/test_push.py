"""Web push: a browser that was allowed shows what is told, each device for itself, and is forgotten when it is gone (A5)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

import pytest

from notify_app.extensions import db
from notify_app.pipeline.step import step
from notify_app.work import roster
from notify_app.work.devices import bring
from notify_app.work.record import COMMAND
from tests.channels.push_device import Device
from tests.channels.receiver import Receiver
from tests.stories.conftest import MARCO_MAIL, MARCO_PHONE
from tests.stories.test_a14_bursts import pace
from tests.stories.test_d4_escalation import VERA_PHONE, permit, rule, set_office, submitted, task
from tests.stories.test_telegram import MINUTE, news

pytestmark = pytest.mark.proves("A5")


class Push:
    """The push service as a stub, and browsers that are allowed."""

    def __init__(self, hub, service: Receiver) -> None:
        self.hub, self.service = hub, service

    def post(self, key: str, path: str, **fields):
        """As a page's script posts it."""
        browser = self.hub.browser(key)
        token = re.search(r'name="csrf-token" content="([^"]+)"', browser.get("/preferences").html)
        assert token
        answer = browser.post(path, csrf_token=token[1], **fields)
        self.hub.settle()
        return answer

    def allow(self, key: str, device: Device) -> None:
        assert self.post(key, "/push", **device.form).status == 200

    def sent(self, device: Device) -> list[dict]:
        """What this device was sent."""
        path = device.endpoint.partition(".com")[2]
        return [device.reads(one.body) for one in self.service.got if one.path == path]


@pytest.fixture
def push(shop) -> Iterator[Push]:
    with Receiver() as service:
        service.always(201)
        with shop.configured("push", "vapid", outgoing_url=service.url):
            yield Push(shop, service)


def devices(hub, key):
    rows = hub.build.all(
        "SELECT value FROM address WHERE channel = 'push' AND person_id = :me", me=hub.people[key].id
    )
    return {row.value.split("/")[-1].split(" ")[0] for row in rows}


def test_each_device_shows_each_message_besides_what_is_sent_anyway(shop, push):
    phone, desk = Device("phone"), Device("desk", "updates.push.services.mozilla.com")
    push.allow("marco", phone)
    push.allow("marco", desk)
    push.allow("marco", phone)  # each visit asks again
    assert devices(shop, "marco") == {"phone", "desk"}
    page = shop.browser("marco").get("/preferences").text
    assert "Chrome" in page and "Firefox" in page and phone.endpoint not in page

    news(shop, "medium")
    assert [one["body"] for one in (*push.sent(phone), *push.sent(desk))] == ["Leave the hall."] * 2
    line = shop.build.one("SELECT id FROM notification WHERE name = 'announcement'").id
    assert push.sent(phone)[0]["tag"] == line.hex
    shop.mail(MARCO_MAIL).says("Leave the hall.")
    news(shop, "high")
    shop.sms(MARCO_PHONE).says("Gas")
    assert len(push.sent(phone)) == 2
    news(shop, "low")
    assert len(push.sent(phone)) == 2, "what may wait is in the inbox"
    shop.forget()


def test_a_category_that_is_not_wanted_there_is_not_pushed(shop, push):
    phone = Device("phone")
    push.allow("marco", phone)
    shop.build.run(
        "INSERT INTO preference_choice (organisation_id, person_id, scope, channel, enabled) "
        "VALUES (:org, :me, 'category:announcement', 'push', false)",
        org=shop.organisation.id,
        me=shop.people["marco"].id,
    )
    news(shop, "medium")
    assert push.sent(phone) == []
    shop.forget()


@pytest.mark.proves("A16")
@pytest.mark.parametrize("status", [404, 410])
def test_a_device_that_is_gone_is_forgotten_and_nobody_is_troubled(shop, push, status):
    push.allow("marco", Device("gone"))
    push.service.reset()
    push.service.always(status)
    news(shop, "medium")
    assert devices(shop, "marco") == set()
    shop.mail(MARCO_MAIL).says("Leave the hall.")
    shop.inbox("marco").has("announcement", "Leave the hall.", priority="medium")
    shop.silence()  # neither another channel, nor the office
    assert shop.build.one("SELECT count(*) AS n FROM suppression").n == 0


def test_a_browser_is_whose_who_switched_it_on_last(shop, push):
    shared = Device("shared")
    push.allow("marco", shared)
    push.allow("priya", shared)
    assert (devices(shop, "marco"), devices(shop, "priya")) == (set(), {"shared"})
    news(shop, "medium")
    assert push.sent(shared) == [], "it was for Marco"
    shop.forget()


def test_of_many_devices_the_oldest_goes(shop, push):
    for number in range(11):
        push.allow("marco", Device(f"d{number}"))
    assert devices(shop, "marco") == {f"d{number}" for number in range(1, 11)}


def test_switching_off_ends_it(shop, push):
    phone, desk = Device("phone"), Device("desk")
    push.allow("marco", phone)
    push.allow("marco", desk)
    assert push.post("priya", "/push/off", endpoint=phone.endpoint).status == 200
    assert devices(shop, "marco") == {"phone", "desk"}, "another's is not hers to switch off"
    assert push.post("marco", "/push/off", endpoint=phone.endpoint).status == 200
    assert devices(shop, "marco") == {"desk"}
    lines = shop.build.all("SELECT what FROM audit WHERE what LIKE 'address.%' ORDER BY at, id")
    assert [one.what for one in lines] == ["address.added", "address.added", "address.removed"]


@pytest.mark.proves("S7")
def test_a_subscription_that_is_none_is_refused_and_named(shop, push):
    bad = {**Device("x").form, "endpoint": "http://127.0.0.1:6379/"}
    answer = push.post("marco", "/push", **bad)
    assert answer.status == 422
    assert devices(shop, "marco") == set()


@pytest.mark.proves("D4")
def test_what_is_pressed_on_a_push_sees_to_it(shop, push):
    phone = Device("phone")
    shop.person("vera", name="Vera Lind", sms=VERA_PHONE)
    set_office(shop, escalations_on=True)
    rule(
        shop, {"after": 10, "tell": [f"person:{shop.people['vera'].id}"], "says": "escalated"}, kind="permit"
    )
    push.allow("vera", phone)
    submitted(shop)
    shop.wait(11 * MINUTE)
    asks = [one["asks"] for one in push.sent(phone) if one["asks"]]
    assert len(asks) == 1
    assert push.post("marco", f"/push/{asks[0]}/acknowledge").status == 404
    answer = push.post("vera", f"/push/{asks[0]}/acknowledge")
    assert answer.status == 200 and "You see to it: " in answer.html
    assert task(shop).acknowledged_by == shop.people["vera"].id
    shop.forget()


def test_a_browser_is_told_the_key_and_which_devices_are_known(shop, push):
    phone = Device("phone")
    push.allow("marco", phone)
    said = json.loads(shop.browser("marco").get("/push").html)
    assert said["devices"] == [hashlib.sha256(phone.endpoint.encode()).hexdigest()]
    assert len(said["key"]) == 87 and said["token"]


def test_the_service_worker_stands_at_the_root(shop):
    response = shop.world.app.test_client().get("/sw.js")
    assert response.status_code == 200
    assert response.mimetype == "text/javascript"
    assert response.headers["Cache-Control"] == "no-cache"
    response.close()


def test_where_messages_stay_here_a_pretended_device_shows_them(shop):
    shop.over("local")
    page = shop.browser("marco").submit("/preferences", "/push/pretend")
    assert "Nothing leaves this machine" in page.text
    news(shop, "medium")
    row = shop.deliveries("marco", "push")[0]
    assert (row.state, row.provider) == ("sent", "local")
    outbox = shop.browser("olga").get(f"/outbox?channel=push&message={row.id}")
    assert "Leave the hall." in outbox.text
    shop.forget()


# --- what needs nobody any more leaves the devices ---------------------------------------------------------------------


def recalled(push, device):
    return [one for one in push.sent(device) if "recalls" in one]


def lines(shop, key):
    return shop.build.all(
        "SELECT * FROM notification WHERE person_id = :me ORDER BY id", me=shop.people[key].id
    )


def test_what_was_read_goes_from_each_device_that_shows_it(shop, push):
    phone, desk, later = Device("phone"), Device("desk"), Device("later")
    push.allow("marco", phone)
    push.allow("marco", desk)
    news(shop, "high")
    push.allow("marco", later)
    (line,) = lines(shop, "marco")
    assert push.post("marco", f"/inbox/{line.id}/read").status < 400
    for device in (phone, desk):
        assert recalled(push, device) == [{"recalls": [line.id.hex], "title": line.title, "body": ""}]
    assert recalled(push, later) == [], "it was never shown there"
    # doing it again is nothing new, nor is the way back
    push.post("marco", f"/inbox/{line.id}/read")
    push.post("marco", f"/inbox/{line.id}/unread")
    assert len(recalled(push, phone)) == 1
    shop.forget()


def test_all_at_once_is_one_push_to_a_device(shop, push):
    phone = Device("phone")
    push.allow("marco", phone)
    for _ in range(3):
        news(shop, "medium")
        shop.wait(2 * MINUTE)
    assert push.post("marco", "/inbox/read-all").status < 400
    (one,) = recalled(push, phone)
    assert sorted(one["recalls"]) == sorted(line.id.hex for line in lines(shop, "marco"))
    shop.forget()


def test_safari_is_sent_no_push_that_shows_nothing(shop, push):
    phone = Device("phone", "web.push.apple.com")
    push.allow("marco", phone)
    news(shop, "medium")
    push.post("marco", f"/inbox/{lines(shop, 'marco')[0].id}/read")
    assert lines(shop, "marco")[0].read_at and len(push.sent(phone)) == 1
    shop.forget()


def test_what_is_not_true_any_more_goes_too(shop, push):
    phone = Device("phone")
    shop.person("vera", name="Vera Lind", sms=VERA_PHONE)
    push.allow("vera", phone)
    submitted(shop)
    (asked,) = push.sent(phone)
    permit(shop, "rejected")
    assert [one["recalls"] for one in recalled(push, phone)] == [[asked["tag"]]]
    shop.forget()


@pytest.mark.proves("D4")
def test_who_is_late_reads_on_the_push_who_sees_to_it(shop, push):
    phone, desk, other = Device("phone"), Device("desk"), Device("other")
    shop.person("vera", name="Vera Lind", sms=VERA_PHONE)
    told = [f"person:{shop.people[one].id}" for one in ("vera", "marco")]
    set_office(shop, escalations_on=True)
    rule(shop, {"after": 10, "tell": told, "says": "escalated"}, kind="permit")
    push.allow("vera", phone)
    push.allow("marco", desk)
    submitted(shop)
    shop.wait(11 * MINUTE)
    (asked,) = [one for one in push.sent(desk) if one["asks"]]
    push.allow("marco", other)
    assert push.post("vera", f"/push/{asked['asks']}/acknowledge").status == 200
    assert recalled(push, desk) == [
        {"recalls": [asked["tag"]], "title": asked["title"], "body": "Vera Lind sees to it."}
    ]
    assert [one["body"] for one in recalled(push, phone)] == [""], "her own goes: she has read it"
    assert recalled(push, other) == []
    late = push.post("marco", f"/push/{asked['asks']}/acknowledge")
    assert "Vera Lind sees to it already" in late.html
    shop.forget()


@pytest.mark.proves("B5")
def test_that_the_office_has_taken_notice_takes_nothing_off_others_devices(shop, push):
    """An alarm has what to do in it, and a job is still its technician's."""
    phone = Device("phone")
    push.allow("marco", phone)
    shop.post(
        "emergency.raised",
        {"alert_message": "Fire", "location": "Hall 2", "instructions": "Take the stairs."},
    )
    shop.repair("R-1", customer="dana", technician="marco").approved()
    for line in lines(shop, "marco"):
        assert push.post("olga", f"/alerts/{line.event_id}/acknowledge").status < 400
    assert len(push.sent(phone)) == 3 and recalled(push, phone) == []
    shop.forget()


@pytest.mark.proves("A5")
def test_what_may_have_arrived_is_taken_back_and_what_waits_is_not_sent(shop, push):
    phone = Device("phone")
    push.allow("marco", phone)
    push.service.reset()
    push.service.always(503)
    news(shop, "urgent")
    push.service.reset()
    push.service.always(201)
    (line,) = lines(shop, "marco")
    push.post("marco", f"/inbox/{line.id}/read")
    assert [one["recalls"] for one in recalled(push, phone)] == [[line.id.hex]]
    shop.wait(2 * MINUTE)
    assert [one for one in push.sent(phone) if "recalls" not in one] == [], "it is of no use there any more"
    shop.forget()


@pytest.mark.proves("A14")
def test_one_push_of_several_lines_goes_with_the_last_of_them(shop, push):
    pace(shop)
    phone = Device("phone")
    push.allow("marco", phone)
    for _ in range(3):
        news(shop, "medium")
    shop.wait(2 * MINUTE)
    _first, joined = push.sent(phone)
    _first, *two = lines(shop, "marco")
    push.post("marco", f"/inbox/{two[0].id}/read")
    assert recalled(push, phone) == []
    push.post("marco", f"/inbox/{two[1].id}/read")
    assert [one["recalls"] for one in recalled(push, phone)] == [[joined["tag"]]]
    shop.forget()


@pytest.mark.proves("A14")
def test_taking_back_does_not_use_up_what_may_be_pushed_in_an_hour(shop, push):
    pace(shop, push_an_hour=2, burst_seconds=0)
    phone = Device("phone")
    push.allow("marco", phone)
    news(shop, "medium")
    push.post("marco", "/inbox/read-all")
    news(shop, "medium")
    assert [one["body"] for one in push.sent(phone)] == ["Leave the hall.", "", "Leave the hall."]
    shop.forget()


def test_a_device_that_was_switched_off_meanwhile_is_asked_nothing_more(shop, push):
    phone = Device("phone")
    push.allow("marco", phone)
    news(shop, "medium")
    push.post("marco", "/push/off", endpoint=phone.endpoint)
    push.post("marco", "/inbox/read-all")
    assert recalled(push, phone) == []
    shop.forget()


def test_a_key_that_is_wrong_for_a_moment_costs_no_device(shop, push):
    """A service that does not like our signature (the clock, HUB_BASE_URL) says nothing of the device."""
    push.allow("marco", Device("phone", "web.push.apple.com"))
    push.service.reset()
    push.service.always(403, '{"reason":"BadJwtToken"}')
    news(shop, "medium")
    assert devices(shop, "marco") == {"phone"}
    shop.forget()


def test_a_device_is_known_in_all_organisations_of_its_account(shop, push):
    phone = Device("phone")
    push.allow("marco", phone)
    other = shop.another("aaa", name="AAA First")
    other.person("marco2", name="Marco Reyes", account_of=shop.people["marco"])
    said = json.loads(shop.browser("marco").get("/push").html)
    assert said["devices"] == [hashlib.sha256(phone.endpoint.encode()).hexdigest()]
    with (
        shop.world.app.app_context(),
        step(other.organisation.id) as work,
        db.engines["engine"].connect() as conn,
    ):
        bring(conn, work, shop.people["marco"].account_id, other.people["marco2"].id)
    assert devices(other, "marco2") == {"phone"}
    shop.forget()


@pytest.mark.proves("S4")
def test_whoever_loses_a_sign_in_is_pushed_nothing_more(shop, push):
    phone = Device("phone")
    push.allow("marco", phone)
    with shop.world.app.app_context(), step(shop.organisation.id) as work:
        roster.part(work, shop.people["marco"].id, COMMAND)
    news(shop, "medium")
    assert push.sent(phone) == [] and devices(shop, "marco") == set()
    shop.forget()
