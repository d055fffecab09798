"""F2, A2: the editor of templates: what is seen before it is saved, what was, back to it, a test to oneself."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import DANA_MAIL

ADA_MAIL, ADA_PHONE = "ada@example.com", "+12025550144"
EVENT = "repair_in_progress"
PAGE = f"/templates/{EVENT}"


@pytest.fixture
def ada(shop):
    shop.hub.person("ada", "administrator", name="Ada Quist", email=ADA_MAIL, sms=ADA_PHONE)
    return shop.hub.browser("ada")


def saved(ada, **values):
    """Saved by the page, as it stands with these values."""
    page = ada.submit(ada.get(PAGE), PAGE, do="save", **values)
    assert "The next message has these words" in page.text, page.text
    return page


def typed(page):
    """What stands in the fields of the form."""
    return {name: value[0] for name, value in page.form(PAGE).fields.items()}


def frame_of(page):
    return re.search(r'<iframe[^>]+src="([^"]+)"', page.html)[1].replace("&amp;", "&")


@pytest.mark.proves("A2", "F2")
def test_what_is_saved_is_what_the_next_message_says(shop, ada):
    saved(ada, subject="Hooray, {{ item.vehicle }}!")
    shop.hub.repair("R-1", customer="dana", vehicle="2021 Subaru Outback").in_progress()
    shop.hub.mail(DANA_MAIL).says("Hooray, 2021 Subaru Outback!")
    row = shop.hub.build.one("SELECT * FROM template")
    assert (row.version, row.subject, row.title) == (1, "Hooray, {{ item.vehicle }}!", None)
    assert "Hooray" in ada.get(PAGE).html


@pytest.mark.proves("A2", "F2")
def test_every_channel_is_previewed_with_the_sample_and_nothing_is_saved(shop, ada):
    page = ada.submit(
        ada.get(PAGE),
        PAGE,
        do="preview",
        title="Inbox {{ item.number }}",
        subject="Subject {{ item.number }}",
        email_html="<p>Looks <b>{{ item.number }}</b></p>",
        email_text="Plain {{ item.number }}",
        sms="Short {{ item.number }}",
    )
    for said in ("Inbox R-1042", "Subject R-1042", "Plain R-1042", "Short R-1042", "1 part", "/ 160 GSM-7"):
        assert said in page.text, said
    assert page.text.count("Inbox R-1042") == 2, "in the inbox, and by Telegram and push"
    mail = ada.get(frame_of(page))
    assert "<p>Looks <b>R-1042</b></p>" in mail.html
    assert "sandbox" in mail.headers["Content-Security-Policy"]
    assert "default-src 'none'" in mail.headers["Content-Security-Policy"]
    assert not shop.hub.build.all("SELECT 1 FROM template")


@pytest.mark.proves("F2")
def test_a_script_gets_the_preview_alone(ada):
    ada.get(PAGE)
    page = ada.submit(ada.get(PAGE), PAGE, do="preview", sms="x" * 200)
    token = typed(page)["csrf_token"]
    part = ada.post(f"{PAGE}/preview", csrf_token=token, sms="я" * 80)
    assert part.status == 200
    assert "<html" not in part.html
    assert "1 part " in part.text and "UCS-2" in part.text and "would take 2 parts" in part.text


@pytest.mark.proves("A2", "F2")
@pytest.mark.parametrize(
    ("field", "source", "said"),
    [
        ("subject", "{{ item.prize }}", "Prize is missing"),
        ("text", "{{ colour }}", "colour is not known here"),
        ("sms", "{{ item.", "Line 1"),
        ("email_html", "{% for a in range(9) %}{% endfor %}", "calls are not allowed"),
        ("title", "{{ ''.__class__ }}", "__class__ is not allowed"),
        ("action_url", "javascript:alert(1)", "Use an https:// address"),
    ],
)
def test_what_cannot_be_used_is_said_beside_its_field_and_what_was_typed_is_kept(
    shop, ada, field, source, said
):
    page = ada.submit(ada.get(PAGE), PAGE, **{"do": "save", "text": "Kept words", field: source})
    assert page.status == 422
    error = re.search(rf'id="{field}-error">.*?</p>', page.html, re.DOTALL)
    assert error and said in error[0].replace("&#39;", "'"), page.text
    kept = typed(page)
    assert kept[field] == source
    assert field == "text" or kept["text"] == "Kept words"
    assert not shop.hub.build.all("SELECT 1 FROM template")


@pytest.mark.proves("F2")
def test_facts_and_built_in_words_are_on_the_page(ada):
    page = ada.get(PAGE)
    assert "{{ item.number }}" in page.text and "R-1042" in page.text
    assert "We are working on your {{ item.vehicle" in page.text, "the built-in title"


@pytest.mark.proves("A2", "F2")
def test_a_field_and_all_of_them_go_back_to_the_built_in(shop, ada):
    saved(ada, subject="Ours", sms="Ours too")
    page = ada.submit(ada.get(PAGE), PAGE, do="reset:subject")
    assert (typed(page)["subject"], typed(page)["sms"]) == ("", "Ours too")
    page = ada.submit(page, PAGE, do="reset:all")
    assert typed(page)["sms"] == ""
    ada.submit(page, PAGE, do="save")
    row = shop.hub.build.one("SELECT * FROM template")
    assert (row.subject, row.sms, row.version) == (None, None, 2)


@pytest.mark.proves("A2", "F2")
def test_each_save_is_a_version_with_its_author_and_two_are_compared_line_by_line(shop, ada):
    saved(ada, email_text="One\nTwo\nThree")
    saved(ada, email_text="One\n2\nThree", sms="Short")
    rows = shop.hub.build.all("SELECT * FROM template_version ORDER BY version")
    assert [row.email_text for row in rows] == ["One\nTwo\nThree", "One\n2\nThree"]
    assert {row.author_id for row in rows} == {shop.hub.people["ada"].id}
    page = ada.get(f"{PAGE}/versions")
    assert "Version 2" in page.text and "Ada Quist" in page.text and "SMS" in page.text
    assert "Taken out Two" in page.text and "Put in 2" in page.text and "One" in page.text
    assert "Put in Three" in ada.get(f"{PAGE}/versions?old=0&new=1").text, "beside the built-in one"
    assert "There is no such version" in ada.get(f"{PAGE}/versions?old=7&new=9").text


@pytest.mark.proves("F2")
def test_a_line_that_looks_like_a_head_of_a_comparison_is_shown_as_well(shop, ada):
    saved(ada, email_text="-- Ana\nHello")
    saved(ada, email_text="++ Ben\nHello")
    page = ada.get(f"{PAGE}/versions")
    assert "Taken out -- Ana" in page.text and "Put in ++ Ben" in page.text


@pytest.mark.proves("A2", "F2")
def test_going_back_is_a_new_version(shop, ada):
    saved(ada, subject="First")
    saved(ada, subject="Second", priority="high")
    page = ada.submit(ada.get(f"{PAGE}/versions"), f"{PAGE}/restore", version="1")
    assert "Version 1 counts again" in page.text
    row = shop.hub.build.one("SELECT * FROM template")
    assert (row.subject, row.priority, row.version) == ("First", None, 3)
    assert len(shop.hub.build.all("SELECT 1 FROM template_version")) == 3


@pytest.mark.proves("C7")
def test_the_record_names_the_parts_that_have_changed_and_no_others(shop, ada):
    saved(ada, subject="First", sms="Short")
    saved(ada, sms="Shorter")
    saved(ada, on=None)
    rows = shop.hub.build.all("SELECT after FROM audit WHERE what = 'template.saved' ORDER BY id")
    assert [row.after for row in rows] == [
        {"event": EVENT, "fields": ["sms", "subject"]},
        {"event": EVENT, "fields": ["sms"]},
        {"event": EVENT, "fields": [], "off": True},
    ]


@pytest.mark.proves("F2")
def test_what_somebody_else_has_saved_meanwhile_is_not_overwritten(shop, ada):
    old = ada.get(PAGE)
    saved(ada, subject="First")
    page = ada.submit(old, PAGE, do="save", subject="Late")
    assert page.status == 409
    assert "changed meanwhile" in page.text and typed(page)["subject"] == "Late"
    assert shop.hub.build.one("SELECT subject FROM template").subject == "First"


@pytest.mark.proves("A2")
def test_what_was_there_before_versions_were_kept_is_kept_when_it_is_saved_over(shop, ada):
    shop.hub.build.template(shop.hub.organisation, EVENT, subject="From before", version=4)
    saved(ada, subject="Now")
    rows = shop.hub.build.all("SELECT version, subject FROM template_version ORDER BY version")
    assert [tuple(row) for row in rows] == [(4, "From before"), (5, "Now")]


@pytest.mark.proves("A2", "F2")
def test_the_command_writes_versions_too(app, shop):
    with app.app_context():
        told = app.test_cli_runner().invoke(
            args=["template", shop.hub.organisation.slug, EVENT, "subject=By command"]
        )
    assert told.exit_code == 0, told.output
    row = shop.hub.build.one("SELECT * FROM template_version")
    assert (row.version, row.subject, row.who, row.author_id) == (1, "By command", "command", None)


@pytest.mark.proves("F2")
def test_a_message_is_switched_off_and_found_in_the_list(shop, ada):
    page = ada.get(PAGE)
    fields = {**typed(page), "do": "save"}
    del fields["on"]
    assert ada.post(PAGE, **fields).status == 303
    assert not shop.hub.build.one("SELECT active FROM template").active
    text = ada.get("/templates?state=off").text
    assert EVENT in text and "Switched off" in text and "repair_approved" not in text
    assert "Nothing fits" in ada.get("/templates?q=nothing+like+this").text


@pytest.mark.proves("F2")
def test_the_list_says_whose_words_each_message_has(shop, ada):
    saved(ada, subject="Ours")
    text = ada.get("/templates").text
    assert "Built in" in text and "Own words" in text
    assert "repair_approved" in text
    text = ada.get("/templates?q=under+way").text
    assert EVENT in text and "repair_approved" not in text


@pytest.mark.proves("A2", "F2")
def test_a_template_that_could_not_be_used_says_so_until_the_next_version(shop, ada):
    shop.hub.build.template(shop.hub.organisation, EVENT, subject="{{ item.prize }}")
    shop.hub.repair("R-1", customer="dana").in_progress()
    assert "could not be used" in ada.get(PAGE).text
    assert "Cannot be used" in ada.get("/templates?state=broken").text
    saved(ada, subject="Whole")
    assert "could not be used" not in ada.get(PAGE).text
    assert "Nothing fits" in ada.get("/templates?state=broken").text


@pytest.mark.proves("F2")
def test_the_draft_comes_to_oneself_by_email_and_sms_marked_as_a_test(shop, ada):
    page = ada.get(PAGE)
    fields = {
        **typed(page),
        "subject": "Draft {{ item.number }}",
        "sms": "Draft {{ item.number }}",
    }
    told = ada.post(f"{PAGE}/test", **{**fields, "channel": "email"})
    assert told.status == 200 and "on its way" in told.text
    assert typed(told)["subject"] == "Draft {{ item.number }}", "what was typed is kept"
    ada.post(f"{PAGE}/test", **{**fields, "channel": "sms"})
    shop.hub.world.settle()
    mail = shop.hub.mail(ADA_MAIL).says("Test: Draft R-1042", "made-up facts")
    assert mail.to == (ADA_MAIL,) or ADA_MAIL in mail.to
    assert shop.hub.sms(ADA_PHONE).says("Test: Draft R-1042")
    assert not shop.hub.build.all("SELECT 1 FROM template"), "nothing was saved"


@pytest.mark.proves("F2")
def test_a_draft_that_cannot_be_used_is_not_sent(shop, ada):
    fields = typed(ada.get(PAGE))
    told = ada.post(f"{PAGE}/test", **{**fields, "channel": "email", "subject": "{{ item.prize }}"})
    assert told.status == 422 and "It was not sent" in told.text
    assert not shop.hub.build.all("SELECT 1 FROM delivery")


@pytest.mark.proves("F2")
def test_tests_to_oneself_are_limited(ada):
    fields = typed(ada.get(PAGE))
    statuses = [ada.post(f"{PAGE}/test", **{**fields, "channel": "email"}).status for _ in range(7)]
    assert statuses == [200] * 6 + [429]


@pytest.mark.proves("A2")
def test_a_hostile_draft_is_previewed_without_harm(ada):
    page = ada.submit(
        ada.get(PAGE), PAGE, do="preview", sms="{{ 'a' * 10**9 }}", title="{{ " + "9" * 5000 + " }}"
    )
    assert page.status == 200
    assert "cannot be used as it is" in page.text


@pytest.mark.proves("C5")
def test_a_preview_and_a_template_are_nobody_elses(shop, ada):
    saved(ada, subject="Ours alone")
    page = ada.submit(ada.get(PAGE), PAGE, do="preview", email_html="<p>Secret</p>")
    shop.other.person("otto", "administrator", name="Otto Lind")
    otto = shop.other.browser("otto")
    assert otto.get(frame_of(page)).status == 404
    assert "Ours alone" not in otto.get(PAGE).html
    assert "Ours alone" not in otto.get(f"{PAGE}/versions").html
    assert shop.alice.get(frame_of(page)).status == 404


@pytest.mark.proves("F2")
def test_managers_look_and_change_nothing(shop, ada):
    saved(ada, subject="Ours")
    page = shop.alice.get(PAGE)
    assert "Ours" in page.html and 'value="save"' not in page.html.split('aria-hidden="true">Save')[-1]
    assert "Go back to it" not in shop.alice.get(f"{PAGE}/versions").text


@pytest.mark.proves("A2", "F2")
def test_a_template_of_the_offices_own_name_is_edited_too(shop, ada):
    shop.hub.build.template(
        shop.hub.organisation, "spring_sale", title="Sale", text="{{ offer }}", requires=["offer"]
    )
    path = "/templates/spring_sale"
    page = ada.get(path)
    assert "Sale" in page.text and "offer" in page.text
    ada.submit(page, path, do="save", text="Only now: {{ offer }} and {{ whatever.programs.give }}")
    row = shop.hub.build.one("SELECT * FROM template")
    assert (row.version, row.text) == (2, "Only now: {{ offer }} and {{ whatever.programs.give }}")
    assert ada.get("/templates/nothing_like_this").status == 404


def test_every_message_opens_in_the_editor(shop, ada):
    """Every built-in message has a preview without a problem."""
    from notify_app import domains

    for one in domains.events():
        page = ada.get(f"/templates/{one.name}")
        assert page.status == 200, one.name
        assert "cannot be used as it is" not in page.text, one.name
