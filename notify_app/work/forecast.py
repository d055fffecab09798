"""What would come of a message if it left now: who would be told by which channel, at what cost, and who by none.

Decided by the routing policy itself, person by person, and rendered by the same words; nothing is written. Of a very
large audience the first few thousand are looked at and the rest is estimated from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from notify_app.domains.base import Draft, Priority
from notify_app.pipeline import budget, links
from notify_app.pipeline.audience import Member
from notify_app.pipeline.step import hub
from notify_app.pipeline.wording import Wording
from notify_app.pipeline.world import World
from notify_app.policy import sms
from notify_app.policy.budget import Period
from notify_app.policy.reasons import sentence
from notify_app.policy.routing import Matter, Plan, plan

__all__ = ["NAMED", "PRIVATE", "Forecast", "Sample", "foresee", "mail"]

MOST = 2000  # people that are looked at one by one
NAMED = 20  # of those whom nothing reaches
NOBODY = UUID(int=0)
PRIVATE = f"/l/{'x' * 24}"  # as long as a private link is


@dataclass(frozen=True)
class Sample:
    """One channel's message as one of its recipients would see it: `body` holds subject, html and text."""

    person_id: UUID
    name: str
    address: str
    body: dict[str, str]


@dataclass
class Forecast:
    """`people` are all that are meant; the other numbers are estimates where `estimated`. `sms_cost` is in US dollars, and so
    is `sms_left`: what SMS that are not urgent may still cost now; None without a budget."""

    people: int
    priority: Priority
    title: str = ""
    text: str = ""
    on: bool = True
    estimated: bool = False
    by_channel: Counter[str] = field(default_factory=Counter)
    later: int = 0
    digested: int = 0
    inbox_only: int = 0
    sms_parts: int = 0
    sms_cost: Decimal = Decimal(0)
    sms_left: Decimal | None = None
    unreached: int = 0
    unreached_names: list[tuple[str, str]] = field(default_factory=list)
    samples: dict[str, Sample] = field(default_factory=dict)

    @property
    def over_budget(self) -> bool:
        """Whether its SMS cost more than is left."""
        return self.sms_left is not None and self.sms_cost > self.sms_left


def foresee(known: World, draft: Draft, people: Sequence[UUID], priority: Priority | None) -> Forecast:
    """Raises TemplateProblem (an Invalid) when the message cannot be written."""
    says = known.words.of(draft, priority, None, asked=True)
    looked_at = list(people)[:MOST]
    found = Forecast(len(people), says.priority, on=known.words.on)
    writer = _Writer(says, draft)
    for member in known.members(looked_at).values():
        if not found.title:
            found.title, found.text = says.inbox(member, writer.action(member))
        _count(known, found, writer, member)
    if len(people) > len(looked_at):
        _scale(found, len(people), len(looked_at))
    if found.sms_cost:
        found.sms_left = _left(known)
    return found


def _left(known: World) -> Decimal | None:
    purse = budget.standing(known.step).purse()
    if purse is None:
        return None
    return min(left for left in map(purse.left, Period) if left is not None)


def mail(known: World, draft: Draft, reader: UUID, priority: Priority | None) -> str:
    """The HTML of the email as this person would get it; '' where they are nobody here. Raises TemplateProblem."""
    member = known.member(reader)
    if member is None:
        return ""
    says = known.words.of(draft, priority, None, asked=True)
    return _Writer(says, draft).body("email", member)["html"]


def _count(known: World, found: Forecast, writer: _Writer, member: Member) -> None:
    says = writer.says
    matter = Matter(says.type.name, says.category, says.priority, says.type.channels, says.type.in_digests)
    decided = plan(
        matter, member.reaches, member.choice, signs_in=member.signs_in, zone=member.zone, now=known.step.now
    )
    for message in decided.messages:
        found.by_channel[message.channel] += 1
        if message.channel not in found.samples:
            body = writer.body(message.channel, member)
            found.samples[message.channel] = Sample(member.id, member.name, message.address, body)
        if message.channel == "sms":
            parts = sms.segments(writer.body("sms", member)["text"]).count
            found.sms_parts += parts
            found.sms_cost += parts * sms.prices(hub().sms_prices).of(message.address)
    found.later += any(message.not_before for message in decided.messages)
    if decided.unreached or not (decided.messages or member.signs_in):
        found.unreached += 1
        if len(found.unreached_names) < NAMED:
            found.unreached_names.append((member.name, _why(decided)))
    elif any(told.outcome == "digested" for told in decided.record):
        found.digested += 1
    elif not decided.messages:
        found.inbox_only += 1


def _why(decided: Plan) -> str:
    told = next((one for one in decided.record if one.outcome == "not_told" and one.channel), None)
    return sentence(told.reason, {**told.detail, "channel": told.channel}) if told else ""


def _scale(found: Forecast, people: int, looked_at: int) -> None:
    found.estimated = True
    for name in ("later", "digested", "inbox_only", "sms_parts", "unreached"):
        setattr(found, name, round(getattr(found, name) * people / looked_at))
    found.by_channel = Counter(
        {channel: round(count * people / looked_at) for channel, count in found.by_channel.items()}
    )
    found.sms_cost = (found.sms_cost * people / looked_at).quantize(Decimal("0.01"))


class _Writer:
    """Writes each body once for all who read it alike: in one zone and language, behind one sort of link."""

    def __init__(self, says: Wording, draft: Draft) -> None:
        self.says = says
        self._item = draft.item
        self._bodies: dict[tuple[str, ...], dict[str, str]] = {}

    def action(self, member: Member) -> str:
        """Where the message's button would lead; a private link is only as long as one."""
        own = self.says.action_url()
        if own or not (self.says.type.answers or self._item):
            return own
        if not member.signs_in:
            return PRIVATE
        if self.says.type.answers:
            return f"/inbox/{NOBODY}"
        assert self._item is not None, "asked above"
        return links.page(member.role, self._item.id, self._item.kind)

    def body(self, channel: str, member: Member) -> dict[str, str]:
        action = self.action(member)
        alike = (channel, member.zone, member.locale, action)
        if alike not in self._bodies:
            self._bodies[alike] = self.says.bodies(channel, member, action)
        return self._bodies[alike]
