"""A14: a provider that is asked too often is asked half as often, by everybody, and the office's page says so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.auditing import Auditor
from tests.stories.conftest import DANA_PHONE

pytestmark = pytest.mark.proves("A14")


@pytest.fixture
def auditor(shop):
    return Auditor(shop.world)


def account(shop):
    return shop.build.one("SELECT * FROM provider_account WHERE channel = 'sms'")


def test_a_throttled_message_waits_its_account_slows_down_and_both_recover(shop, auditor):
    shop.world.aws.fail(DANA_PHONE, "ThrottlingException", times=1)
    shop.repair("R-1", customer="dana").completed()
    row = shop.delivery("dana", "sms")
    assert (row.state, row.failures) == ("queued", 0), "it waits, and no attempt is counted against it"
    assert account(shop).slowed_to == 0.5
    assert set(auditor.finds(shop)) == {"provider_slowed"}
    page = shop.browser("olga").get("/running").text
    assert "A provider of SMS wants to be asked less often" in page
    shop.wait(timedelta(minutes=6))
    shop.sms(DANA_PHONE).says("R-1")
    assert auditor.finds(shop) == {}, "a tenth comes back each minute"
    shop.forget()
