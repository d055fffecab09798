"""Hostile webhooks (S3): whatever is sent, the answer is a 4xx that says what is wrong, never a 5xx, and no accepted
message can stop those behind it."""

from __future__ import annotations

import gzip
import http.client
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notify_app.pipeline import signature
from notify_app.pipeline.strict_json import MAX_BYTES, MAX_DEPTH

pytestmark = pytest.mark.proves("F1", "S3")

NOW = "2026-11-22T14:05:00Z"


def envelope(data: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "type": "repair.upsert",
        "timestamp": NOW,
        "data": {"id": "R-1"} if data is None else data,
        **more,
    }


def body(data: Any = None, **more: Any) -> bytes:
    return json.dumps(envelope(data, **more)).encode()


def refused(response: Any, status: int, field: str | None = None) -> dict[str, Any]:
    """It is this refusal, as problem+json, and it names the field."""
    said = response.get_data(as_text=True)
    assert response.status_code == status, said
    assert response.content_type == "application/problem+json"
    problem: dict[str, Any] = response.get_json()
    assert problem["status"] == status
    assert problem["title"].endswith("."), "a sentence"
    if field is not None:
        assert field in [one["field"] for one in problem["errors"]], said
        assert all(one["message"] for one in problem["errors"])
    return problem


def nothing_kept(hub: Any) -> bool:
    return hub.build.one("SELECT count(*) AS n FROM inbound").n == 0


# --- sizes ---------------------------------------------------------------------------------------------------------


def test_a_body_of_exactly_the_limit_is_accepted(hub):
    small = body()
    assert hub.send(small + b" " * (MAX_BYTES - len(small))).status_code == 202


def test_one_byte_more_is_too_large(hub):
    small = body()
    refused(hub.send(small + b" " * (MAX_BYTES - len(small) + 1)), 413)
    assert nothing_kept(hub)


def test_a_length_that_promises_too_much_is_refused_unread(hub):
    client = hub.world.app.test_client(use_cookies=False)
    headers = {"Content-Type": "application/json", **signed(hub, body())}
    refused(
        client.post(
            f"/hooks/{hub.source.slug}",
            data=body(),
            headers=headers,
            environ_overrides={"CONTENT_LENGTH": str(10**9)},
        ),
        413,
    )


@pytest.mark.xdist_group("live")
def test_a_chunked_body_without_an_end_is_cut_off(hub, live):
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    connection.putrequest("POST", f"/hooks/{hub.source.slug}")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    try:
        for _ in range(2 * MAX_BYTES // 8192):
            connection.send(b"2000\r\n" + b" " * 8192 + b"\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass  # the answer came before the body's end
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize("sent", [b"", b" ", b"\n\n"])
def test_an_empty_body_is_no_json(hub, sent):
    refused(hub.send(sent), 422, "body")


def test_too_many_recipients_and_items_are_refused_by_name(hub):
    many = [{"id": str(n)} for n in range(1001)]
    sent = hub.post("notification.send", {"template": "general", "recipients": many}, at=None)
    refused(sent, 422, "data.recipients")
    batch = {"batch_id": "B", "decision": "approved", "items": many[:501]}
    refused(hub.post("repair.batch", batch), 422, "data.items")


# --- depths --------------------------------------------------------------------------------------------------------


def nested(levels: int, opening: str, closing: str) -> bytes:
    return b'{"type":"repair.upsert","timestamp":"%s","data":%s}' % (
        NOW.encode(),
        (opening * levels + "1" + closing * levels).encode(),
    )


@pytest.mark.parametrize("levels", [MAX_DEPTH, 1_100, 40_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_too_deep_is_refused_and_never_recursed_into(hub, levels, opening, closing):
    problem = refused(hub.send(nested(levels, opening, closing)), 422, "body")
    assert str(MAX_DEPTH) in problem["errors"][0]["message"]


@pytest.mark.parametrize("sent", [b"[" * 100_000, b'{"a":' * 50_000, b"]" * 1000, b'{"a":[}'])
def test_depth_that_never_closes_is_refused(hub, sent):
    refused(hub.send(sent), 422, "body")


def test_brackets_inside_text_are_text(hub):
    text = '[{[{[{"' * 20
    assert hub.send(body({"id": "R-1", "vehicle": text})).status_code == 202
    assert hub.build.one("SELECT data ->> 'vehicle' AS v FROM work_item").v == text


# --- encodings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_other_encodings_are_refused(hub, encoding):
    refused(hub.send(json.dumps(envelope()).encode(encoding)), 422, "body")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe",
        b'{"type":"\xe9"}',
        b'{"type":"\xc0\xaf"}',
        b'{"type":"\xed\xa0\x80"}',
        b'{"type":"a\nb"}',
        b"\x00",
        b'{"type":"a\x00b"}',
    ],
)
def test_broken_utf8_and_raw_control_characters_are_refused(hub, raw):
    refused(hub.send(raw), 422, "body")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("a\\u0000b", "data.vehicle"),
        ("\\ud800", "data.vehicle"),
        ("\\udc00\\ud800", "data.vehicle"),
        ("a\\u0007b", "data.vehicle"),
        ("two\\nlines", "data.vehicle"),
        ("", "data.vehicle"),
        ("   ", "data.vehicle"),
        ("x" * 201, "data.vehicle"),
    ],
)
def test_text_that_nobody_could_store_or_show_is_named(hub, value, field):
    raw = b'{"type":"repair.upsert","timestamp":"%s","data":{"id":"R-1","vehicle":"%s"}}' % (
        NOW.encode(),
        value.encode(),
    )
    refused(hub.send(raw), 422, field)
    assert nothing_kept(hub)


def test_a_paired_surrogate_is_a_character(hub):
    raw = (
        b'{"type":"repair.upsert","timestamp":"%s","data":{"id":"R-1","vehicle":"\\ud83d\\ude97"}}'
        % NOW.encode()
    )
    assert hub.send(raw).status_code == 202
    assert hub.build.one("SELECT data ->> 'vehicle' AS v FROM work_item").v == "\N{AUTOMOBILE}"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
        "application/json+x",
        "json",
    ],
)
def test_what_does_not_say_it_is_json_is_not_read(hub, kind):
    refused(hub.send(body(), headers={"Content-Type": kind}), 415)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity"])
def test_compressed_bodies_are_not_unpacked(hub, coding):
    refused(hub.send(gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": coding}), 415)


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-7", "APPLICATION/JSON", "application/json;x=y"]
)
def test_a_parameter_of_the_content_type_changes_nothing(hub, kind):
    assert hub.send(body(), headers={"Content-Type": kind}).status_code == 202


# --- numbers and shapes --------------------------------------------------------------------------------------------


def with_price(number: str) -> bytes:
    return b'{"type":"repair.upsert","timestamp":"%s","data":{"id":"R-1","price":%s}}' % (
        NOW.encode(),
        number.encode(),
    )


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 41, "1." + "1" * 50, "1" * 5000]
)
def test_numbers_that_are_none_are_refused(hub, number):
    refused(hub.send(with_price(number)), 422, "body")


@pytest.mark.parametrize(
    "number", ["-1", "-0.01", "0.001", "1e30", "12345678901234567890", "true", '"a lot"', "[]", "{}", '"NaN"']
)
def test_prices_that_are_none_are_named(hub, number):
    refused(hub.send(with_price(number)), 422, "data.price")


@pytest.mark.parametrize("number", ["0", "-0", "149.5", "149.50", "1e2", "9999999999.99"])
def test_ordinary_prices_pass(hub, number):
    assert hub.send(with_price(number)).status_code == 202


@pytest.mark.parametrize(
    "sent", [b"[]", b'"text"', b"1", b"null", b"true", b"{", b"{}}", b"{,}", b"{'a':1}", b"// no\n{}"]
)
def test_anything_but_one_object_is_refused(hub, sent):
    refused(hub.send(sent), 422, "body")


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "type"),
        ({"type": "repair.upsert", "data": {"id": "R-1"}}, "timestamp"),
        ({"type": "repair.upsert", "timestamp": NOW}, "data"),
        (envelope(extra=1), "extra"),
        (envelope(type="repair.explode"), "type"),
        (envelope(type="__class__"), "type"),
        (envelope(type=5), "type"),
        (envelope(type=""), "type"),
        (envelope(type="x" * 101), "type"),
        (envelope([]), "data"),
        (envelope("R-1"), "data"),
        (envelope(None) | {"data": None}, "data"),
        (envelope({}), "data.id"),
        (envelope({"id": None}), "data.id"),
        (envelope({"id": 5}), "data.id"),
        (envelope({"id": ""}), "data.id"),
        (envelope({"id": " "}), "data.id"),
        (envelope({"id": "x" * 101}), "data.id"),
        (envelope({"id": ["R-1"]}), "data.id"),
        (envelope({"id": "R-1", "status": "exploded"}), "data.status"),
        (envelope({"id": "R-1", "status": 7}), "data.status"),
        (envelope({"id": "R-1", "organisation_id": "x"}), "data.organisation_id"),
        (envelope({"id": "R-1", "customer": "dana"}), "data.customer"),
        (envelope({"id": "R-1", "customer": {}}), "data.customer.id"),
        (envelope({"id": "R-1", "customer": {"id": "d", "role": "administrator"}}), "data.customer.role"),
        (envelope({"id": "R-1", "customer": {"id": "d", "zone": "Mars/Olympus"}}), "data.customer.zone"),
        (envelope({"id": "R-1", "customer": {"id": "d", "locale": "../../etc"}}), "data.customer.locale"),
        (
            envelope({"id": "R-1", "customer": {"id": "d", "email": "a@b.c\nBcc: x@y.z"}}),
            "data.customer.email",
        ),
        (envelope({"id": "R-1", "customer": {"id": "d", "phone": "1" * 33}}), "data.customer.phone"),
        (envelope({"id": "R-1", "scheduled_at": "tomorrow"}), "data.scheduled_at"),
        (envelope({"id": "R-1", "scheduled_at": "2026-11-22T14:05:00"}), "data.scheduled_at"),
        (envelope({"id": "R-1", "scheduled_at": 1763820300}), "data.scheduled_at"),
    ],
)
def test_what_is_missing_misspelt_or_of_the_wrong_kind_is_named(hub, sent, field):
    refused(hub.send(json.dumps(sent).encode()), 422, field)
    assert nothing_kept(hub)


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "//evil.example",
        "/\\evil.example",
        "http://plain.example",
        "https://a@b.example/",
        "data:x",
        "ht\ttps://x",
    ],
)
def test_links_that_lead_elsewhere_are_refused(hub, link):
    data = {"template": "general", "recipients": [{"id": "dana"}], "action_url": link}
    refused(hub.post("notification.send", data), 422, "data.action_url")


# --- duplicates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (b'{"type":"repair.upsert","type":"repair.batch","timestamp":"x","data":{}}', "type"),
        (b'{"type":"repair.upsert","timestamp":"x","data":{"id":"R-1","id":"R-2"}}', "id"),
        (b'{"type":"repair.upsert","timestamp":"x","data":{"customer":{"id":"a","\\u0069d":"b"}}}', "id"),
    ],
)
def test_a_name_that_stands_twice_is_named(hub, sent, name):
    refused(hub.send(sent), 422, name)


def test_fifty_copies_of_one_message_are_one(hub):
    sent = body()
    answers = [hub.send(sent, id="msg_same", settle=False) for _ in range(50)]
    assert [one.status_code for one in answers] == [202] + [200] * 49
    assert len({one.get_json()["id"] for one in answers}) == 1
    hub.settle()
    assert hub.build.one("SELECT count(*) AS n FROM work_item").n == 1


def test_the_same_id_with_another_body_is_a_conflict_and_the_first_body_stays(hub):
    hub.send(body({"id": "R-1", "vehicle": "first"}), id="msg_same")
    refused(hub.send(body({"id": "R-1", "vehicle": "second"}), id="msg_same"), 409)
    assert hub.build.one("SELECT data ->> 'vehicle' AS v FROM work_item").v == "first"


# --- signatures ----------------------------------------------------------------------------------------------------


def signed(hub: Any, sent: bytes, *, id: str = "msg_1", at: datetime | None = None) -> dict[str, str]:
    return signature.sign(hub.source.secret, id, at or datetime.now(UTC), sent)


def changed(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


@pytest.mark.parametrize(
    "make",
    [
        lambda good: "",
        lambda good: "v1,",
        lambda good: "v1",
        lambda good: ",",
        lambda good: "v1," + "A" * 44,
        lambda good: changed(good, 3),
        lambda good: changed(good, len(good) - 3),  # of the last letter before = two bits count nothing
        lambda good: good[:-1],
        lambda good: good.upper(),
        lambda good: good.replace("v1,", "v1a,"),
        lambda good: good.replace("v1,", "v2,"),
        lambda good: good.replace("v1,", ""),
        lambda good: "v1,\u00e9\u00e9\u00e9",
        lambda good: "v1,!!!!",
        lambda good: " ".join(["v1," + "A" * 43 + "="] * 50),
        lambda good: "v1," + "A" * 4000,
    ],
)
def test_a_wrong_signature_is_refused_in_the_same_words(hub, make):
    sent = body()
    headers = signed(hub, sent)
    problem = refused(
        hub.send(sent, headers={**headers, "webhook-signature": make(headers["webhook-signature"])}), 401
    )
    assert problem["type"].endswith("#bad-signature")
    assert nothing_kept(hub)


def test_one_good_signature_among_fifty_is_enough(hub):
    sent = body()
    headers = signed(hub, sent)
    many = " ".join(["v1," + "A" * 43 + "="] * 49 + [headers["webhook-signature"]])
    assert hub.send(sent, headers={**headers, "webhook-signature": many}).status_code == 202


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_a_refusal(hub, name):
    refused(hub.send(body(), headers={name: None}), 401)


def test_a_changed_body_id_or_time_breaks_the_signature(hub):
    sent = body()
    headers = signed(hub, sent)
    refused(hub.send(sent + b" ", headers=headers), 401)
    refused(hub.send(sent, headers={**headers, "webhook-id": "msg_2"}), 401)
    later = str(int(headers["webhook-timestamp"]) + 1)
    refused(hub.send(sent, headers={**headers, "webhook-timestamp": later}), 401)


def test_another_sources_secret_opens_nothing(hub):
    other = hub.another("lakeside")
    refused(hub.send(body(), secret=other.source.secret), 401)
    refused(hub.send(body(), slug=other.source.slug), 401)


@pytest.mark.parametrize(
    "slug", ["nobody", "x" * 100, "NULL", "a%00b", "..%2f..%2fetc", "%f0%9f%9a%97", "' OR 1=1 --"]
)
def test_an_unknown_source_is_answered_like_a_wrong_signature(hub, slug):
    answer = hub.send(body(), slug=slug)
    assert answer.status_code in (401, 404, 422), answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"


def test_an_unknown_source_cannot_be_told_from_a_wrong_secret(hub):
    other = hub.another("lakeside")
    unknown = hub.send(body(), slug="nobody")
    wrong = hub.send(body(), secret=other.source.secret)
    assert (unknown.status_code, unknown.get_json()) == (wrong.status_code, wrong.get_json())


def test_while_a_secret_is_replaced_both_are_good_and_then_only_the_new_one(hub):
    old = hub.source
    new = hub.build.roll_secret(old, hours=24)
    assert hub.send(body(), secret=new.secret).status_code == 202
    assert hub.send(body(), secret=old.secret).status_code == 202
    hub.jump(timedelta(hours=25))
    assert hub.send(body(), secret=new.secret).status_code == 202
    refused(hub.send(body(), secret=old.secret), 401)


def test_a_source_that_was_switched_off_is_nobody(hub):
    hub.build.run("UPDATE source SET active = false WHERE id = :id", id=hub.source.id)
    refused(hub.send(body()), 401)


# --- times ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "status"), [(-310, 401), (-290, 202), (290, 202), (310, 401), (-(10**8), 401)]
)
def test_five_minutes_either_way_are_allowed(hub, seconds, status):
    sent = body()
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    assert hub.send(sent, headers=signed(hub, sent, at=at)).status_code == status


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "now",
        "-1",
        "0",
        "1e9",
        "1.5",
        "9" * 18,
        "9" * 400,
        "\u0663",
        "0x10",
        "NaN",
        "inf",
        "1 2",
        "2026-11-22T14:05:00Z",
    ],
)
def test_times_that_are_none_are_refused(hub, stamp):
    sent = body()
    refused(hub.send(sent, headers={**signed(hub, sent), "webhook-timestamp": stamp}), 401)


@pytest.mark.parametrize("length", [201, 4000])
def test_a_message_id_that_is_too_long_is_named(hub, length):
    refused(hub.send(body(), id="m" * length), 422, "webhook-id")


@pytest.mark.parametrize("id", ["msg.with.dots", "m" * 200, "0"])
def test_ordinary_message_ids_pass(hub, id):
    assert hub.send(body(), id=id).status_code == 202


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-11-22",
        "2026-11-22T14:05:00",
        "2026-13-01T00:00:00Z",
        "22.11.2026",
        "",
        "now",
        1763820300,
        None,
        True,
    ]
    + ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "99999-01-01T00:00:00Z"],
)
def test_a_time_in_the_body_that_cannot_be_kept_is_named(hub, stamp):
    refused(hub.send(body(timestamp=stamp)), 422, "timestamp")
    refused(
        hub.send(body({"id": "R-1", "scheduled_at": stamp if stamp is not None else ""})),
        422,
        "data.scheduled_at",
    )


def test_a_message_from_the_far_future_does_not_make_the_next_ones_stale(hub):
    hub.post("repair.upsert", {"id": "R-1", "vehicle": "first"}, at=hub.now() + timedelta(days=30_000))
    hub.jump(timedelta(minutes=6))
    second = hub.post("repair.upsert", {"id": "R-1", "vehicle": "second"})
    assert hub.inbound(second).state == "applied"


# --- what is accepted can be handled ---------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
PEOPLE = st.fixed_dictionaries(
    {"id": st.text(max_size=20)},
    optional={
        "name": st.text(max_size=30),
        "email": st.text(max_size=30),
        "phone": st.text(max_size=20),
        "zone": JSON,
    },
)
REPAIR = st.fixed_dictionaries(
    {"id": st.text(max_size=20)},
    optional={
        "number": st.text(max_size=30),
        "status": st.sampled_from(["pending", "APPROVED", "denied", "completed"]) | JSON,
        "vehicle": st.text(max_size=60),
        "price": st.decimals(allow_nan=True).map(str) | st.floats() | st.integers(),
        "scheduled_at": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | st.text(max_size=20),
        "customer": PEOPLE | JSON,
        "technician": PEOPLE | JSON,
        "reason": st.text(max_size=60),
        "batch_id": JSON,
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=REPAIR | JSON)
def test_any_data_is_accepted_or_refused_and_never_breaks_the_hub(hub, data):
    answer = hub.send(json.dumps({"type": "repair.upsert", "timestamp": NOW, "data": data}).encode())
    assert answer.status_code in (202, 422), answer.get_data(as_text=True)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=REPAIR)
def test_what_is_accepted_is_settled_and_the_next_message_too(hub, data):
    answer = hub.send(
        json.dumps({"type": "repair.upsert", "timestamp": NOW, "data": data}, default=str).encode()
    )
    good = hub.send(body({"id": "R-good"}))
    assert hub.inbound(good).state == "applied"
    if answer.status_code == 202:
        row = hub.inbound(answer)
        assert row.state in ("applied", "refused", "stale"), row.error
    hub.forget()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_only_post_is_taken(hub, method):
    client = hub.world.app.test_client(use_cookies=False)
    answer = client.open(
        f"/hooks/{hub.source.slug}", method=method, data=body(), content_type="application/json"
    )
    assert answer.status_code == (200 if method == "OPTIONS" else 405)
