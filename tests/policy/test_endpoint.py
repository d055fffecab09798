"""What is posted to an endpoint: three shapes of one event, in which nothing that somebody wrote is markup."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from notify_app.policy.endpoint import Format, Said, body, matches

pytestmark = pytest.mark.proves("A10")

SAID = Said(
    event="repair_approved",
    event_id="0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a21",
    title="Approved: R-1042 <b> & more",
    text="Wipers <!channel> & *rest*\n[look](https://evil.example.com)",
    category="assignment",
    category_title="Assignments",
    priority="urgent",
    organisation="Evergreen & Sons",
    occurred_at=datetime(2026, 11, 24, 7, 5, tzinfo=UTC),
    about={"id": "1", "kind": "repair", "number": "R-1042", "title": "2021 Subaru", "status": "approved"},
    page="https://hub.example.com/work/1",
)


def shaped(format: str, **change: object) -> dict:
    return json.loads(body(replace(SAID, **change), format))  # type: ignore[arg-type]


def test_the_standard_shape_has_type_time_and_data() -> None:
    said = shaped("standard")
    assert (said["type"], said["timestamp"]) == ("repair_approved", "2026-11-24T07:05:00+00:00")
    assert said["data"]["title"] == SAID.title
    assert said["data"]["item"]["number"] == "R-1042"
    assert (
        shaped("standard", about=None, page="")["data"] | {"item": None, "url": None}
        == (shaped("standard", about=None, page="")["data"])
    )


def test_slack_shows_header_text_priority_in_words_and_a_button() -> None:
    header, section, context, actions = shaped("slack")["blocks"]
    assert header["text"] == {"type": "plain_text", "text": SAID.title}
    assert "&lt;!channel&gt; &amp; *rest*" in section["text"]["text"]
    assert "<" not in section["text"]["text"]
    assert "Urgent" in context["elements"][0]["text"]
    assert context["elements"][1]["text"] == "Assignments · Evergreen &amp; Sons"
    assert actions["elements"][0]["url"] == SAID.page
    assert shaped("slack")["text"] == "Urgent: Approved: R-1042 &lt;b&gt; &amp; more"
    assert len(shaped("slack", text="", page="")["blocks"]) == 2


@pytest.mark.parametrize("letter", ["a", "&", "<", "&a"])
def test_slack_takes_what_is_long_cut_with_no_entity_in_two(letter: str) -> None:
    text = shaped("slack", text=letter * 9000, title="t" * 900)["blocks"][1]["text"]["text"]
    assert 2900 < len(text) <= 3000
    assert text.replace("&amp;", "").replace("&lt;", "").replace("a", "") == "…"
    assert len(shaped("slack", title="t" * 900)["blocks"][0]["text"]["text"]) == 150


def test_teams_gets_a_card_of_runs_in_which_nothing_is_markup() -> None:
    (attachment,) = shaped("teams")["attachments"]
    card = attachment["content"]
    assert (attachment["contentType"], card["version"]) == ("application/vnd.microsoft.card.adaptive", "1.5")
    head, *lines = card["body"]
    assert head["style"] == "attention"
    assert head["items"][0]["inlines"][0]["text"] == "Urgent"
    texts = [line["inlines"][0]["text"] for line in lines]
    assert texts == [*SAID.text.split("\n"), "Assignments · Evergreen & Sons"]
    assert {line["type"] for line in [*head["items"], *lines]} == {"RichTextBlock"}, (
        "a TextBlock reads Markdown"
    )
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open in the hub", "url": SAID.page}]
    assert "actions" not in shaped("teams", page="")["attachments"][0]["content"]


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("priority", ["urgent", "high", "medium", "low"])
def test_every_priority_has_its_word_in_every_shape(format: str, priority: str) -> None:
    assert priority in body(replace(SAID, priority=priority), format).lower()


@pytest.mark.parametrize(
    ("categories", "least", "wanted"),
    [
        (None, 4, True),
        (["assignment"], 2, True),
        (["assignment"], 1, False),
        (["reward"], 4, False),
        ([], 4, False),
    ],
)
def test_it_wants_the_categories_and_priorities_that_were_chosen(
    categories: list[str] | None, least: int, wanted: bool
) -> None:
    assert matches(categories, least, "assignment", 2) is wanted
