"""Where people begin, which organisation they look at, and the theme."""

from __future__ import annotations

import pytest


def test_each_role_begins_at_its_own_page(shop):
    assert shop.alice.get("/", follow=False).location == "/dashboard"
    assert shop.bob.get("/", follow=False).location == "/inbox"
    assert shop.hub.stranger().get("/", follow=False).location.startswith("/sign-in")


@pytest.mark.proves("C5")
def test_somebody_of_two_organisations_chooses_which_to_look_at(shop):
    shop.other.office("alice2", name="Alice Moreno", account_of=shop.hub.people["alice"])
    shop.hub.repair("R-1", customer="dana").pending()
    shop.other.repair("H-1").pending()
    assert "R-1" in shop.alice.get("/work").text
    page = shop.alice.submit("/work", "/organisation", organisation=shop.other.organisation.id)
    assert page.status == 200
    text = shop.alice.get("/work").text
    assert "H-1" in text and "R-1" not in text


@pytest.mark.proves("C5")
def test_nobody_chooses_an_organisation_that_is_not_theirs(shop):
    token = shop.alice.get("/inbox").form("/read-all").fields["csrf_token"][0]
    for wanted in (shop.other.organisation.id, "x", ""):
        assert shop.alice.post("/organisation", csrf_token=token, organisation=wanted).status == 404


@pytest.mark.parametrize(
    ("theme", "kept"), [("dark", "dark"), ("light", "light"), ("auto", "auto"), ("<script>", "auto")]
)
def test_the_theme_is_kept_in_a_cookie(shop, theme, kept):
    page = shop.alice.submit("/inbox", "/theme", theme=theme)
    assert f'data-theme="{kept}"' in page.html


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/x\n"]
)
def test_nothing_leads_off_the_site(shop, target):
    answer = shop.alice.submit("/inbox", "/theme", follow=False, theme="dark", next=target)
    assert answer.location == "/"
