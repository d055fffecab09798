"""Preferences: what is saved is what routing then does, on a phone without scripts too (A7, A8, A15)."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import BOB_MAIL, BOB_PHONE


def job(shop, number="R-1", technician="bob"):
    shop.hub.repair(number, customer="dana", technician=technician).pending()


def boxes(page):
    return page.form("/preferences").fields


# --- choices -------------------------------------------------------------------------------------------------------


@pytest.mark.proves("A7")
def test_everything_is_on_and_quiet_hours_are_off_at_first(shop):
    page = shop.bob.get("/preferences")
    assert set(boxes(page)["on"]) == set(boxes(page)["shown"]) != set()
    assert "on" not in page.form("/quiet-hours").fields


@pytest.mark.proves("A15", "A7")
def test_a_box_that_is_unticked_keeps_the_next_message_back(shop):
    ticked = [box for box in boxes(shop.bob.get("/preferences"))["on"] if box != "assignment:sms"]
    page = shop.bob.submit("/preferences", "/preferences", on=ticked)
    assert "Your choices are saved." in page.text
    assert set(boxes(page)["on"]) == set(ticked)
    job(shop)
    assert shop.hub.decisions("bob", "repair_assigned")["sms"] == ("not_told", "preference_category")
    shop.bob.submit("/preferences", "/preferences", on=[*ticked, "assignment:sms"])
    job(shop, "R-2")
    assert shop.hub.decisions("bob", "repair_assigned")["sms"] == ("told", "priority_channel")


@pytest.mark.proves("A7")
def test_a_choice_for_one_event_beats_its_category_and_can_be_taken_back(shop):
    name = "override:repair_assigned:sms"
    shop.bob.submit("/preferences", "/preferences", on=[], **{name: "on"})
    job(shop)
    assert shop.hub.decisions("bob", "repair_assigned")["sms"] == ("told", "priority_channel")
    page = shop.bob.get("/preferences")
    assert boxes(page)[name] == ["on"] and "on" not in boxes(page)
    shop.bob.submit(page, "/preferences", **{name: "default"})
    job(shop, "R-2")
    assert shop.hub.decisions("bob", "repair_assigned")["sms"] == ("not_told", "preference_category")


def test_urgent_events_are_not_offered_and_the_inbox_is_always_on(shop):
    page = shop.bob.get("/preferences")
    assert not any(name.startswith("override:repair_approved:") for name in boxes(page))
    assert "Always" in page.text
    assert not any(box.endswith(":inapp") for box in boxes(page)["shown"])


def test_each_role_is_offered_what_can_reach_it(shop):
    assert "override:repair_assigned:sms" in boxes(shop.bob.get("/preferences"))
    assert "override:repair_assigned:sms" not in boxes(shop.alice.get("/preferences"))
    assert "override:not_reached:email" in boxes(shop.alice.get("/preferences"))


def test_parts_grades_and_everyone_are_understood(shop):
    """Who may approve a permit may be of the office; a guest has no part in one."""
    shop.hub.person("dora", "contact", name="Dora Lane", signs_in=True)
    dora = shop.hub.browser("dora")
    offered = lambda who, event: f"override:{event}:email" in boxes(who.get("/preferences"))  # noqa: E731
    assert offered(shop.alice, "permit_approved") and offered(shop.bob, "permit_approved")
    assert not offered(dora, "permit_approved") and not offered(shop.alice, "booking_24h")
    assert offered(dora, "booking_24h")
    assert all(offered(who, "announcement_posted") for who in (shop.alice, shop.bob, dora))


def test_made_up_boxes_change_nothing(shop):
    shop.bob.submit(
        "/preferences",
        "/preferences",
        shown=["assignment:pigeon", "nonsense:sms", "x", ""],
        on=["approval:sms"],
        **{"override:nonsense:sms": "off", "override:repair_assigned:inapp": "off", "override:": "off"},
    )
    assert shop.hub.build.all("SELECT 1 FROM preference_choice") == []


@pytest.mark.proves("C5")
def test_nobody_elses_choices_change(shop):
    shop.bob.submit("/preferences", "/preferences", on=[])
    people = {row.person_id for row in shop.hub.build.all("SELECT person_id FROM preference_choice")}
    assert people == {shop.hub.people["bob"].id}


# --- quiet hours ---------------------------------------------------------------------------------------------------


@pytest.mark.proves("A8", "A15")
def test_quiet_hours_that_are_saved_hold_the_next_message(shop):
    shop.hub.at("2026-11-24T21:00", "America/Los_Angeles")
    page = shop.bob.submit("/preferences", "/quiet-hours", on="1", start="22:00", end="07:00")
    assert "Tonight at 23:10 a high message would wait until 07:00, then come by SMS." in page.text
    shop.hub.at("2026-11-24T23:10", "America/Los_Angeles")
    job(shop)
    assert shop.hub.decisions("bob", "repair_assigned")["sms"] == ("deferred", "quiet_hours")


def test_quiet_hours_keep_their_days_and_zone(shop):
    page = shop.bob.submit(
        "/preferences",
        "/quiet-hours",
        on="1",
        start="20:30",
        end="06:15",
        days=["sat", "sun"],
        zone="Europe/Berlin",
    )
    form = page.form("/quiet-hours").fields
    assert (form["start"], form["end"], form["days"], form["zone"]) == (
        ["20:30"],
        ["06:15"],
        ["sat", "sun"],
        ["Europe/Berlin"],
    )
    assert "Quiet hours are off." in shop.bob.submit(page, "/quiet-hours", on=None).text
    assert "on" not in shop.bob.get("/preferences").form("/quiet-hours").fields


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"start": "25:00"}, "such as 22:00"),
        ({"end": ""}, "such as 07:00"),
        ({"days": []}, "Choose at least one day"),
        ({"zone": "Mars/Olympus"}, "Choose a time zone"),
        ({"zone": "../../etc/passwd"}, "Choose a time zone"),
    ],
)
def test_what_cannot_be_used_is_said_beside_its_field_and_nothing_is_saved(shop, typed, said):
    values = {"on": "1", "start": "20:30", "end": "06:15", **typed}
    page = shop.bob.submit("/preferences", "/quiet-hours", **values)
    assert page.status == 422
    assert said in page.text
    assert shop.hub.build.all("SELECT 1 FROM preference") == []
    if "days" not in typed and "start" not in typed:
        assert page.form("/quiet-hours").fields["start"] == ["20:30"], "what was typed is kept"


# --- digest --------------------------------------------------------------------------------------------------------


def digest(shop, rhythm="daily", who=None, **more):
    return (who or shop.bob).submit("/preferences", "/preferences/digest", digest_rhythm=rhythm, **more)


@pytest.mark.proves("A12", "A15")
def test_a_digest_is_off_at_first_and_offers_everything(shop):
    page = shop.bob.get("/preferences")
    form = page.form("/preferences/digest").fields
    assert (form["digest_rhythm"], form["digest_at"], form["digest_day"]) == (["off"], ["09:00"], ["0"])
    assert form["digest_of"] == form["digest_shown"] != []
    assert "your next digest" not in page.text


@pytest.mark.proves("A12", "A15")
def test_a_digest_says_when_it_comes_and_what_is_in_it_so_far(shop):
    shop.hub.at("2026-11-24T10:00", "America/Los_Angeles")
    page = digest(shop)
    assert "Your digest is saved." in page.text
    nothing = "Tomorrow at 09:00: your next digest. Nothing is in it so far, and an empty one is not sent."
    assert nothing in page.text
    assert "Now a medium message would be kept for your digest." in page.text
    for said in ("with 1 unread message so far", "with 2 unread messages so far"):
        asked = {
            "template": "general",
            "recipients": [{"id": "bob"}],
            "priority": "medium",
            "category": "reward",
        }
        shop.hub.post("notification.send", asked | {"context": {"headline": "A voucher", "known": []}})
        assert f"Tomorrow at 09:00: your next digest, {said}." in shop.bob.get("/preferences").text


@pytest.mark.proves("A12", "A15")
def test_a_digest_keeps_what_was_chosen(shop):
    page = digest(shop, "weekly", digest_at="17:30", digest_day="4", digest_of=["assignment", "reward"])
    form = page.form("/preferences/digest").fields
    kept = {"digest_rhythm": ["weekly"], "digest_at": ["17:30"], "digest_day": ["4"]}
    assert form | kept == form
    assert set(form["digest_of"]) == {"assignment", "reward"}
    form = digest(shop, "off").form("/preferences/digest").fields
    assert form["digest_rhythm"] == ["off"]
    assert set(form["digest_of"]) == {"assignment", "reward"}, "for who takes it up again"


@pytest.mark.proves("A12", "A15")
@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"rhythm": "yearly"}, "Choose from the list how often it comes."),
        ({"rhythm": "daily", "digest_at": "25:00"}, "Give the time as hours and minutes, such as 09:00."),
        ({"rhythm": "weekly", "digest_day": "7"}, "Choose a day of the week from the list."),
        ({"rhythm": "weekly", "digest_day": ""}, "Choose a day of the week from the list."),
        (
            {"rhythm": "daily", "digest_of": None},
            "Choose at least one kind of message, or switch the digest off.",
        ),
        ({"rhythm": "daily", "digest_of": ["nonsense"]}, "Choose at least one kind of message"),
    ],
)
def test_a_digest_that_means_nothing_is_refused_and_keeps_what_was_typed(shop, form, said):
    page = digest(shop, **form)
    assert (page.status, said in page.text) == (422, True)
    assert shop.hub.build.all("SELECT 1 FROM preference") == []
    if "digest_at" in form:
        assert page.form("/preferences/digest").fields["digest_at"] == [form["digest_at"]]


def test_an_hourly_digest_needs_no_time(shop):
    page = digest(shop, "hourly", digest_at="", digest_day="")
    assert "Your digest is saved." in page.text
    assert page.form("/preferences/digest").fields["digest_at"] == ["09:00"]


def test_a_digest_without_an_address_says_what_is_missing(shop):
    shop.hub.person("nora", name="Nora Vik")
    page = digest(shop, who=shop.hub.browser("nora"))
    assert "Your next digest has nowhere to go: add a mail address below." in page.text


@pytest.mark.proves("C5")
def test_nobody_elses_digest_changes(shop):
    digest(shop)
    people = shop.hub.build.all("SELECT DISTINCT person_id FROM preference_choice")
    assert {row.person_id for row in people} == {shop.hub.people["bob"].id}
    assert len(shop.hub.build.all("SELECT 1 FROM preference")) == 1


# --- addresses -----------------------------------------------------------------------------------------------------


def addresses(shop, key="bob", channel="sms"):
    rows = shop.hub.build.all(
        "SELECT value FROM address WHERE person_id = :id AND channel = :channel ORDER BY position, id",
        id=shop.hub.people[key].id,
        channel=channel,
    )
    return [row.value for row in rows]


@pytest.mark.proves("A15")
@pytest.mark.parametrize(
    ("channel", "typed", "kept"),
    [("sms", "+1 (202) 555-0177", "+12025550177"), ("email", " New@Example.COM ", "New@example.com")],
)
def test_an_address_is_kept_in_its_one_form_behind_the_others(shop, channel, typed, kept):
    page = shop.bob.get("/preferences")
    token = page.form("/addresses").fields["csrf_token"][0]
    after = shop.bob.post(
        "/preferences/addresses", follow=True, csrf_token=token, channel=channel, address=typed
    )
    assert f"{kept} is used as soon as it is verified" in after.text and "Not verified yet" in after.text
    assert kept not in addresses(shop, channel=channel)
    waiting = shop.hub.build.one("SELECT id FROM unverified_address WHERE value = :value", value=kept).id
    shop.hub.settle()
    sent = shop.hub.sms(kept) if channel == "sms" else shop.hub.mail(kept)
    code = re.search(r"\b\d{6}\b", sent.says().text)[0]
    shop.bob.submit("/preferences", f"/unverified/{waiting}", do="code", code=code)
    assert addresses(shop, channel=channel)[-1] == kept


@pytest.mark.parametrize(
    ("channel", "typed", "status", "said"),
    [
        ("sms", "12345", 422, "Write the phone number with + and its country"),
        ("sms", "+1 202 555", 422, "There is no such phone number"),
        ("email", "a@b, c@d", 422, "not an email address"),
        ("email", "x\r\nBcc: y@example.com", 422, "not an email address"),
        ("email", "", 422, "not an email address"),
        ("sms", BOB_PHONE, 422, "You have this address already."),
        ("pigeon", "loft 3", 404, "Nothing here"),
    ],
)
def test_an_address_that_is_none_is_refused_with_a_sentence(shop, channel, typed, status, said):
    token = shop.bob.get("/preferences").form("/addresses").fields["csrf_token"][0]
    page = shop.bob.post("/preferences/addresses", csrf_token=token, channel=channel, address=typed)
    assert (page.status, said in page.text) == (status, True)
    assert (addresses(shop), addresses(shop, channel="email")) == ([BOB_PHONE], [BOB_MAIL])


def test_the_order_of_addresses_decides_which_is_tried_first(shop):
    shop.hub.build.address(shop.hub.people["bob"], "sms", "+12025550177", position=1)
    second = shop.hub.build.one("SELECT id FROM address WHERE value = '+12025550177'").id
    shop.bob.submit("/preferences", f"{second}/move")
    assert addresses(shop) == ["+12025550177", BOB_PHONE]
    job(shop)
    assert shop.hub.delivery("bob", "sms").address == "+12025550177"


def test_an_address_that_is_removed_can_be_put_back(shop):
    first = shop.hub.build.one("SELECT id FROM address WHERE value = :value", value=BOB_PHONE).id
    page = shop.bob.submit("/preferences", f"{first}/remove")
    assert addresses(shop) == []
    undo = next(form for form in page.forms if form.fields.get("address") == [BOB_PHONE])
    shop.bob._send(undo.action, undo.fields, follow=True)
    assert addresses(shop) == [BOB_PHONE]


@pytest.mark.proves("C5")
def test_nobody_touches_anybody_elses_address(shop):
    first = shop.hub.build.one("SELECT id FROM address WHERE value = :value", value=BOB_PHONE).id
    for browser in (shop.tess, shop.alice, shop.charlie):
        token = browser.get("/preferences").form("/quiet-hours").fields["csrf_token"][0]
        for verb in ("remove", "move"):
            assert browser.post(f"/preferences/addresses/{first}/{verb}", csrf_token=token).status == 404
    assert addresses(shop) == [BOB_PHONE]


def test_an_address_that_is_blocked_is_shown_with_its_reason(shop):
    shop.hub.build.suppress(shop.hub.organisation, "sms", BOB_PHONE, "it asked for no more")
    text = shop.bob.get("/preferences").text
    assert "Not used" in text and "it asked for no more" in text


# --- a test to oneself ---------------------------------------------------------------------------------------------


@pytest.mark.proves("A15")
def test_a_test_comes_at_once_even_in_quiet_hours_and_says_why(shop):
    shop.hub.build.quiet(shop.hub.people["bob"], "00:00", "00:00")
    page = shop.bob.submit("/preferences", "/test", channel="sms")
    assert "on its way by SMS" in page.text
    shop.hub.settle()
    shop.hub.sms(BOB_PHONE).says("test")
    line = shop.hub.inbox("bob").has("test_message", priority="low")
    assert "You asked for it by SMS." in shop.bob.get(f"/inbox/{line.id}").text
    assert shop.hub.deliveries("bob", "email") == []


def test_a_test_to_the_inbox_stays_there(shop):
    shop.bob.submit("/preferences", "/test", channel="inapp")
    shop.hub.settle()
    shop.hub.inbox("bob").has("test_message")
    assert shop.hub.deliveries("bob") == []


def test_a_test_without_an_address_says_so(shop):
    page = shop.tess.submit("/preferences", "/test", channel="email")
    assert "There is no address for Email that could be used." in page.text


def test_a_test_by_an_unknown_channel_is_refused(shop):
    assert shop.bob.submit("/preferences", "/test", channel="pigeon").status == 422


def test_tests_are_limited_because_they_cost_money(shop):
    answers = [shop.bob.submit("/preferences", "/test", channel="inapp").status for _ in range(8)]
    assert answers.count(200) == 6 and answers[-1] == 429


# --- in words ------------------------------------------------------------------------------------------------------


def test_it_says_in_words_what_would_happen(shop):
    text = shop.bob.get("/preferences").text
    assert "Now a high message would come at once, by SMS." in text
    assert "Now a medium message would come at once, by Email." in text


def test_without_any_address_it_says_that_only_the_inbox_is_left(shop):
    shop.hub.person("nora", name="Nora Vik")
    text = shop.hub.browser("nora").get("/preferences").text
    assert "Without an address, nothing but your inbox reaches you." in text
    assert re.search("there is no mobile number for you yet", text)
