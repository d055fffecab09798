"""A2, S5: an office's own template that is broken or hostile never holds up a message, and the office hears of it once."""

from __future__ import annotations

import pytest

from tests.hostile import BOMBS, ESCAPES
from tests.stories.conftest import DANA_MAIL, DANA_PHONE, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL

ADA_MAIL = "ada@example.com"
FIELDS = ("title", "text", "subject", "email_html", "email_text", "sms")
BROKEN = "{{ item.prize }}"


@pytest.fixture
def ada(shop):
    return shop.person("ada", "administrator", name="Ada Quist", email=ADA_MAIL)


def own(shop, event, **fields):
    """The office's own words for an event, as a version after those before."""
    shop.build.run("DELETE FROM template WHERE event = :event", event=event)
    shop.build.template(shop.organisation, event, **fields)


def told(shop, *words):
    """The administrator has heard of it: a line and a mail."""
    shop.world.sweep("warn")
    shop.inbox("ada").has("template_broken", *words, priority="high")
    return shop.mail(ADA_MAIL).says("Your own words cannot be used", *words)


@pytest.mark.proves("A2")
def test_a_body_that_breaks_is_sent_built_in_and_the_administrator_is_told_once(shop, ada):
    own(shop, "repair_in_progress", subject=BROKEN)
    for number in range(3):
        shop.repair(f"R-{number}", customer="dana").in_progress()
        shop.mail(DANA_MAIL).says(f"R-{number}")
    mail = told(shop, "Repair under way", "prize is missing")
    assert "/templates/repair_in_progress" in mail.text
    shop.repair("R-9", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("R-9")
    shop.world.sweep("warn")
    assert len(shop.events("template_broken")) == 1
    assert shop.events("template_broken")[0].dedupe_key == "template_broken:repair_in_progress:1"
    shop.silence()


@pytest.mark.proves("A2")
def test_a_title_that_breaks_is_told_the_same_way(shop, ada):
    own(shop, "repair_assigned", title=BROKEN)
    shop.repair("R-1", customer="dana", technician="marco").pending()
    shop.sms(DANA_PHONE).says("R-1")
    shop.inbox("marco").has("repair_assigned", "R-1")
    shop.sms(MARCO_PHONE).says("R-1")
    told(shop, "prize is missing")
    shop.silence()


@pytest.mark.proves("A1", "A2")
def test_what_is_urgent_and_breaks_is_sent_built_in_and_told(shop, ada):
    own(shop, "repair_approved", **dict.fromkeys(FIELDS, BROKEN))
    shop.repair("R-1", technician="marco").approved()
    shop.inbox("marco").has("repair_assigned")
    shop.inbox("marco").has("repair_approved", "R-1")
    shop.sms(MARCO_PHONE).says("R-1 is approved")
    shop.sms(MARCO_PHONE).says("New job")
    shop.mail(MARCO_MAIL).says("R-1")
    told(shop, "prize is missing")
    shop.silence()


@pytest.mark.proves("A2")
def test_the_next_version_that_breaks_is_told_again(shop, ada):
    own(shop, "repair_in_progress", subject=BROKEN)
    shop.repair("R-1", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("R-1")
    told(shop, "prize is missing")
    own(shop, "repair_in_progress", subject="{{ item.colour }}", version=2)
    shop.repair("R-2", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("R-2")
    told(shop, "colour is missing")
    shop.silence()


@pytest.mark.proves("A2")
def test_without_an_administrator_the_office_hears_of_it(shop):
    own(shop, "repair_in_progress", subject=BROKEN)
    shop.repair("R-1", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("R-1")
    shop.world.sweep("warn")
    shop.inbox("olga").has("template_broken")
    shop.mail(OFFICE_MAIL).says("Your own words cannot be used")
    shop.silence()


@pytest.mark.proves("A2")
def test_what_a_template_requires_and_did_not_get_is_told_too(shop, ada):
    own(shop, "repair_in_progress", requires=["item.price"], subject="Our words")
    shop.post("repair.upsert", {"id": "R-1", "status": "in_progress", "customer": {"id": "dana"}})
    shop.mail(DANA_MAIL).says("R-1")
    told(shop, "needs item.price")
    shop.silence()


@pytest.mark.proves("A2", "A16")
def test_the_words_that_tell_of_it_may_be_broken_themselves(shop, ada):
    own(shop, "template_broken", subject=BROKEN)
    own(shop, "repair_in_progress", subject=BROKEN)
    shop.repair("R-1", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("R-1")
    told(shop, "Repair under way")
    told(shop, "A template cannot be used")
    shop.world.sweep("warn")
    shop.silence()


@pytest.mark.proves("A2", "C5")
def test_another_office_hears_nothing_of_it(shop, ada, hub):
    other = hub.another("lakeside")
    other.person("otto", "administrator", name="Otto Lind", email="otto@example.com")
    own(shop, "repair_in_progress", subject=BROKEN)
    shop.repair("R-1", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("R-1")
    told(shop, "Repair under way")
    other.inbox("otto").nothing()
    shop.silence()


@pytest.mark.proves("S5", "A2")
def test_no_hostile_template_keeps_a_message_from_arriving_and_the_worker_lives(shop):
    """All of the corpus as titles, texts and bodies of real messages, by one worker; each arrives in the built-in words."""
    hostile = [*ESCAPES, *BOMBS]
    rounds = [hostile[at : at + len(FIELDS)] for at in range(0, len(hostile), len(FIELDS))]
    for number, sources in enumerate(rounds):
        fields = dict(zip(FIELDS, [*sources, *hostile], strict=False))
        own(shop, "repair_in_progress", **fields)  # by mail
        own(shop, "repair_completed", **fields)  # by SMS
        shop.repair(f"R-{number}", customer="dana").in_progress().completed()
        shop.mail(DANA_MAIL).says(f"R-{number}")
        shop.sms(DANA_PHONE).says(f"R-{number}")
        broken = shop.build.all("SELECT broken_why FROM template WHERE broken_at IS NOT NULL")
        assert len(broken) == 2, sources
    own(shop, "repair_completed", sms="Our own words for {{ item.number }}")
    shop.repair("R-99", customer="dana").completed()
    assert "Our own words" in shop.sms(DANA_PHONE).says("R-99").text
    assert not shop.build.all("SELECT 1 FROM delivery WHERE state = 'failed'")
    shop.silence()
