"""Rendering: built-in files, an office's own templates, fallback, branding, links (A1, A2, A3, A9)."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from notify_app.pipeline.render import FIELDS, Rendered, names_reader, render, safe_link, source_of
from notify_app.pipeline.sandbox import SandboxedRenderer, TemplateFailed
from notify_app.policy import sms
from notify_app.policy.formats import Money
from tests.hostile import BOMBS, ESCAPES

LINK = "https://hub.example.com/l/abc"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxedRenderer]:
    running = SandboxedRenderer(children=1)
    yield running
    running.close()


def context(**changes: Any) -> dict[str, Any]:
    return {
        "item": {
            "number": "R-7",
            "title": "Outback: chip",
            "vehicle": "Subaru Outback",
            "damage": "chip",
            "location": "5 Elm Street",
            "status": "pending",
            "price": Money(Decimal("150"), "USD"),
            "scheduled_at": datetime(2024, 2, 15, 19, 5, tzinfo=UTC),
            "version": 1,
        },
        "customer": {"name": "Ana Lopez", "phone": ""},
        "technician": None,
        "event": {"name": "repair_pending_approval", "title": "Repair needs approval", "priority": "high"},
        "person": {"name": "Ana Lopez", "first_name": "Ana", "role": "contact"},
        "organisation": {"name": "Clear View"},
        "branding": {},
        "link": LINK,
    } | changes


def written(
    fields: dict[str, str | None], sandbox: SandboxedRenderer | None = None, **options: Any
) -> Rendered:
    about = options.pop("about", context())
    options = {"event": "repair_pending_approval", "zone": "America/New_York"} | options
    return render(fields, about, domain="repairs", sandbox=sandbox, **options)


def own(sandbox: SandboxedRenderer, name: str, source: str, **options: Any) -> str:
    rendered = written({name: source}, sandbox, **options)
    assert rendered.failures == ()
    return rendered.values[name]


def test_an_own_field_replaces_the_built_in_one_and_the_others_stay(sandbox: SandboxedRenderer) -> None:
    rendered = written({"title": "Hi {{ person.first_name }}", "text": None}, sandbox)
    assert rendered.values["title"] == "Hi Ana"
    assert "R-7" in rendered.values["text"]


def test_each_channel_says_it_in_its_own_form(sandbox: SandboxedRenderer) -> None:
    source = (
        "{{ item.price }} | {{ item.scheduled_at }} | {{ item.scheduled_at|date }} | {{ item.price|long }}"
    )
    rendered = written({"sms": source, "subject": source}, sandbox)
    assert rendered.values["subject"] == "$150.00 | 14:05 on February 15, 2024 | February 15, 2024 | $150.00"
    assert rendered.values["sms"] == "$150 | Feb 15 14:05 | Feb 15 | $150.00"


def test_a_missing_variable_is_named_and_the_built_in_text_stands_in(sandbox: SandboxedRenderer) -> None:
    rendered = written({"sms": "Dear {{ item.colour }}", "title": "Fine"}, sandbox)
    assert [(one.field, one.reason) for one in rendered.failures] == [("sms", "colour is missing")]
    assert rendered.values["sms"].startswith("Clear View: OK to repair")
    assert rendered.values["title"] == "Fine"


@pytest.mark.parametrize(
    "source", ["{{ ", "{% if %}", "{{ item.number", "{% for x in item %}", "   ", "{{ 1/0 }}"]
)
def test_a_broken_own_template_falls_back(sandbox: SandboxedRenderer, source: str) -> None:
    rendered = written({"title": source}, sandbox)
    assert len(rendered.failures) == 1
    assert rendered.values["title"] == "May we repair your Subaru Outback?"


def test_a_missing_value_in_the_built_in_text_is_an_error_that_names_it() -> None:
    about = context()
    del about["item"]["number"]
    with pytest.raises(TemplateFailed, match="text: number is missing"):
        written({"text": None}, about=about)


def test_what_is_urgent_says_what_is_known() -> None:
    about = {"person": None, "event": {"priority": "urgent"}, "reason": "Too dear"}
    rendered = written(dict.fromkeys(FIELDS), about=about, event="repair_denied", lenient=True)
    assert "Too dear." in rendered.values["sms"]
    assert "Too dear." in rendered.values["email_html"]
    assert all(rendered.values.values())


def test_an_event_without_files_says_so() -> None:
    for name in FIELDS:
        with pytest.raises(TemplateFailed, match=r"there is no file repairs/nothing/"):
            written({name: None}, event="nothing")


def test_values_are_escaped_in_html_and_nowhere_else(sandbox: SandboxedRenderer) -> None:
    evil = "<script>alert(1)</script>&\"'"
    about = context()
    about["item"]["vehicle"] = evil
    about["person"]["name"] = about["person"]["first_name"] = evil
    values = written(dict.fromkeys(FIELDS), about=about).values
    assert "<script" not in values["email_html"]
    assert "&lt;script&gt;" in values["email_html"]
    assert evil in values["title"]
    assert evil in values["email_text"]
    html = own(sandbox, "email_html", "<p>{{ item.vehicle }}</p>", about=about)
    assert "<script" not in html


def test_an_own_html_body_stands_in_the_organisations_layout(sandbox: SandboxedRenderer) -> None:
    branding = {"company_name": "Glass & Co", "colour": "#112233", "footer": "5 Elm Street", "logo_url": ""}
    html = own(
        sandbox, "email_html", "<p>Dear <b>{{ person.name }}</b></p>", about=context(branding=branding)
    )
    assert "<p>Dear <b>Ana Lopez</b></p>" in html
    assert "Glass &amp; Co" in html
    assert "#112233" in html
    assert "5 Elm Street" in html


def test_a_whole_own_document_stands_alone(sandbox: SandboxedRenderer) -> None:
    source = "<!doctype html><html><body>{{ item.number }}</body></html>"
    assert own(sandbox, "email_html", source) == "<!doctype html><html><body>R-7</body></html>"


def test_the_heading_of_an_email_is_the_offices_own_title(sandbox: SandboxedRenderer) -> None:
    html = written({"email_html": None, "title": "Ours: {{ item.number }}"}, sandbox).values["email_html"]
    assert "Ours: R-7</h1>" in html


def test_branding_enters_every_email() -> None:
    branding = {
        "company_name": "Clear View",
        "colour": "#ffee00",
        "logo_url": "https://cdn.example.com/logo.png",
    }
    html = written({"email_html": None}, about=context(branding=branding)).values["email_html"]
    assert 'src="https://cdn.example.com/logo.png"' in html
    assert "background:#ffee00" in html
    assert "color:#111111" in html  # dark ink on a light colour


@pytest.mark.parametrize(
    "colour",
    ["red;} body{display:none", "url(https://evil.example)", "#12345", "expression(1)", "</style><p>"],
)
def test_a_colour_that_is_none_cannot_enter_the_style(colour: str) -> None:
    html = written({"email_html": None}, about=context(branding={"colour": colour})).values["email_html"]
    assert colour not in html
    assert "#1d4e89" in html


def test_an_email_has_one_button_a_preview_line_and_dark_colours() -> None:
    values = written({"email_html": None, "email_text": None}).values
    html = values["email_html"]
    assert len(re.findall(rf'<a href="{LINK}"', html)) == 1
    assert "Repair R-7 (chip) comes to $150.00." in html
    assert 'name="color-scheme" content="light dark"' in html
    assert 'lang="en"' in html
    assert LINK in values["email_text"]


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/\\evil.example",
        "https://user@evil.example/",
        "https://hub.example.com/\r\nBcc: x",
        'https://hub.example.com/"onclick=',
        "https://",
        "http://[",
        "/relative",
        "",
        None,
    ],
)
def test_a_link_that_is_not_plain_is_left_out(link: str | None) -> None:
    assert safe_link(link) == ""
    values = written({"email_html": None, "sms": None}, about=context(link=link)).values
    assert "<a href" not in values["email_html"]
    assert "http" not in values["sms"]


def test_a_long_sms_is_cut_and_keeps_its_link(sandbox: SandboxedRenderer) -> None:
    text = own(sandbox, "sms", "{{ link }} – “what” " + "a very long story " * 20)
    assert sms.segments(text) == sms.Segments("GSM-7", 1, len(text))
    assert text.endswith(f"... {LINK}")
    two = own(sandbox, "sms", "a very long story " * 20, sms_segments=2)
    assert sms.segments(two).count == 2


def test_lines_and_lengths_are_tidied(sandbox: SandboxedRenderer) -> None:
    assert own(sandbox, "subject", "One\r\nBcc: x@y.example\n two") == "One Bcc: x@y.example two"
    title = own(sandbox, "title", "word " * 100)
    assert len(title) <= 200
    assert title.endswith("word...")
    assert own(sandbox, "email_text", "a  \n\n\n\nb").startswith("a\n\nb\n\n--\nClear View\n")


def test_the_editor_can_begin_with_the_built_in_source() -> None:
    assert "{{ item.number }}" in source_of("repairs", "repair_pending_approval", "subject")


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("{{ title }}", False),
        ("{{ title }} for {{ organisation.name }} at {{ branding.company_name }}", False),
        ("Hello {{ person.first_name }}", True),
        ("{% if person.role == 'contact' %}Hello{% endif %}", True),
        ("{% for person in known %}{{ person.name }}{% endfor %}", True),  # a name of its own is taken for it
        ("{{ broken", True),
        ("{% include 'a/file' %}", True),
    ],
)
def test_whether_a_template_names_its_reader(source, named):
    assert names_reader({"title": source}, domain="hub", event="announcement") is named


@pytest.mark.proves("S5")
@pytest.mark.parametrize("source", [*ESCAPES, *BOMBS], ids=lambda source: source[:40])
def test_to_ask_that_computes_nothing_of_an_offices_template(source):
    """It is asked in a worker, outside the child that can be killed."""
    tracemalloc.start()
    try:
        names_reader({"title": source}, domain="hub", event="announcement")
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_built_in_words_that_name_their_reader_are_found_in_what_they_include():
    assert not names_reader({"title": None, "text": None}, domain="hub", event="announcement")
    assert names_reader({"email_text": None}, domain="hub", event="general")
    assert not names_reader({"email_text": None}, domain="hub", event="announcement")
