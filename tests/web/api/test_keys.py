"""Keys of programs: made by an administrator for a person, shown once, worth nothing after they are revoked (C6)."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from flask import Flask

from notify_app.web.api import access
from tests.pages import Browser, Page
from tests.web.api.conftest import Act
from tests.web.conftest import Shop

pytestmark = pytest.mark.proves("C6", "F4")


@pytest.fixture
def admin(shop: Shop) -> Browser:
    """Adam administers the shop."""
    shop.hub.person("adam", "administrator", name="Adam Berg")
    return shop.hub.browser("adam")


def make(admin: Browser, name: str, person: object) -> Page:
    return admin.submit("/keys", "/keys", name=name, person=str(person))


def token_of(browser: Browser) -> str:
    return browser.get("/preferences").form("/preferences").fields["csrf_token"][0]


# --- the door ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "hub_", "hub_wrong", "Bearer", "x" * 2000, "hub_\x7f"])
def test_no_key_and_a_wrong_key_are_answered_alike_and_nothing_is_said(acts: Act, token: str) -> None:
    program = acts("alice")
    program.token = token
    response = program.get("/items")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json["title"] == "Send a key of this hub: Authorization: Bearer hub_…"


def test_a_session_is_worth_nothing_at_the_api(shop: Shop, repair: str) -> None:
    alice = shop.alice
    assert alice.get("/api/v1/items").status == 401
    assert alice.post(f"/api/v1/items/{repair}/start").status == 401
    assert shop.hub.build.one("SELECT version FROM work_item").version == 1


def test_a_key_works_for_its_own_organisation_whatever_cookie_comes_along(shop: Shop, acts: Act) -> None:
    program = acts("charlie", shop.other)
    shop.hub.repair("R-1", customer="dana").pending()
    answer = shop.alice.client.get(
        "/api/v1/items", headers={"Authorization": f"Bearer {program.token}"}, base_url=shop.alice.site
    )
    assert (answer.status_code, answer.json["data"]) == (200, [])


def test_a_key_ends_with_its_persons_part_in_the_organisation(shop: Shop, acts: Act) -> None:
    program = acts("bob")
    assert program.get("/items").status_code == 200
    shop.hub.build.run("UPDATE person SET left_at = hub_now() WHERE id = :id", id=shop.hub.people["bob"].id)
    assert program.get("/items").status_code == 401


def test_what_a_key_may_follows_its_person(shop: Shop, acts: Act, repair: str) -> None:
    program = acts("tess")
    assert program.get(f"/items/{repair}").status_code == 404
    shop.hub.build.run("UPDATE person SET role = 'manager' WHERE id = :id", id=shop.hub.people["tess"].id)
    assert program.get(f"/items/{repair}").status_code == 200


def test_a_key_that_calls_too_fast_is_told_to_wait_and_others_are_not(
    shop: Shop, acts: Act, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "FOR_A_KEY", "5 per minute")
    fast, slow = acts("alice"), acts("bob")
    answers = [fast.get("/people", limit=1).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert "Retry-After" in fast.get("/people").headers
    assert slow.get("/items").status_code == 200


def test_only_a_hash_is_kept_and_use_is_noted_to_the_minute(shop: Shop, acts: Act) -> None:
    program = acts("alice")
    row = shop.hub.build.one("SELECT * FROM api_key")
    assert program.token not in str(tuple(row)) and program.token.encode() not in bytes(row.token_hash)
    assert row.last_used_at is None
    program.get("/items")
    used = shop.hub.build.one("SELECT last_used_at FROM api_key").last_used_at
    program.get("/items")
    assert shop.hub.build.one("SELECT last_used_at FROM api_key").last_used_at == used is not None


# --- the page ------------------------------------------------------------------------------------------------------


def test_an_administrator_makes_a_key_that_works_and_is_shown_once(shop: Shop, admin: Browser) -> None:
    page = make(admin, "Night report", shop.hub.people["bob"].id)
    token = re.search(r"hub_[\w-]{43}", page.html)
    assert token and "Night report" in page.html and "Bob Marsh" in page.html
    assert token[0] not in admin.get("/keys").html and token[0][-4:] in admin.get("/keys").html
    client = shop.hub.world.app.test_client()
    assert client.get("/api/v1/items", headers={"Authorization": f"Bearer {token[0]}"}).status_code == 200
    made = shop.hub.build.one("SELECT created_by, person_id FROM api_key")
    assert (made.created_by, made.person_id) == (shop.hub.people["adam"].id, shop.hub.people["bob"].id)


def test_a_key_without_a_name_or_for_nobody_is_refused_beside_the_field(shop: Shop, admin: Browser) -> None:
    page = make(admin, "  ", "")
    assert page.status == 422
    assert "Say in a few words" in page.text and "Choose the person" in page.text
    for nobody in (shop.other.people["charlie"].id, uuid4(), "x"):
        assert make(admin, "Report", nobody).status == 422
    assert shop.hub.build.all("SELECT 1 FROM api_key") == []


def test_a_revoked_key_is_refused_at_once_and_stays_in_the_list(
    shop: Shop, admin: Browser, acts: Act
) -> None:
    program = acts("bob")
    page = admin.submit("/keys", f"/keys/{program.id}/revoke")
    assert page.status in (200, 303)
    assert program.get("/items").status_code == 401
    assert "Revoked" in admin.get("/keys").text
    when = shop.hub.build.one("SELECT revoked_at FROM api_key").revoked_at
    admin.post(f"/keys/{program.id}/revoke", csrf_token=token_of(admin))
    assert shop.hub.build.one("SELECT revoked_at FROM api_key").revoked_at == when


def test_keys_are_for_administrators_of_their_own_organisation_only(
    shop: Shop, admin: Browser, acts: Act
) -> None:
    theirs = acts("charlie", shop.other)
    assert admin.post(f"/keys/{theirs.id}/revoke", csrf_token=token_of(admin)).status == 404
    for who in (shop.alice, shop.bob):
        assert who.get("/keys").status == 403
        fields = {"name": "Mine", "person": str(shop.hub.people["adam"].id), "csrf_token": token_of(who)}
        assert who.post("/keys", **fields).status == 403
    assert theirs.get("/items").status_code == 200
    assert shop.hub.build.one("SELECT count(*) AS n FROM api_key").n == 1


# --- the command ---------------------------------------------------------------------------------------------------


def command(app: Flask, *arguments: str) -> tuple[int, str]:
    """`flask api-key evergreen …`: how it ended and what it said."""
    with app.app_context():  # the real `flask` opens it for a command
        result = app.test_cli_runner().invoke(args=["api-key", "evergreen", *arguments])
    return result.exit_code, result.output


def test_the_command_makes_lists_and_revokes(shop: Shop, app: Flask) -> None:
    token = command(app, "gate terminal", "--for", "Bob")[1].strip()
    assert re.fullmatch(r"hub_[\w-]{43}", token), token
    client = shop.hub.world.app.test_client()
    assert client.get("/api/v1/items", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    _, listed = command(app)
    assert "gate terminal (as Bob Marsh, technician)" in listed and token not in listed
    assert command(app, "--revoke", listed.split()[0]) == (0, "revoked\n")
    assert client.get("/api/v1/items", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_the_command_refuses_nobody_and_several(shop: Shop, app: Flask) -> None:
    for person in ("", "Nobody", "a"):
        code, said = command(app, "report", "--for", person)
        assert code != 0 and "name exactly one" in said
    assert command(app, "--revoke", str(uuid4()))[0] != 0
    assert shop.hub.build.all("SELECT 1 FROM api_key") == []
