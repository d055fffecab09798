"""Writing, as a page: fields that say what is wrong, people found without scripts, previews that only their writer opens."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.proves("B3")


def look(shop, who=None, path="/compose", **values):
    browser = who or shop.alice
    return browser.submit(path, path, do="preview", **values)


def bob(shop) -> str:
    return str(shop.hub.people["bob"].id)


def frame_of(page) -> str:
    return (
        page.html.split('<iframe class="device-mail')[1].split('src="')[1].split('"')[0].replace("&amp;", "&")
    )


def test_people_are_found_and_chosen_without_scripts_and_what_was_typed_stays(shop):
    found = shop.alice.submit("/compose", "/compose", do="find", q="mar", message="Bring the ladder.")
    assert "Bob Marsh" in found.text and "Tess" not in found.text
    assert found.form("/compose").fields["message"] == ["Bring the ladder."]
    page = shop.alice.submit(found, "/compose", do="preview", person=bob(shop), q="")
    assert "1 person" in page.text and "checked" in page.html
    nobody = shop.alice.submit("/compose", "/compose", do="find", q="%")
    assert "Nobody else is called" in nobody.text


def test_each_field_says_what_is_wrong_with_it(shop):
    page = look(shop, message="", item="X-9")
    assert page.status == 422
    for words in (
        "Message: this is needed.",
        "Choose who it is for.",
        "There is no work with the number X-9.",
    ):
        assert words in page.text, words


def test_the_mail_is_shown_alone_in_a_frame_that_only_its_writer_opens(shop):
    page = look(shop, message="Bring the ladder.", person=bob(shop), priority="medium")
    address = frame_of(page)
    mail = shop.alice.get(address)
    assert mail.status == 200 and "Bring the ladder." in mail.html
    assert "sandbox" in mail.headers["Content-Security-Policy"]
    assert "ladder" not in address
    assert shop.bob.get(address).status == 404
    assert shop.charlie.get(address).status == 404
    assert shop.alice.get(address[:-4] + "AAAA").status == 404
    assert shop.alice.get("/compose/frame?d=%E2%82%AC").status == 404
    assert shop.alice.get("/compose/frame").status == 404


@pytest.mark.proves("A12")
def test_who_would_have_it_in_their_digest_is_counted_as_that(shop):
    shop.bob.submit("/preferences", "/preferences/digest", digest_rhythm="daily")
    page = look(shop, message="Bring the ladder.", person=bob(shop), priority="medium")
    assert "1 in their next digest" in page.text
    assert "in the inbox only" not in page.text and "By no channel" not in page.text
    pressing = look(shop, message="Bring the ladder.", person=bob(shop), priority="high")
    assert "1 by SMS" in pressing.text and "digest" not in pressing.text


def test_what_is_too_long_for_an_address_is_shown_as_text(shop):
    long = "".join(chr(0x4E00 + number * 37 % 20000) for number in range(1990))
    page = look(shop, message=long, person=bob(shop), priority="medium")
    assert page.status == 200 and "<iframe" not in page.html and long[:100] in page.html


def test_an_sms_is_counted_in_parts_and_money(shop):
    page = look(shop, message="Bring the ladder.", person=bob(shop), priority="high")
    assert "1 by SMS 1 part, about $0.00645" in page.text
    assert "GSM-7" in page.text


def test_an_unknown_kind_is_not_found_and_one_that_only_machines_report_neither(shop):
    for kind in ("nothing", "comment.replied", "message"):
        assert shop.alice.get(f"/compose/{kind}").status in (404, 200) and (
            kind == "message" or shop.alice.get(f"/compose/{kind}").status == 404
        )


def test_equipment_is_reported_to_whom_its_event_says(shop):
    page = shop.bob.get("/compose/equipment.alerted")
    assert page.status == 200 and "The office" in page.text and 'name="person"' not in page.html


def test_a_template_that_the_office_switched_off_is_said_before_sending(shop):
    shop.hub.build.template(shop.hub.organisation, "manual_message", active=False)
    page = look(shop, message="Bring the ladder.", person=bob(shop))
    assert page.status == 422 and "switched off" in page.text
