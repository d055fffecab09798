"""Hostile batches (S3): whatever is sent, the whole is a 4xx only when nothing in it can be told apart; a bad event is
refused by its place and its field, and its neighbours are kept."""

from __future__ import annotations

import gzip
import http.client
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notify_app.pipeline.batch import MAX_BYTES, MAX_EVENTS
from notify_app.pipeline.strict_json import MAX_DEPTH, MAX_DEPTH_OF_PARTS
from tests.gather import eventually
from tests.web.test_hooks_hostile import JSON, NOW, REPAIR, changed, nothing_kept, refused, signed

pytestmark = pytest.mark.proves("F1", "S3")


def event(id: Any = "e1", data: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "type": "repair.upsert",
        "timestamp": NOW,
        "data": {"id": "R-1"} if data is None else data,
        **more,
    }


def whole(*events: Any) -> bytes:
    return json.dumps({"events": events}).encode()


def send(hub: Any, body: bytes, **more: Any) -> Any:
    return hub.send(body, path="/batch", **more)


def among_good_ones(hub: Any, raw: bytes) -> dict[str, Any]:
    """What is said of this event, given as JSON text, between two that are good and must be kept."""
    first, last = (json.dumps(event(id_, {"id": id_})).encode() for id_ in ("good-1", "good-2"))
    answer = send(hub, b'{"events":[%s,%s,%s]}' % (first, raw, last))
    assert answer.status_code in (202, 207), answer.get_data(as_text=True)
    results = answer.get_json()["results"]
    assert [results[at]["status"] for at in (0, 2)] == [202, 202]
    kept = {row.external_id for row in hub.build.all("SELECT external_id FROM inbound")}
    assert kept >= {"good-1", "good-2"}
    hub.forget()
    found: dict[str, Any] = results[1]
    return found


def is_refused(result: dict[str, Any], field: str, status: int = 422) -> None:
    assert result["status"] == status, result
    assert result["problem"]["status"] == status
    assert field in [one["field"] for one in result["problem"]["errors"]], result
    assert all(one["message"] for one in result["problem"]["errors"])


# --- the whole ---------------------------------------------------------------------------------------------------------


def test_a_body_of_exactly_the_limit_is_accepted_and_one_byte_more_is_not(hub):
    small = whole(event())
    assert send(hub, small + b" " * (MAX_BYTES - len(small))).status_code == 202
    refused(send(hub, small + b" " * (MAX_BYTES - len(small) + 1)), 413)


def test_a_length_that_promises_too_much_is_refused_unread(hub):
    client = hub.world.app.test_client(use_cookies=False)
    answer = client.post(
        f"/hooks/{hub.source.slug}/batch",
        data=whole(event()),
        headers={"Content-Type": "application/json", **signed(hub, whole(event()))},
        environ_overrides={"CONTENT_LENGTH": str(10**9)},
    )
    refused(answer, 413)


@pytest.mark.xdist_group("live")
@pytest.mark.parametrize("parts", [MAX_BYTES // 8192 + 2, 2 * MAX_BYTES // 8192])
def test_a_chunked_body_without_an_end_is_cut_off(hub, live, parts):
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    connection.putrequest("POST", f"/hooks/{hub.source.slug}/batch")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    try:
        for _ in range(parts):
            connection.send(b"2000\r\n" + b" " * 8192 + b"\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass  # the answer came before the body's end
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.xdist_group("live")
def test_a_chunked_batch_is_read_like_any_other(hub, live):
    body = whole(event())
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    headers = {"Content-Type": "application/json", **hub.signed(body, "msg_1")}
    connection.request("POST", f"/hooks/{hub.source.slug}/batch", iter([body]), headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, len(json.loads(answer.read())["results"])) == (202, 1)
    connection.close()
    eventually(hub.world.queued)  # workers are woken when the answer has left
    hub.settle()


@pytest.mark.parametrize(
    "sent",
    [b"", b" ", b"[]", b"null", b"1", b'"events"', b"{", b'{"events":[}', b'{"events":[{]}', b"[" * 100_000]
    + [b'{"events":' * 50_000, b"\xff\xfe", whole(event()).decode().encode("utf-16")],
)
def test_what_is_no_json_object_is_refused_whole(hub, sent):
    refused(send(hub, sent), 422, "body")
    assert nothing_kept(hub)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "events"),
        ({"events": None}, "events"),
        ({"events": {}}, "events"),
        ({"events": "e"}, "events"),
        ({"events": []}, "events"),
        ({"events": [event(f"e{n}") for n in range(MAX_EVENTS + 1)]}, "events"),
        ({"events": [event()], "more": 1}, "more"),
        (event(), "events"),
    ],
)
def test_what_is_no_list_of_events_is_refused_whole(hub, sent, field):
    refused(send(hub, json.dumps(sent).encode()), 422, field)
    assert nothing_kept(hub)


def test_a_list_that_stands_twice_is_refused_whole(hub):
    one = json.dumps([event()])
    refused(send(hub, f'{{"events":{one},"events":{one}}}'.encode()), 422, "events")
    assert nothing_kept(hub)


def test_thousands_of_unknown_names_are_answered_with_a_few(hub):
    sent = {"events": [event()], **{f"name{n}": n for n in range(5_000)}}
    problem = refused(send(hub, json.dumps(sent).encode()), 422, "name0")
    assert len(problem["errors"]) <= MAX_EVENTS


def test_nesting_beyond_reason_is_refused_whole_and_never_recursed_into(hub):
    deep = b"[" * MAX_DEPTH_OF_PARTS + b"]" * MAX_DEPTH_OF_PARTS
    refused(send(hub, b'{"events":[' + deep + b"]}"), 422, "body")
    assert nothing_kept(hub)


@pytest.mark.parametrize("kind", ["text/plain", "", "multipart/form-data"])
def test_what_does_not_say_it_is_json_is_not_read(hub, kind):
    refused(send(hub, whole(event()), headers={"Content-Type": kind}), 415)


def test_a_compressed_batch_is_not_unpacked(hub):
    bomb = gzip.compress(b" " * 10_000_000)
    refused(send(hub, bomb, headers={"Content-Encoding": "gzip"}), 415)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_a_refusal(hub, name):
    refused(send(hub, whole(event()), headers={name: None}), 401)


def test_a_changed_event_breaks_the_signature_of_all(hub):
    sent = whole(event("e1"), event("e2"))
    headers = signed(hub, sent)
    refused(send(hub, sent.replace(b"e2", b"e3"), headers=headers), 401)
    good = headers["webhook-signature"]
    refused(send(hub, sent, headers={**headers, "webhook-signature": changed(good, 5)}), 401)
    assert nothing_kept(hub)


def test_the_signature_of_a_batch_opens_nothing_else(hub):
    sent = whole(event())
    refused(hub.send(sent, headers=signed(hub, sent)), 422, "type")
    assert nothing_kept(hub)


def test_an_id_of_the_request_may_be_as_long_as_its_sender_likes(hub):
    assert send(hub, whole(event()), id="m" * 500).status_code == 202


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_only_post_is_taken(hub, method):
    client = hub.world.app.test_client(use_cookies=False)
    assert client.open(f"/hooks/{hub.source.slug}/batch", method=method).status_code == 405


# --- one bad event among good ones -------------------------------------------------------------------------------------


def with_data(data: str) -> str:
    return f'{{"id":"e1","data":{data}}}'


def nested(levels: int) -> str:
    return with_data("[" * levels + "1" + "]" * levels)


def message(n: str) -> bytes:
    """An event that may say anything in its context; here a number."""
    data = f'{{"template":"general","recipients":[{{"id":"nobody"}}],"context":{{"n":{n}}}}}'
    return f'{{"id":"e1","type":"notification.send","timestamp":"{NOW}","data":{data}}}'.encode()


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ("null", "events[1]"),
        ("[]", "events[1]"),
        ('"text"', "events[1]"),
        ("{}", "events[1].id"),
        (json.dumps(event(None)), "events[1].id"),
        (json.dumps(event(5)), "events[1].id"),
        (json.dumps(event("")), "events[1].id"),
        (json.dumps(event(["e1"])), "events[1].id"),
        (json.dumps(event("x" * 201)), "events[1].id"),
        (json.dumps(event("two\nlines")), "events[1].id"),
        ('{"id":"e1"}', "events[1].type"),
        (json.dumps(event(type="repair.explode")), "events[1].type"),
        (json.dumps(event(type=["a"])), "events[1].type"),
        (json.dumps(event(extra=1)), "events[1].extra"),
        (json.dumps(event(timestamp="now")), "events[1].timestamp"),
        (json.dumps(event(data={})), "events[1].data.id"),
        (json.dumps(event(data=[])), "events[1].data"),
        (json.dumps(event(data={"id": "R-1", "price": "-1"})), "events[1].data.price"),
        (json.dumps(event(data={"id": "R-1", "customer": {}})), "events[1].data.customer.id"),
        (json.dumps(event(data={"id": "R-1", "vehicle": "a\0b"})), "events[1].data.vehicle"),
        (json.dumps(event(data={"id": "R-1", "vehicle": "\ud800"})), "events[1].data.vehicle"),
        (json.dumps(event("a\0b")), "events[1].id"),
        ('{"id":"e1","\\u0000":1}', "events[1]"),
        ('{"id":"e1","data":{"price":NaN}}', "events[1].data.price"),
        ('{"id":"e1","data":[1,-Infinity]}', "events[1].data[1]"),
        ('{"id":"e1","data":{"price":1e999}}', "events[1].data.price"),
        (with_data(f'{{"price":{"1" * 5000}}}'), "events[1].data.price"),
        ('{"id":"e1","id":"e2"}', "events[1].id"),
        ('{"id":"e1","data":{"a":1,"\\u0061":2}}', "events[1].data.a"),
        ('{"id":"e1","data":{"b":{"a":1,"a":2}}}', "events[1].data.b.a"),
        (nested(MAX_DEPTH), "events[1].data" + "[0]" * (MAX_DEPTH - 1)),
        (
            nested(MAX_DEPTH_OF_PARTS - 3),
            "events[1].data" + "[0]" * (MAX_DEPTH - 1),
        ),
    ],
)
def test_a_bad_event_is_refused_by_its_place_and_its_neighbours_are_kept(hub, raw, field):
    is_refused(among_good_ones(hub, raw.encode()), field)
    assert hub.build.one("SELECT count(*) AS n FROM inbound").n == 2


@pytest.mark.parametrize("number", ["0", "-0", "149.5", "1e2", "9999999999.99", "1e-99999", "0.0000001e7"])
def test_ordinary_numbers_pass_however_they_are_written(hub, number):
    assert among_good_ones(hub, message(number))["status"] == 202


def test_a_number_that_would_fill_the_database_is_stored_as_what_it_is_worth(hub):
    many = ",".join(["1e-5000"] * 1000)
    assert among_good_ones(hub, message(f"[{many}]"))["status"] == 202
    assert hub.build.one("SELECT max(length(CAST(body AS text))) AS n FROM inbound").n < 10_000


def test_an_id_of_letters_from_everywhere_is_kept_as_it_is(hub):
    id_ = "поручение-7 \N{AUTOMOBILE}'; --"
    assert among_good_ones(hub, json.dumps(event(id_)).encode())["event"] == id_
    assert hub.build.one("SELECT count(*) AS n FROM inbound WHERE external_id = :id", id=id_).n == 1


def test_a_hundred_bad_events_are_refused_one_by_one(hub):
    answer = send(hub, whole(*(event(f"e{n}", {"id": ""}) for n in range(MAX_EVENTS))))
    assert answer.status_code == 207
    for at, result in enumerate(answer.get_json()["results"]):
        is_refused(result, f"events[{at}].data.id")
    assert nothing_kept(hub)


# --- anything ----------------------------------------------------------------------------------------------------------

EVENT = st.fixed_dictionaries(
    {"id": st.text(max_size=20) | JSON, "type": st.just("repair.upsert"), "timestamp": st.just(NOW)},
    optional={"data": REPAIR | JSON},
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENT | JSON, max_size=6))
def test_any_events_are_accepted_or_refused_and_never_break_the_hub(hub, events):
    answer = send(hub, json.dumps({"events": events}, default=str).encode())
    assert answer.status_code in (200, 202, 207, 422), answer.get_data(as_text=True)
    if answer.status_code != 422:
        results = answer.get_json()["results"]
        assert len(results) == len(events)
        assert {one["status"] for one in results} <= {200, 202, 409, 422}
    good = send(hub, whole(event("good", {"id": "R-good"})))
    assert good.status_code in (200, 202)
    hub.forget()
