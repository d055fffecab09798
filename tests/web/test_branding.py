"""How an office looks and signs: kept, refused with a reason beside the field, shown before it is saved, and used."""

from __future__ import annotations

import re

import pytest

from tests.stories.conftest import OFFICE_MAIL

pytestmark = pytest.mark.proves("A9", "C6")

LOOK = {
    "company_name": "Glass & Co",
    "colour": "#ffd400",
    "logo_url": "https://cdn.example.com/logo.png",
    "footer": "12 Alder Street",
    "sender_name": "Glass & Co service",
    "sender_address": "service@example.com",
    "reply_to": "desk@example.com",
    "sms_sender": "GlassCo",
}


@pytest.fixture
def ada(hub):
    hub.office("olga", name="Olga Brandt", email=OFFICE_MAIL)
    hub.person("ada", "administrator", name="Ada Quist")
    return hub.browser("ada")


def newest(hub):
    """The next mail to Olga."""
    who = {"people": [{"id": "olga"}]}
    hub.post("announcement.send", {"title": "Gas", "message": "Leave the hall.", "audience": who})
    hub.forget()
    return [one for one in hub.world.smtp.messages if OFFICE_MAIL in one.to][-1].parsed


def kept(hub):
    return hub.build.one("SELECT branding FROM organisation WHERE id = :id", id=hub.organisation.id).branding


def test_what_is_saved_is_what_the_next_mail_looks_like(hub, ada):
    said = ada.submit("/branding", "/branding", do="save", **LOOK)
    assert "Saved. The next message looks like this." in said.text
    mail = newest(hub)
    assert mail["From"] == "Glass & Co service <service@example.com>"
    assert mail["Reply-To"] == "desk@example.com"
    html = mail.get_body(("html",)).get_content()
    for part in ("#ffd400", "https://cdn.example.com/logo.png", "12 Alder Street"):
        assert part in html
    assert "12 Alder Street" in mail.get_body(("plain",)).get_content()
    line = hub.build.one("SELECT * FROM audit WHERE after ? 'company_name'")
    assert line.after["company_name"] == "Glass & Co"
    assert "service@example.com" not in str(line.after)


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("colour", "red", "Use a colour as #1d4e89."),
        ("logo_url", "http://cdn.example.com/x.png", "Use an address that begins with https://"),
        ("logo_url", "javascript:alert(1)", "Use an address that begins with https://"),
        ("reply_to", "a@example.com, b@example.com", "address"),
        ("sender_address", "nobody", "address"),
        ("sms_sender", "Glass Co", "Use at most 11 letters and digits"),
        ("footer", "x" * 300, "Use one line of at most 200 characters."),
        ("company_name", "x" * 300, "Use one line of at most 200 characters."),
    ],
)
def test_what_cannot_be_used_is_said_beside_its_field_and_nothing_is_kept(hub, ada, field, typed, said):
    before = kept(hub)
    page = ada.submit("/branding", "/branding", do="save", **{**LOOK, field: typed})
    assert page.status == 422
    error = re.search(rf'id="{field}-error"[^>]*>(.*?)</p>', page.html, re.DOTALL)
    assert error and said in error[1]
    assert "12 Alder Street" in page.html or field == "footer", "what was typed stays in the form"
    assert kept(hub) == before


def test_a_line_break_in_a_name_makes_no_header(hub, ada):
    name = "Glass\r\nBcc: evil@example.com"
    assert ada.submit("/branding", "/branding", do="save", **{**LOOK, "sender_name": name}).status == 422
    assert newest(hub)["Bcc"] is None


def test_the_preview_is_a_mail_in_the_look_that_was_typed_and_keeps_nothing(hub, ada):
    before = kept(hub)
    page = ada.submit("/branding", "/branding", do="preview", **LOOK)
    assert page.status == 200 and "Glass & Co service" in page.text
    assert "hard to read on white" in page.text, "yellow links"
    frames = re.findall(r'<iframe[^>]+sandbox src="([^"]+)"', page.html)
    assert len(frames) == 2
    alone = ada.get(frames[0].replace("&amp;", "&"))
    night = ada.get(frames[1].replace("&amp;", "&"))
    assert "@media not all" in alone.html and "@media all" in night.html
    assert "#ffd400" in alone.html and "sandbox" in alone.headers["Content-Security-Policy"]
    assert kept(hub) == before
    fresh = ada.submit("/branding", "/branding", do="reset")
    assert "Glass & Co" not in fresh.text and "Words on the colour are white" in fresh.text


@pytest.mark.proves("C5")
def test_nobody_sends_from_the_domain_of_another_organisation(hub, ada):
    hub.another("harbor")
    page = ada.submit(
        "/branding", "/branding", do="save", **{**LOOK, "sender_address": "boss@HARBOR.example.com"}
    )
    assert page.status == 422 and "Another organisation sends from this domain." in page.text
    mine = f"desk@{hub.organisation.slug}.example.com"
    assert ada.submit("/branding", "/branding", do="save", **{**LOOK, "sender_address": mine}).status == 200


def test_an_office_does_not_lose_its_sender_by_the_way(hub, ada):
    sender = kept(hub)["sender_address"]
    page = ada.submit("/branding", "/branding", do="save", **{**LOOK, "sender_address": ""})
    assert page.status == 422 and "Without it no email leaves." in page.text
    assert sender in ada.submit("/branding", "/branding", do="reset").html


def test_the_office_looks_and_only_administrators_change(hub, ada):
    page = hub.browser("olga").get("/branding")
    assert "Administrators can change this." in page.text and "disabled" in page.html
    assert 'name="do"' not in page.html
