"""The REST part of `/openapi.json`: its paths; what they ask and answer stands in `openapi_schemas`."""

from __future__ import annotations

from notify_app import domains
from notify_app.domains.base import ROLES, Verb, WorkKind
from notify_app.web.api.access import FOR_A_KEY, PATH
from notify_app.web.api.call import LONGEST_NAME, MOST, PAGE
from notify_app.web.api.happenings import MOST_NAMED
from notify_app.web.api.openapi_schemas import (
    ID,
    TEXT,
    Schema,
    acts,
    camel,
    creates,
    of_happening,
    or_null,
    ref,
    reported,
    schemas,
    strict,
)

__all__ = ["SECURITY", "paths", "schemas"]

SECURITY: Schema = {"key": {"type": "http", "scheme": "bearer", "description": "A key of this hub: hub_…"}}
REFUSALS = {
    "401": "No key, or one that is unknown, revoked or of somebody who has left.",
    "403": "This person may not do that.",
    "404": "There is no such thing, or it is not theirs to see.",
    "409": "The item's state does not allow it, it was changed meanwhile, or the Idempotency-Key had another call.",
    "412": "The item is not the version that If-Match names.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "422": "Parameters or fields that cannot be used, each named.",
    "429": f"More than {FOR_A_KEY} with one key; wait as long as Retry-After says.",
    "503": "The database is away; nothing was changed.",
}
LOOKS, CHANGES = ("401", "403", "404", "422", "429", "503"), tuple(REFUSALS)


# --- paths ---------------------------------------------------------------------------------------------------------


def paths() -> Schema:
    """Every path of the API."""
    kinds = [one.name for one in domains.kinds()]
    states = list(dict.fromkeys(name for one in domains.kinds() for name in one.statuses))
    verbs = list(dict.fromkeys([*(verb.verb for kind in domains.kinds() for verb in acts(kind)), "assign"]))
    listing = (
        _query("after", ID, "The `next` of the page before."),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": PAGE}),
    )
    item, line = ref("Item"), ref("Notification")
    marks = {
        "read": "Mark a line of one's own inbox as read.",
        "unread": "The way back.",
        "acknowledge": "Take notice of its event; the office does so for everybody.",
    }
    return {
        f"{PATH}/items": {
            "get": _operation(
                "listItems",
                "Work items, the newest first.",
                _page_of("ItemLine"),
                _query("kind", {"type": "string", "enum": kinds}),
                _query("state", {"type": "string", "enum": states}),
                _query("person", ID, "Items in which this person has a part."),
                *listing,
            ),
            "post": _operation(
                "createItem",
                "Make an item.",
                item,
                _IDEMPOTENCY,
                status="201",
                body={"oneOf": [_created(kind, verb) for kind, verb in creates()]},
            ),
        },
        f"{PATH}/items/{{id}}": {
            "get": _operation("getItem", "One item, with what can be done to it now.", item, _path("id"))
        },
        f"{PATH}/items/{{id}}/timeline": {
            "get": _operation(
                "getTimeline",
                "What has happened to an item, the newest first.",
                _list_of("Entry"),
                _path("id"),
            )
        },
        f"{PATH}/items/{{id}}/{{verb}}": {
            "post": _operation(
                "doVerb",
                "Do a verb to an item; its `verbs` say which, and what each asks for.",
                item,
                _path("id"),
                _path("verb", {"type": "string", "enum": verbs}),
                _IDEMPOTENCY,
                _header("If-Match", "The ETag of the item that was looked at."),
                body=ref("VerbCall"),
            )
        },
        f"{PATH}/notifications": {
            "get": _operation(
                "listNotifications",
                "The person's own inbox, the newest first.",
                _page_of("Notification"),
                _query("unread", {"type": "string", "enum": ["true", "false"]}),
                *listing,
            )
        },
        **{
            f"{PATH}/notifications/{{id}}/{mark}": {
                "post": _operation(f"{mark}Notification", said, line, _path("id"), _IDEMPOTENCY, changes=True)
            }
            for mark, said in marks.items()
        },
        f"{PATH}/events/{{id}}/why/{{person}}": {
            "get": _operation(
                "why",
                "Why a person was, or was not, told of an event.",
                ref("Why"),
                _path("id"),
                _path("person"),
            )
        },
        f"{PATH}/people": {
            "get": _operation(
                "listPeople",
                "Who there is, for the office's keys.",
                _page_of("Person"),
                _query("role", {"type": "string", "enum": list(ROLES)}),
                *listing,
            )
        },
        f"{PATH}/happenings/{{name}}": {
            "post": _operation(
                "reportHappening",
                "Report what happens without an item; those whom it is for are told at once.",
                ref("Reported"),
                _path("name", {"type": "string", "enum": [one.name for one in reported()]}),
                _IDEMPOTENCY,
                status="201",
                body=_report(),
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    schema: Schema,
    *parameters: Schema,
    status: str = "200",
    body: Schema | None = None,
    changes: bool = False,
) -> Schema:
    problem = {"application/problem+json": {"schema": ref("Problem")}}
    codes = CHANGES if body or changes else LOOKS
    said: Schema = {
        "operationId": name,
        "summary": summary,
        "security": [{"key": []}],
        "parameters": list(parameters),
        "responses": {
            status: {"description": summary, "content": {"application/json": {"schema": schema}}},
            **{code: {"description": REFUSALS[code], "content": problem} for code in codes},
        },
    }
    if body:
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return said


def _path(name: str, schema: Schema = ID) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(name: str, schema: Schema, text: str = "") -> Schema:
    return {"name": name, "in": "query", "schema": schema, **({"description": text} if text else {})}


def _header(name: str, text: str) -> Schema:
    return {"name": name, "in": "header", "schema": {**TEXT, "maxLength": LONGEST_NAME}, "description": text}


_IDEMPOTENCY = _header(
    "Idempotency-Key",
    "Yours for this change: the same call again gets the first one's answer and changes nothing.",
)


def _list_of(name: str) -> Schema:
    return strict(data={"type": "array", "items": ref(name)})


def _page_of(name: str) -> Schema:
    return strict(data={"type": "array", "items": ref(name)}, next=or_null(ID))


def _report() -> Schema:
    words = {
        "type": "array",
        "items": {**TEXT, "maxLength": 100},
        "maxItems": MOST_NAMED,
        "description": "Whom it is for: everyone, office, role:…, grade:…, person:<id>. Without it, those whom its event names.",
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "values": {"anyOf": [ref(of_happening(one)) for one in reported()]},
            "to": or_null(words),
        },
    }


def _created(kind: WorkKind, verb: Verb) -> Schema:
    return {
        "type": "object",
        "required": ["kind"],
        "additionalProperties": False,
        "properties": {
            "kind": {"const": kind.name},
            "values": ref(f"{camel(kind.name)}{camel(verb.verb)}"),
        },
    }
