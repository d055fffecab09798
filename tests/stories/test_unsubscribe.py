"""One click in a mail program: no more emails of that kind, for that person, by that channel, and back again (A7; RFC 8058)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from notify_app.secrets import Secrets
from tests.stories.conftest import DANA_MAIL, MARCO_MAIL

pytestmark = pytest.mark.proves("A7")

WHO = {"people": [{"id": "marco"}]}


def news(shop, priority="medium", who=None):
    facts = {"title": "Gas", "message": "Leave the hall.", "audience": who or WHO, "priority": priority}
    shop.post("announcement.send", facts)


def one_click(shop, address=MARCO_MAIL):
    """The path in the newest mail's header."""
    mail = [one for one in shop.world.smtp.messages if address in one.to][-1].parsed
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = re.fullmatch(r"<https://hub\.example\.com(/unsubscribe/[\w-]+)>", mail["List-Unsubscribe"])
    assert found, mail["List-Unsubscribe"]
    return found[1]


def clicks(shop, path):
    """As a mail provider does it: no cookie, no form token, no referer."""
    return shop.world.app.test_client().post(path, data={"List-Unsubscribe": "One-Click"})


def test_one_click_ends_that_kind_of_mail_and_nothing_else(shop):
    news(shop)
    shop.forget()
    path = one_click(shop)
    for _ in range(2):  # a provider may ask twice
        answer = clicks(shop, path)
        assert (answer.status_code, answer.data) == (200, b"")
    rows = shop.build.all("SELECT scope, channel, enabled FROM preference_choice")
    assert [tuple(row) for row in rows] == [("category:announcement", "email", False)]
    before = len(shop.world.smtp.messages)
    news(shop)
    assert len(shop.world.smtp.messages) == before
    shop.inbox("marco").has("announcement", "Leave the hall.", priority="medium")
    news(shop, "urgent")
    assert len(shop.world.smtp.messages) == before + 1, "what is urgent comes all the same"
    line = shop.build.one("SELECT * FROM audit WHERE subject_id = :me", me=shop.people["marco"].id)
    assert (line.who, line.actor_id) == ("link", None)
    shop.forget()


def test_a_choice_of_its_own_for_an_event_ends_with_its_kind(shop):
    shop.build.choose(shop.people["marco"], "event:announcement", "email", True)
    news(shop)
    shop.forget()
    path = one_click(shop)
    clicks(shop, path)
    assert "sends you no more" in shop.stranger().get(path).text
    before = len(shop.world.smtp.messages)
    news(shop)
    assert len(shop.world.smtp.messages) == before
    shop.forget()


def test_the_page_asks_first_and_takes_it_back(shop):
    news(shop)
    shop.forget()
    path, stranger = one_click(shop), shop.stranger()
    asked = stranger.get(path)
    assert "No more of these?" in asked.text and "Evergreen Auto Glass sends you" in asked.text
    assert shop.build.one("SELECT count(*) AS n FROM preference_choice").n == 0, "a scanner follows links"
    off = stranger.submit(asked, path)
    assert "sends you no more" in off.text
    assert shop.build.one("SELECT enabled FROM preference_choice").enabled is False
    on = stranger.submit(off, path)
    assert "They come again" in on.text
    assert shop.build.one("SELECT count(*) AS n FROM preference_choice").n == 0


def test_a_line_at_its_end_leads_to_the_same_page_for_whoever_has_no_such_button(shop):
    news(shop)
    shop.forget()
    mail = [one for one in shop.world.smtp.messages if MARCO_MAIL in one.to][-1]
    link = f"https://hub.example.com{one_click(shop)}"
    text, html = (part.get_content() for part in mail.parsed.iter_parts())
    assert text.rstrip().splitlines()[-1] == f"Stop emails of this kind: {link}"
    assert f'<a href="{link}"' in html and html.rstrip().endswith("</body></html>")
    kept = shop.build.one("SELECT body FROM content WHERE body ? 'html'").body
    assert link not in kept["html"] and link not in kept["text"], "one body is shared by many readers"


def test_the_outbox_shows_a_mail_with_that_line(shop):
    shop.over("local")
    news(shop)
    shop.forget()
    mail = next(row for row in shop.deliveries("marco", "email"))
    assert "Stop emails of this kind" in shop.browser("olga").get(f"/outbox/{mail.id}/frame").html
    page = shop.browser("olga").get(f"/outbox?message={mail.id}")
    assert "Stop emails of this kind: https://hub.example.com/unsubscribe/" in page.text


def test_what_cannot_be_refused_has_no_such_header_and_no_such_line(shop):
    news(shop, "urgent")
    shop.forget()
    mail = next(one for one in shop.world.smtp.messages if MARCO_MAIL in one.to).parsed
    assert mail["List-Unsubscribe"] is None and mail["List-Unsubscribe-Post"] is None
    assert not any("Stop emails" in part.get_content() for part in mail.iter_parts())


def test_a_customer_without_a_sign_in_can_refuse_too(shop):
    shop.repair("R-1", customer="dana", technician="marco").approved()
    shop.forget()
    mails = [one.parsed for one in shop.world.smtp.messages if DANA_MAIL in one.to]
    refusable = [mail for mail in mails if mail["List-Unsubscribe"]]
    for mail in refusable:
        path = mail["List-Unsubscribe"].strip("<>").partition("example.com")[2]
        assert clicks(shop, path).status_code == 200
    assert len(refusable) == shop.build.one("SELECT count(DISTINCT scope) AS n FROM preference_choice").n


@pytest.mark.proves("S3")
def test_a_token_that_is_not_ours_or_is_changed_does_nothing(shop):
    news(shop)
    shop.forget()
    path = one_click(shop)
    token = path.rpartition("/")[2]
    changed = token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:]
    of_others = Secrets("another-key-of-another-hub-that-is-long-enough").stamp("unsubscribe", "0" * 32)
    of_ours = Secrets(shop.world.app.extensions["hub"].secret_key).stamp("something else", "a/b/c/d")
    for wrong in (changed, token[:-8], of_others, of_ours, "x", "%00", "A" * 2000):
        assert clicks(shop, f"/unsubscribe/{wrong}").status_code in (400, 404), wrong
    assert shop.build.one("SELECT count(*) AS n FROM preference_choice").n == 0


def test_a_retry_has_the_same_address_and_each_person_their_own(shop):
    shop.world.smtp.fail(MARCO_MAIL, "drop:dot", times=1)
    news(shop, who={"people": [{"id": "marco"}, {"id": "priya"}]})
    shop.jump(timedelta(minutes=2))
    shop.forget()
    mine = {one.parsed["List-Unsubscribe"] for one in shop.world.smtp.messages if MARCO_MAIL in one.to}
    all_ = {one.parsed["List-Unsubscribe"] for one in shop.world.smtp.messages}
    assert len(mine) == 1 and len(all_) == 2
    assert None not in all_


def test_whoever_has_left_is_not_there_any_more(shop):
    news(shop)
    shop.forget()
    path = one_click(shop)
    shop.build.run("UPDATE person SET left_at = now() WHERE id = :me", me=shop.people["marco"].id)
    assert clicks(shop, path).status_code == 404
    assert "leads nowhere" in shop.stranger().get(path).text
