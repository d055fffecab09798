"""B5: read is each person's own, and seen on all their tabs; an alert is active until it is taken notice of."""

from __future__ import annotations

import pytest

from tests.stories.conftest import MARCO_MAIL, MARCO_PHONE

pytestmark = pytest.mark.proves("B5")


def tell(shop, *keys, headline="Hello", priority="low"):
    data = {
        "template": "general",
        "recipients": [{"id": key} for key in keys],
        "context": {"headline": headline, "known": []},
        "priority": priority,
    }
    shop.post("notification.send", data)


def line(shop, key, headline="Hello"):
    return shop.inbox(key).has("general", headline)


def unread(shop, key):
    """What the badge of a page says."""
    answer = shop.browser(key).client.get("/stream/state", base_url="https://hub.example.com")
    return answer.get_json()["unread"]


def test_opening_a_message_reads_it_and_the_badge_goes_down(shop):
    tell(shop, "marco", headline="One")
    tell(shop, "marco", headline="Two")
    one = line(shop, "marco", "One")
    line(shop, "marco", "Two")
    assert unread(shop, "marco") == 2
    assert shop.browser("marco").get(f"/inbox/{one.id}").status == 200
    assert unread(shop, "marco") == 1
    shop.silence()


def test_the_same_message_to_two_is_read_by_each_for_themselves(shop):
    tell(shop, "marco", "priya")
    marcos, priyas = line(shop, "marco"), line(shop, "priya")
    shop.browser("marco").get(f"/inbox/{marcos.id}")
    assert (unread(shop, "marco"), unread(shop, "priya")) == (0, 1)
    assert shop.browser("priya").get(f"/inbox/{marcos.id}").status == 404, "and not by each other"
    shop.browser("olga").get(f"/inbox/{priyas.id}")
    assert unread(shop, "priya") == 1, "the office looks without reading it for them"
    shop.silence()


def test_a_line_can_be_marked_read_and_unread_again(shop):
    tell(shop, "marco")
    row = line(shop, "marco")
    marco = shop.browser("marco")
    marco.submit("/inbox", f"/inbox/{row.id}/read")
    assert unread(shop, "marco") == 0
    marco.submit("/inbox", f"/inbox/{row.id}/unread")
    assert unread(shop, "marco") == 1
    shop.silence()


def test_mark_all_read_reads_all_and_of_nobody_else(shop):
    for number in range(3):
        tell(shop, "marco", "priya", headline=f"Message {number}")
    shop.forget()
    shop.browser("marco").submit("/inbox", "/inbox/read-all")
    assert (unread(shop, "marco"), unread(shop, "priya")) == (0, 3)


def test_marking_somebody_elses_line_is_as_if_there_were_none(shop):
    tell(shop, "priya")
    row = line(shop, "priya")
    marco = shop.browser("marco")
    token = marco.get("/preferences").form("/preferences").fields["csrf_token"][0]
    assert marco.post(f"/inbox/{row.id}/read", csrf_token=token).status == 404
    assert unread(shop, "priya") == 1
    shop.silence()


def test_marking_needs_the_pages_own_token(shop):
    tell(shop, "marco")
    row = line(shop, "marco")
    assert shop.browser("marco").post(f"/inbox/{row.id}/read").status == 400
    assert unread(shop, "marco") == 1
    shop.silence()


# --- on other tabs ---------------------------------------------------------------------------------------------------


@pytest.mark.xdist_group("live")
def test_reading_on_one_tab_is_seen_on_all_others_at_once(shop, live):
    tell(shop, "marco", headline="One")
    tell(shop, "marco", headline="Two")
    one = line(shop, "marco", "One")
    line(shop, "marco", "Two")
    marco = shop.browser("marco")
    streams = [live.stream(marco.cookie()) for _ in range(2)]
    for stream in streams:
        assert stream.next("snapshot").data["unread"] == 2
    marco.get(f"/inbox/{one.id}")
    for stream in streams:
        frame = stream.until(lambda one: one.event == "read")
        assert (frame.data["ids"], frame.data["unread"]) == ([str(one.id)], 1)
    marco.submit("/inbox", "/inbox/read-all")
    for stream in streams:
        frame = stream.until(lambda one: one.event == "read")
        assert (frame.data["all"], frame.data["unread"]) == (True, 0)
    marco.submit("/inbox", f"/inbox/{one.id}/unread")
    for stream in streams:
        frame = stream.until(lambda one: one.event == "unread")
        assert (frame.data["ids"], frame.data["unread"]) == ([str(one.id)], 1)


@pytest.mark.xdist_group("live")
def test_reading_is_not_told_to_others_who_have_the_same_message(shop, live):
    tell(shop, "marco", "priya")
    marcos = line(shop, "marco")
    line(shop, "priya")
    priya = live.stream(shop.browser("priya").cookie())
    assert priya.next("snapshot").data["unread"] == 1
    shop.browser("marco").get(f"/inbox/{marcos.id}")
    tell(shop, "priya", headline="Later")
    line(shop, "priya", "Later")
    priya.until(lambda one: one.event == "notification" and one.data["title"] == "Later")
    assert not [one for one in priya.frames if one.event == "read"]


# --- active alerts -----------------------------------------------------------------------------------------------------


def urgent(shop):
    """An approval that Marco has not answered yet: an alert on the office's dashboard."""
    repair = shop.repair("R-1", customer="dana", technician="marco").approved()
    shop.sms(MARCO_PHONE).says("approved")
    shop.mail(MARCO_MAIL).says("Approved")
    shop.forget()
    return repair, shop.events("repair_approved")[0]


def alerts(shop):
    page = shop.browser("olga").get("/dashboard")
    return [form.path for form in page.forms if form.path.endswith("/acknowledge")]


def test_what_is_urgent_is_an_active_alert_until_the_office_acknowledges_it(shop):
    _, event = urgent(shop)
    assert alerts(shop) == [f"/alerts/{event.id}/acknowledge"]
    shop.browser("olga").submit("/dashboard", f"/alerts/{event.id}/acknowledge")
    assert alerts(shop) == []


def test_an_alert_ends_when_its_item_closes(shop):
    repair, _ = urgent(shop)
    repair.in_progress()
    repair.completed()
    shop.forget()
    assert alerts(shop) == []


def test_what_is_not_urgent_is_no_alert(shop):
    tell(shop, "marco", priority="low")
    shop.forget()
    assert alerts(shop) == []


def test_one_who_was_not_told_cannot_acknowledge(shop):
    _, event = urgent(shop)
    priya = shop.browser("priya")
    token = priya.get("/preferences").form("/preferences").fields["csrf_token"][0]
    assert priya.post(f"/alerts/{event.id}/acknowledge", csrf_token=token).status == 404
    assert alerts(shop) == [f"/alerts/{event.id}/acknowledge"]
