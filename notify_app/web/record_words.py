"""A line of the record of changes in words: what was changed, about whom, by whom, when.

Sentences say what became of it and name nobody: who it is about and who did it stand beside them, and on one's own page
that is "you". What this release does not know is shown by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app.models import Who
from notify_app.policy.routing import DIGEST
from notify_app.web.ladder_view import scope_title
from notify_app.web.reader import Reader
from notify_app.web.words import category_title, channel_title, event_title, role_title
from notify_app.work.record import What

__all__ = ["kind_title", "line", "sentence"]

Values = Mapping[str, Any]
SIGNS = {
    "person": "user",
    "address": "mail",
    "preference": "settings",
    "office": "server",
    "key": "lock",
    "endpoint": "server",
    "template": "message",
    "rule": "rule",
    "absence": "calendar",
}


def line(row: Any, read: Reader, me: UUID | None = None) -> dict[str, Any]:
    """A row of `audit`, with the names `actor` and, where it is shown, `subject`: {id, text, sign, subject, url, by, when}.
    `me` is "you"."""
    subject = getattr(row, "subject", None)
    return {
        "id": str(row.id),
        "text": sentence(row),
        "sign": SIGNS.get(row.what.partition(".")[0], "rule"),
        "subject": subject or "",
        "url": url_for("people.person", id=row.subject_id) if subject else "",
        "by": _by(row, me),
        "when": read.when(row.at),
    }


def _by(row: Any, me: UUID | None) -> str:
    if row.who == Who.command:
        return _("by whoever runs the hub")
    if row.who == Who.link:
        return _("by whoever had the link")
    if row.who == Who.key:
        return _("by a program of %(name)s", name=row.actor)
    return _("by you") if row.actor_id == me else _("by %(name)s", name=row.actor)


def kind_title(kind: str) -> str:
    """What is changed, in the list of kinds."""
    titles = {
        "person": _("People"),
        "address": _("Addresses"),
        "deliveries": _("Messages sent again"),
        "preference": _("Preferences"),
        "office": _("Switches and settings"),
        "key": _("Keys of programs"),
        "endpoint": _("Endpoints"),
        "template": _("Templates"),
        "rule": _("Escalation rules"),
        "absence": _("Absences"),
    }
    return titles.get(kind, kind.capitalize())


# --- sentences -----------------------------------------------------------------------------------------------------


def sentence(row: Any) -> str:
    """What has become of it."""
    say = SENTENCES.get(row.what)
    if say is None:
        return str(row.what).replace(".", " ").replace("_", " ").capitalize()
    return say(row.before or {}, row.after or {})


def _added(_before: Values, after: Values) -> str:
    return _("Added as %(role)s.", role=role_title(after["role"]))


def _name(_before: Values, _after: Values) -> str:
    return _("Name changed.")


def _role(before: Values, after: Values) -> str:
    return _(
        "Role changed from %(old)s to %(new)s.", old=role_title(before["role"]), new=role_title(after["role"])
    )


def _grade(before: Values, after: Values) -> str:
    return _(
        "Grade changed from %(old)s to %(new)s.",
        old=before["grade"] or _("none"),
        new=after["grade"] or _("none"),
    )


def _zone(before: Values, after: Values) -> str:
    return _("Time zone changed from %(old)s to %(new)s.", old=_place(before), new=_place(after))


def _place(values: Values) -> str:
    return str(values["zone"]).replace("_", " ") if values.get("zone") else _("that of the organisation")


def _left(_before: Values, _after: Values) -> str:
    return _("Marked as left.")


def _back(_before: Values, _after: Values) -> str:
    return _("Brought back.")


def _invited(_before: Values, after: Values) -> str:
    return _("Invited to sign in: %(address)s.", address=after["address"])


def _uninvited(_before: Values, _after: Values) -> str:
    return _("The invitation was taken back.")


def _declined(_before: Values, _after: Values) -> str:
    return _("The invitation was declined.")


def _joined(_before: Values, _after: Values) -> str:
    return _("The invitation was accepted: signs in here from now on.")


def _parted(_before: Values, _after: Values) -> str:
    return _("The sign-in was taken away.")


def _address_added(_before: Values, after: Values) -> str:
    return _("Address added: %(address)s.", address=_address(after))


def _address_typed(_before: Values, after: Values) -> str:
    return _("Address to be verified: %(address)s.", address=_address(after))


def _address_verified(_before: Values, after: Values) -> str:
    return _("Address verified: %(address)s.", address=_address(after))


def _address_vouched(_before: Values, after: Values) -> str:
    return _("Address used without being verified, vouched for: %(address)s.", address=_address(after))


def _channel_order(_before: Values, after: Values) -> str:
    if not after.get("order"):
        return _("Channels in the hub's order.")
    return _(
        "Channels in the order %(order)s.", order=", ".join(channel_title(one) for one in after["order"])
    )


def _address_removed(before: Values, _after: Values) -> str:
    return _("Address taken away: %(address)s.", address=_address(before))


def _address_moved(before: Values, after: Values) -> str:
    if after["place"] < before["place"]:
        return _("Tried earlier now: %(address)s.", address=_address(after))
    return _("Tried later now: %(address)s.", address=_address(after))


def _address_released(before: Values, after: Values) -> str:
    return _(
        "Written to again: %(address)s. Why: %(reason)s", address=_address(before), reason=after["reason"]
    )


def _address_opted_out(_before: Values, after: Values) -> str:
    return _("Wants no messages at %(address)s.", address=_address(after))


def _address_opted_in(_before: Values, after: Values) -> str:
    return _("Wants messages at %(address)s again.", address=_address(after))


def _replayed(_before: Values, after: Values) -> str:
    return ngettext(
        "%(num)d message sent again. Why: %(reason)s",
        "%(num)d messages sent again. Why: %(reason)s",
        after["count"],
        reason=after["reason"],
    )


def _address(values: Values) -> str:
    return _("%(channel)s %(address)s", channel=channel_title(values["channel"]), address=values["address"])


def _choices(_before: Values, after: Values) -> str:
    said = [_choice(name, on) for name, on in sorted(after.items())]
    return _("Chosen: %(choices)s.", choices=", ".join(said))


def _choice(name: str, on: bool | None) -> str:
    scope, _slash, channel = name.rpartition("/")
    what, _colon, which = scope.partition(":")
    values = {
        "what": category_title(which) if what == "category" else event_title(which),
        "channel": channel_title(channel),
    }
    if channel == DIGEST:  # which is off for whoever has chosen nothing, the channels are on
        return (_("%(what)s in the digest") if on else _("%(what)s not in the digest")) % values
    if on is None:
        usual = (
            _("%(what)s by %(channel)s on")
            if what == "category"
            else _("%(what)s by %(channel)s as its kind")
        )
        return usual % values
    return (_("%(what)s by %(channel)s on") if on else _("%(what)s by %(channel)s off")) % values


def _quiet(before: Values, after: Values) -> str:
    said = []
    if {**before, "zone": ""} != {**after, "zone": ""}:
        said.append(_hours(after) if after.get("from") else _("Quiet hours switched off."))
    if before.get("zone") != after.get("zone"):
        said.append(_zone(before, after))
    return " ".join(said)


def _hours(values: Values) -> str:
    if len(values["days"]) == 7:
        return _("Quiet hours from %(start)s to %(end)s.", start=values["from"], end=values["until"])
    return _(
        "Quiet hours from %(start)s to %(end)s, on %(days)s.",
        start=values["from"],
        end=values["until"],
        days=", ".join(_day(one) for one in values["days"]),
    )


def _day(number: int) -> str:
    return (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))[number]


def _digest(_before: Values, after: Values) -> str:
    titles = {"hourly": _("hourly"), "daily": _("daily at %(at)s"), "weekly": _("weekly at %(at)s")}
    if not after:
        return _("Digest switched off.")
    how = str(titles.get(after["rhythm"]) or after["rhythm"]) % {"at": after["at"]}
    return _("Digest chosen: %(how)s.", how=how)


def _switches(before: Values, after: Values) -> str:
    said = []
    if "notifications_on" in after:
        said.append(
            _("Notifications switched on.") if after["notifications_on"] else _("Notifications switched off.")
        )
    if "escalations_on" in after:
        said.append(
            _("Escalations switched on.") if after["escalations_on"] else _("Escalations switched off.")
        )
    old, new = set(before.get("options") or ()), set(after.get("options") or ())
    said += [_("Switched on: %(what)s.", what=_option(one)) for one in sorted(new - old)]
    said += [_("Switched off: %(what)s.", what=_option(one)) for one in sorted(old - new)]
    return " ".join(said)


def _option(key: str) -> str:
    return key.replace("_", " ")


def _settings(_before: Values, after: Values) -> str:
    said = [f"{name.replace('_', ' ')}: {_setting(value)}" for name, value in sorted(after.items())]
    return _("Set: %(settings)s.", settings=", ".join(said))


def _budget(_before: Values, after: Values) -> str:
    if "month" in after and after["month"] is None:
        return _("Budget for SMS taken away.")
    said = []
    if "month" in after:
        said.append(_("$%(amount)s a month", amount=after["month"]))
    if "day" in after:
        said.append(_("$%(amount)s a day", amount=after["day"]) if after["day"] else _("no limit a day"))
    if "reserve" in after:
        said.append(_("%(share)s %% kept for what is urgent", share=after["reserve"]))
    return _("Budget for SMS set: %(budget)s.", budget=", ".join(said))


def _setting(value: Any) -> str:
    """A value as words; what has an inside (working hours) only has changed."""
    if isinstance(value, Mapping):
        return _("changed")
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or _("none")
    return str(value) if value or value == 0 else _("none")


def _key_made(_before: Values, after: Values) -> str:
    return _("Key of a program made: “%(name)s”.", name=after["name"])


def _key_revoked(before: Values, _after: Values) -> str:
    return _("Key of a program revoked: “%(name)s”.", name=before["name"])


def _endpoint_added(_before: Values, after: Values) -> str:
    return _("Endpoint added: “%(name)s”, %(host)s.", name=after["name"], host=after["host"])


def _endpoint_changed(before: Values, after: Values) -> str:
    said = [_("Endpoint “%(name)s” changed.", name=before["name"])]
    if after["name"] != before["name"]:
        said.append(_("Its name is “%(name)s” now.", name=after["name"]))
    if "host" in after:
        said.append(_("It is at %(host)s now.", host=after["host"]))
    return " ".join(said)


def _endpoint_paused(_before: Values, after: Values) -> str:
    return _("Endpoint “%(name)s” paused.", name=after["name"])


def _endpoint_resumed(_before: Values, after: Values) -> str:
    return _("Endpoint “%(name)s” switched on again.", name=after["name"])


def _endpoint_secret(_before: Values, after: Values) -> str:
    return _("Endpoint “%(name)s” has another secret.", name=after["name"])


def _endpoint_removed(before: Values, _after: Values) -> str:
    return _("Endpoint removed: “%(name)s”, %(host)s.", name=before["name"], host=before["host"])


def _template(_before: Values, after: Values) -> str:
    said = [_("Template of “%(event)s” saved.", event=event_title(after["event"]))]
    if after["fields"]:
        said.append(_("Parts: %(parts)s.", parts=", ".join(after["fields"]).replace("_", " ")))
    if "off" in after:
        said.append(_("Switched off.") if after["off"] else _("Switched on."))
    return " ".join(said)


def _rule_saved(_before: Values, after: Values) -> str:
    return _("Escalation rule saved: %(rule)s.", rule=_rule(after))


def _rule_paused(_before: Values, after: Values) -> str:
    return _("Escalation rule paused: %(rule)s.", rule=_rule(after))


def _rule_counts(_before: Values, after: Values) -> str:
    return _("Escalation rule counts again: %(rule)s.", rule=_rule(after))


def _rule_removed(_before: Values, after: Values) -> str:
    return _("Escalation rule removed: %(rule)s.", rule=_rule(after))


def _rule(values: Values) -> str:
    return scope_title((values.get("kind"), values.get("sort"), values.get("step")))


def _absence_added(_before: Values, after: Values) -> str:
    return _("Absence written down: %(time)s.", time=_time(after))


def _absence_removed(before: Values, _after: Values) -> str:
    return _("Absence taken back: %(time)s.", time=_time(before))


def _time(values: Values) -> str:
    return _(
        "%(starts)s to %(ends)s",
        starts=values["starts"][:16].replace("T", " "),
        ends=values["ends"][:16].replace("T", " "),
    )


SENTENCES: Mapping[str, Callable[[Values, Values], str]] = {
    What.person_added: _added,
    What.person_name: _name,
    What.person_role: _role,
    What.person_grade: _grade,
    What.person_zone: _zone,
    What.person_left: _left,
    What.person_back: _back,
    What.person_invited: _invited,
    What.person_uninvited: _uninvited,
    What.person_declined: _declined,
    What.person_joined: _joined,
    What.person_parted: _parted,
    What.address_added: _address_added,
    What.address_typed: _address_typed,
    What.address_verified: _address_verified,
    What.address_vouched: _address_vouched,
    What.address_removed: _address_removed,
    What.address_moved: _address_moved,
    What.address_released: _address_released,
    What.address_opted_out: _address_opted_out,
    What.address_opted_in: _address_opted_in,
    What.replayed: _replayed,
    What.choices: _choices,
    What.quiet_hours: _quiet,
    What.digest: _digest,
    What.channel_order: _channel_order,
    What.switches: _switches,
    What.settings: _settings,
    What.budget: _budget,
    What.key_made: _key_made,
    What.key_revoked: _key_revoked,
    What.endpoint_added: _endpoint_added,
    What.endpoint_changed: _endpoint_changed,
    What.endpoint_paused: _endpoint_paused,
    What.endpoint_resumed: _endpoint_resumed,
    What.endpoint_secret: _endpoint_secret,
    What.endpoint_removed: _endpoint_removed,
    What.template: _template,
    What.rule_saved: _rule_saved,
    What.rule_paused: _rule_paused,
    What.rule_counts: _rule_counts,
    What.rule_removed: _rule_removed,
    What.absence_added: _absence_added,
    What.absence_removed: _absence_removed,
}
