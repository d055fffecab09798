"""D6: an organisation switches its notifications off and on again; what would have been told is on record."""

from __future__ import annotations

import pytest

from tests.stories.conftest import MARCO_MAIL, MARCO_PHONE

pytestmark = pytest.mark.proves("D6")


def switch(shop, value):
    with shop.world.app.app_context():
        said = shop.world.app.test_cli_runner().invoke(
            args=["office", shop.organisation.slug, f"notifications_on={value}"]
        )
    assert said.exit_code == 0, said.output
    assert f"notifications_on={value.capitalize()}" in said.output


def test_nobody_is_told_while_notifications_are_off_and_the_reason_is_kept(shop):
    switch(shop, "false")
    repair = shop.repair("R-1", customer="dana", technician="marco").approved()
    shop.silence()
    assert shop.decisions(None, "repair_approved") == {"": ("not_told", "notifications_off")}
    assert repair.row.status == "approved", "the work itself goes on"


def test_after_they_are_on_again_only_what_happens_from_then_on_is_told(shop):
    switch(shop, "false")
    repair = shop.repair("R-1", customer="dana", technician="marco").approved()
    switch(shop, "true")
    shop.silence()
    repair.denied()
    shop.inbox("marco").has("repair_denied", "R-1")
    shop.mail(MARCO_MAIL).says("R-1")
    shop.sms(MARCO_PHONE).says("R-1")
    shop.silence()


def test_another_organisation_is_told_all_the_same(shop):
    switch(shop, "false")
    other = shop.another("lakeside")
    other.person("lena", email="lena@example.com")
    other.repair("R-1", technician="lena").approved()
    other.inbox("lena").has("repair_approved", "R-1")
    shop.repair("R-1", technician="marco").approved()
    shop.inbox("marco").nothing()
    shop.forget()
