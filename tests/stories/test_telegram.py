"""Telegram: a chat is connected by a link that works once, stands in for SMS and email, and sees to things by a button (E6)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from notify_app.secrets import Secrets
from tests.channels.receiver import Receiver
from tests.stories.conftest import MARCO_MAIL, MARCO_PHONE
from tests.stories.test_d4_escalation import (
    ADA_MAIL,
    ADA_PHONE,
    VERA_PHONE,
    rule,
    set_office,
    submitted,
    task,
)

pytestmark = pytest.mark.proves("E6", "A5")

MINUTE = timedelta(minutes=1)
TOKEN = "123456789:" + "B" * 35
CHAT, OTHER = 700100200, 700100299


class Telegram:
    """The Bot API as a stub, and what people do in their chats."""

    def __init__(self, hub, api: Receiver) -> None:
        self.hub, self.api = hub, api
        self._secret = Secrets(hub.world.app.extensions["hub"].secret_key).shared("telegram")
        self._number = 0

    def link(self, key: str) -> str:
        """The start link's token that the preferences page gives this person."""
        page = self.hub.browser(key).submit("/preferences", "/preferences/telegram")
        found = re.search(r"https://t\.me/evergreen_bot\?start=([\w-]+)", page.html)
        assert found, page.text
        return found[1]

    def update(self, *, secret: str | None = None, **what):
        self._number += 1
        body = json.dumps({"update_id": self._number, **what})
        headers = {"X-Telegram-Bot-Api-Secret-Token": self._secret if secret is None else secret}
        answer = self.hub.world.app.test_client().post(
            "/inbound/telegram", data=body, headers=headers, content_type="application/json"
        )
        self.hub.settle()
        return answer

    def write(self, text: str, chat: int = CHAT) -> str:
        """What somebody writes to the bot; what it answers."""
        answer = self.update(message={"chat": {"id": chat, "type": "private"}, "text": text})
        assert answer.status_code == 200, answer.get_json()
        said = answer.get_json()
        assert (said["method"], said["chat_id"]) == ("sendMessage", chat)
        return said["text"]

    def press(self, data: str, chat: int = CHAT) -> str:
        """They press a button; what is shown."""
        answer = self.update(callback_query={"id": "q1", "from": {"id": chat}, "data": data})
        said = answer.get_json()
        assert (said["method"], said["callback_query_id"]) == ("answerCallbackQuery", "q1")
        return said["text"]

    def connect(self, key: str, chat: int = CHAT) -> None:
        assert self.write(f"/start {self.link(key)}", chat).startswith("Connected.")

    @property
    def sent(self) -> list[dict]:
        return [json.loads(one.body) for one in self.api.got]


@pytest.fixture
def telegram(shop) -> Iterator[Telegram]:
    """The hub with a bot: the application as well as the workers."""
    with Receiver() as api:
        api.always(200, '{"ok": true, "result": {"message_id": 5}}')
        bot = {"telegram_token": TOKEN, "telegram_bot": "evergreen_bot", "telegram_url": api.url}
        with shop.configured("telegram", "bot", **bot):
            yield Telegram(shop, api)


def news(shop, priority, **more):
    who = {"people": [{"id": "marco"}]}
    shop.post(
        "announcement.send",
        {"title": "Gas", "message": "Leave the hall.", "audience": who, "priority": priority, **more},
    )


def test_a_chat_is_connected_once_and_stands_in_for_email_and_sms(shop, telegram):
    token = telegram.link("marco")
    said = telegram.write(f"/start {token}")
    assert (
        said
        == "Connected. Messages of Evergreen Auto Glass for Marco Reyes come here from now on. Write /stop to end that."
    )
    assert telegram.write(f"/start {token}").startswith("Connected."), "Telegram sent it again"
    assert "used already" in telegram.write(f"/start {token}", OTHER)
    assert "Telegram" in shop.browser("marco").get("/preferences").text

    news(shop, "medium")
    assert [(one["chat_id"], one["text"]) for one in telegram.sent] == [
        (CHAT, "<b>Gas</b>\n\nLeave the hall.")
    ]
    news(shop, "high")
    assert len(telegram.sent) == 2
    shop.inbox("marco").has("announcement", "Leave the hall.", priority="medium")
    shop.inbox("marco").has("announcement", "Leave the hall.", priority="high")
    shop.silence()  # neither email nor SMS

    news(shop, "urgent")
    assert len(telegram.sent) == 3
    shop.mail(MARCO_MAIL).says("Leave the hall.")
    shop.sms(MARCO_PHONE).says("Gas")
    shop.forget()


def test_a_category_that_is_not_wanted_in_the_chat_comes_as_before(shop, telegram):
    telegram.connect("marco")
    page = shop.browser("marco").get("/preferences")
    boxes = re.findall(r'name="([^"]*announcement[^"]*telegram[^"]*)"', page.html)
    assert boxes, "the grid has a column for the chat"
    shop.build.run(
        "INSERT INTO preference_choice (organisation_id, person_id, scope, channel, enabled) "
        "VALUES (:org, :me, 'category:announcement', 'telegram', false)",
        org=shop.organisation.id,
        me=shop.people["marco"].id,
    )
    news(shop, "medium")
    assert telegram.sent == []
    shop.mail(MARCO_MAIL).says("Leave the hall.")
    shop.forget()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("/start", "Connect Telegram"),
        ("/start nonsense", "too old"),
        ("hello", "Connect Telegram"),
        ("/stop", "not connected"),
    ],
)
def test_a_stranger_is_told_how_it_begins(telegram, words, said):
    assert said in telegram.write(words)


def test_a_link_that_is_too_old_or_was_replaced_connects_nobody(shop, telegram):
    replaced, old = telegram.link("marco"), telegram.link("marco")
    assert "too old" in telegram.write(f"/start {replaced}")
    shop.jump(timedelta(minutes=15, seconds=1))
    assert "too old" in telegram.write(f"/start {old}")
    assert shop.build.one("SELECT count(*) AS n FROM address WHERE channel = 'telegram'").n == 0


def test_another_chat_takes_the_place_of_the_first(shop, telegram):
    telegram.connect("marco")
    telegram.connect("marco", OTHER)
    rows = shop.build.all("SELECT value FROM address WHERE channel = 'telegram'")
    assert [row.value for row in rows] == [str(OTHER)]


def test_stop_ends_it_and_email_comes_again(shop, telegram):
    telegram.connect("marco")
    assert telegram.write("/stop").startswith("Nothing more is sent here.")
    news(shop, "medium")
    assert telegram.sent == []
    shop.mail(MARCO_MAIL).says("Leave the hall.")
    lines = shop.build.all("SELECT what FROM audit WHERE what LIKE 'address.%' ORDER BY at, id")
    assert [one.what for one in lines] == ["address.added", "address.removed"]
    shop.forget()


def test_whoever_blocks_the_bot_is_reached_as_before(shop, telegram):
    telegram.connect("marco")
    answer = telegram.update(
        my_chat_member={"chat": {"id": CHAT, "type": "private"}, "new_chat_member": {"status": "kicked"}}
    )
    assert (answer.status_code, answer.get_json()) == (200, {})
    news(shop, "medium")
    shop.mail(MARCO_MAIL).says("Leave the hall.")
    shop.forget()


@pytest.mark.proves("A16")
def test_a_chat_that_is_gone_is_forgotten_and_email_is_taken(shop, telegram):
    telegram.connect("marco")
    telegram.api.reset()
    telegram.api.answer(
        403, '{"ok": false, "error_code": 403, "description": "Forbidden: bot was blocked by the user"}'
    )
    news(shop, "medium")
    shop.sms(MARCO_PHONE).says("Gas")  # the next that there is
    assert shop.build.one("SELECT count(*) AS n FROM address WHERE channel = 'telegram'").n == 0
    assert shop.build.one("SELECT count(*) AS n FROM suppression").n == 0
    shop.inbox("marco").has("announcement", "Leave the hall.", priority="medium")
    shop.silence()  # the office has nothing to mend


def test_only_telegram_is_believed(shop, telegram):
    token = telegram.link("marco")
    started = {"message": {"chat": {"id": CHAT, "type": "private"}, "text": f"/start {token}"}}
    for secret in ("", "x" * 43, TOKEN):
        assert telegram.update(secret=secret, **started).status_code == 403
    assert shop.build.one("SELECT count(*) AS n FROM address WHERE channel = 'telegram'").n == 0


def test_where_there_is_no_bot_nobody_listens(shop):
    answer = shop.world.app.test_client().post("/inbound/telegram", json={"update_id": 1})
    assert answer.status_code == 404


def test_a_chat_is_nothing_that_is_typed(shop, telegram):
    marco = shop.browser("marco")
    page = marco.get("/preferences")
    token = page.form("/preferences/addresses").fields["csrf_token"]
    assert (
        marco.post("/preferences/addresses", csrf_token=token, channel="telegram", address="1").status == 404
    )


# --- seeing to something --------------------------------------------------------------------------------------------


@pytest.fixture
def site(shop, telegram):
    """Permits that Vera verifies; after ten minutes Vera and Ada, who both have a chat, are told that one waits."""
    shop.person("vera", name="Vera Lind", sms=VERA_PHONE)
    shop.person("ada", "administrator", name="Ada Quist", grade="A", sms=ADA_PHONE, email=ADA_MAIL)
    set_office(shop, escalations_on=True)
    people = [f"person:{shop.people[key].id}" for key in ("vera", "ada")]
    rule(
        shop,
        {"after": 10, "tell": people, "says": "escalated"},
        {"after": 30, "tell": people, "says": "escalated"},
        kind="permit",
    )
    telegram.connect("vera")
    telegram.connect("ada", OTHER)
    telegram.api.got.clear()
    submitted(shop)
    shop.wait(11 * MINUTE)
    shop.forget()
    return shop


def buttons(telegram, chat):
    """The data of the acknowledging buttons in a chat."""
    rows = [
        one["reply_markup"]["inline_keyboard"][0]
        for one in telegram.sent
        if one["chat_id"] == chat and "reply_markup" in one
    ]
    return [one["callback_data"] for row in rows for one in row if "callback_data" in one]


@pytest.mark.proves("D4")
def test_a_button_sees_to_what_waits_and_the_late_one_hears_who_it_was(site, telegram):
    mine, others = buttons(telegram, CHAT), buttons(telegram, OTHER)
    assert len(mine) == len(others) == 1, "only what asks to be seen to has one"
    assert telegram.press(mine[0]).startswith("Thank you. You see to it: ")
    assert task(site).acknowledged_by == site.people["vera"].id
    assert telegram.press(others[0], OTHER).startswith("Vera Lind sees to it already: ")
    assert telegram.press(mine[0]).startswith("Thank you. You see to it: "), "it was pressed twice"
    before = len(telegram.sent)
    site.wait(40 * MINUTE)
    assert len(telegram.sent) == before, "the next level is not told"
    site.forget()


def test_a_button_counts_only_for_whom_it_was(site, telegram, shop):
    telegram.connect("marco", 700100288)
    mine = buttons(telegram, CHAT)[0]
    for chat in (700100288, 700100277):  # Marco, who was not told, and nobody
        assert telegram.press(mine, chat) == "This message was not for you."
    assert telegram.press("see:nonsense") == "This message was not for you."
    assert telegram.press(f"see:{'0' * 8}-0000-0000-0000-{'0' * 12}") == "This message was not for you."
    assert task(site).acknowledged_by is None
    site.forget()


def test_where_messages_stay_here_a_pretended_chat_shows_them(shop):
    shop.over("local")
    browser = shop.browser("marco")
    page = browser.submit("/preferences", "/preferences/telegram")
    assert "Nothing leaves this machine" in page.text
    news(shop, "medium")
    row = shop.deliveries("marco", "telegram")[0]
    assert (row.state, row.provider) == ("sent", "local")
    outbox = shop.browser("olga").get(f"/outbox?channel=telegram&message={row.id}")
    assert "Leave the hall." in outbox.text and "<iframe" not in outbox.html
    shop.forget()


def command(app):
    with app.app_context():
        return app.test_cli_runner().invoke(args=["telegram"])


def test_the_command_agrees_with_telegram_on_where_it_reports(telegram):
    app = telegram.hub.world.app
    telegram.api.reset()
    telegram.api.answer(200, '{"ok": true, "result": {"username": "Evergreen_Bot"}}')
    telegram.api.answer(200, '{"ok": true, "result": true}')
    said = command(app)
    assert said.exit_code == 0, said.output
    asked = json.loads(telegram.api.got[1].body)
    assert asked["url"] == f"{app.extensions['hub'].base_url}/inbound/telegram"
    assert asked["secret_token"] == telegram._secret
    assert set(asked["allowed_updates"]) == {"message", "callback_query", "my_chat_member"}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            200,
            '{"ok": true, "result": {"username": "another_bot"}}',
            "HUB_TELEGRAM_BOT: the token is of @another_bot",
        ),
        (401, '{"ok": false, "description": "Unauthorized"}', "Telegram says: 401 Unauthorized"),
    ],
)
def test_the_command_says_what_is_wrong(telegram, status, body, said):
    telegram.api.reset()
    telegram.api.answer(status, body)
    answer = command(telegram.hub.world.app)
    assert answer.exit_code == 1
    assert said in answer.output


def test_a_used_link_connects_nothing_again_after_a_stop(shop, telegram):
    token = telegram.link("marco")
    telegram.write(f"/start {token}")
    assert telegram.write(f"/start {token}").startswith("Connected."), (
        "an answer that was lost is given again"
    )
    telegram.write("/stop")
    assert telegram.write(f"/start {token}").startswith("This link was used already.")
    assert shop.build.one("SELECT count(*) AS n FROM address WHERE channel = 'telegram'").n == 0
    shop.forget()
