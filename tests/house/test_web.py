"""The pages' house rules: every route guarded, every form protected, nothing inline, nothing unscoped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from notify_app.web.guard import GUARDS

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
PAGES = sorted(path for path in TEMPLATES.rglob("*.html"))
# machine traffic that proves itself by its signature, and carries no cookie
WITHOUT_TOKEN = {
    "hooks.receive",
    "hooks.receive_batch",
    "receipts.sms",
    "receipts.sns",
    "telegram.take",
    "unsubscribe.act",
}
# changes that anybody may ask for: they touch nothing but the asker's own session or cookie, or need a private link
PUBLIC_CHANGES = {
    "sign_in.enter",
    "sign_in.leave",
    "theme.save",
    "link.act",
    "verification.follow",
    "welcome.accept",
}


def test_every_route_says_who_may_call_it(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            assert getattr(app.view_functions[rule.endpoint], "guard", None) in GUARDS, rule


def test_what_changes_something_is_for_somebody(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if (
            rule.methods
            and rule.methods & {"POST", "PUT", "PATCH", "DELETE"}
            and rule.endpoint not in PUBLIC_CHANGES | WITHOUT_TOKEN
        ):
            assert app.view_functions[rule.endpoint].guard in ("key", "member", "office", "administrator"), (
                rule
            )  # type: ignore[attr-defined]


def test_only_signed_machine_traffic_goes_without_a_form_token(app: Flask) -> None:
    exempt = {name.rpartition(".")[2] for name in app.extensions["csrf"]._exempt_views}
    assert exempt == {name.partition(".")[2] for name in WITHOUT_TOKEN}


def test_what_a_program_calls_by_its_key_goes_without_a_form_token_and_nothing_else_does(app: Flask) -> None:
    exempt = {one.name for one in app.extensions["csrf"]._exempt_blueprints}
    for rule in app.url_map.iter_rules():
        by_key = getattr(app.view_functions[rule.endpoint], "guard", None) == "key"
        assert by_key == (rule.endpoint.partition(".")[0] in exempt), rule
        assert by_key == rule.rule.startswith("/api/"), rule


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TEMPLATES)))
def test_every_form_that_changes_something_carries_the_token(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for form in re.findall(r"<form\b[^>]*method=[\"']?post.*?</form>", text, re.DOTALL | re.IGNORECASE):
        assert "csrf" in form, form[:200]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TEMPLATES)))
def test_nothing_is_inline_and_nothing_is_trusted_unescaped(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son[a-z]+=\"|<style|javascript:", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    # the drawings of the icons are our own constants
    assert "|safe" not in text.replace(" ", "") or page.name == "icons.html"


def test_every_page_has_one_heading_of_the_first_level() -> None:
    for page in TEMPLATES.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        if "{% extends" in text:
            assert text.count("<h1") <= 1, page
