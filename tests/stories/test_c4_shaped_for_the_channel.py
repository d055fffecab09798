"""C4: each channel says money, days and times in its own way, in the organisation's currency and the reader's zone."""

from __future__ import annotations

import pytest

from tests.stories.conftest import DANA_MAIL, DANA_PHONE, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL

pytestmark = pytest.mark.proves("C4")

# 14:05 in Los Angeles, where the shop is
AT = "2027-02-15T22:05:00Z"


@pytest.mark.parametrize(
    ("price", "mail_says", "sms_says"),
    [
        (150, "$150.00", "$150"),
        (149.5, "$149.50", "$149.50"),
        (1250, "$1,250.00", "$1,250"),
        (0.05, "$0.05", "$0.05"),
    ],
)
def test_money_has_cents_in_a_mail_and_in_an_sms_only_when_they_are_not_zero(
    shop, price, mail_says, sms_says
):
    repair = shop.repair("R-1", customer="dana", price=price).in_progress()
    mail = shop.mail(DANA_MAIL).says(mail_says)
    assert mail_says in mail.text
    repair.completed()
    sms = shop.sms(DANA_PHONE).says("is ready")
    assert f"{sms_says}." in sms.text.replace(". Thank", ".") or f"{sms_says} " in sms.text
    assert f"{sms_says}.00" not in sms.text
    shop.silence()


def test_a_time_is_whole_in_a_mail_and_short_in_an_sms(shop):
    shop.repair("R-1", technician="marco", customer="dana", scheduled_at=AT).approved()
    mail = shop.mail(MARCO_MAIL).says("14:05 on February 15, 2027")
    assert "14:05 on February 15, 2027" in mail.html
    shop.sms(MARCO_PHONE).says("R-1 is approved", "Feb 15 14:05")
    shop.inbox("marco").has("repair_approved", "14:05 on February 15, 2027")
    shop.forget()


def test_a_time_is_the_readers_own(shop):
    shop.person("hana", sms="+12025550106", email="hana@example.com", zone="Asia/Tokyo")
    shop.repair("R-1", technician="hana", customer="dana", scheduled_at=AT).approved()
    shop.mail("hana@example.com").says("07:05 on February 16, 2027")
    shop.sms("+12025550106").says("Feb 16 07:05", "approved")
    shop.inbox("hana").has("repair_approved", "07:05 on February 16, 2027")
    shop.forget()


def test_the_currency_is_the_organisations(hub):
    berlin = hub.another("berlin", currency="EUR", zone="Europe/Berlin")
    berlin.customer("dana", email=DANA_MAIL, sms=DANA_PHONE)
    repair = berlin.repair("R-1", customer="dana", price=150).in_progress()
    mail = berlin.mail(DANA_MAIL).says("\u20ac150.00")
    assert "$" not in mail.text
    repair.completed()
    berlin.sms(DANA_PHONE).says("\u20ac150")
    berlin.silence()


def test_no_raw_date_money_or_empty_value_reaches_anybody(shop):
    """A repair with every fact and one with none: nothing is undefined, unshaped or None in any message."""
    whole = {
        "vehicle": "2021 Subaru Outback",
        "damage": "chip",
        "location": "418 Alder Street",
        "price": 149.5,
        "scheduled_at": AT,
    }
    for number, facts in (("R-1", whole), ("R-2", {})):
        repair = shop.repair(number, customer="dana", technician="marco", **facts).pending()
        repair.approved()
        repair.in_progress()
        repair.completed(technician="priya")
        shop.repair(f"{number}-d", customer="dana", technician="marco", **facts).denied()
    said = [f"{mail.subject}\n{mail.text}\n{mail.html}" for _, mail in shop.world.mails()]
    said += [sms.text for _, sms in shop.world.texts()]
    said += [f"{row.title}\n{row.text}" for row in shop.world.lines()]
    assert len(said) > 30
    for text in said:
        for raw in (
            "None",
            "Undefined",
            "Decimal(",
            "datetime",
            "{{",
            "{%",
            "2027-02-15T",
            "149.5 ",
            "$money",
            "+00:00",
        ):
            assert raw not in text, text
    shop.mail(OFFICE_MAIL).nothing()
    shop.forget()
