"""People as routing and packs see them, and as sources name them.

`members` reads many in one statement. `resolve` brings a person to what a source says of them, in the memory of the
step (`pipeline.world`); what it changed is written with everything else of the step. An address that cannot be used
is kept as it came: the delivery to it fails and says so (A9), which is seen, while a refused webhook would lose the
repair itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from notify_app.domains.base import PersonRef
from notify_app.domains.inputs import PersonIn
from notify_app.ids import new_id
from notify_app.pipeline.step import Step
from notify_app.policy.quiet import QuietHours
from notify_app.policy.routing import NOT_VERIFIED, Choice, Reach

if TYPE_CHECKING:
    from notify_app.pipeline.world import World

__all__ = ["Member", "find", "members", "read", "read_named", "resolve"]


@dataclass(frozen=True)
class Member:
    """A person as routing sees them. `zone` and `locale` are the organisation's where they have none of their own."""

    id: UUID
    name: str
    role: str
    grade: str
    zone: str
    locale: str
    signs_in: bool
    left: bool
    reaches: tuple[Reach, ...]
    choice: Choice
    # where they are away now: until when, and who stands in for them
    away_until: datetime | None = None
    substitute_id: UUID | None = None
    # which of the addresses a source gave: (channel, address)
    from_source: frozenset[tuple[str, str]] = frozenset()

    @property
    def ref(self) -> PersonRef:
        """As packs see them; the phone is the first one that is verified, whether it may be written to or not."""
        theirs = (one for one in self.reaches if one.channel == "sms" and one.blocked != NOT_VERIFIED)
        phone = next((one.address for one in theirs), "")
        return PersonRef(self.id, self.name, self.role, phone, self.grade)


# preferences are made on first need: no row means the defaults (A7)
READ = """
    SELECT p.id, p.source_id, p.external_id, p.name, p.role, p.grade, coalesce(p.zone, o.zone) AS zone,
           coalesce(p.locale, o.locale) AS locale, p.account_id IS NOT NULL AS signs_in, p.left_at IS NOT NULL AS gone,
           f.quiet_from, f.quiet_until, f.quiet_days, f.digest_due_at, f.channel_order, b.substitute_id, b.ends_at AS away_until,
           (SELECT json_agg(json_build_array(a.channel, a.value, s.reason, a.from_source) ORDER BY a.position, a.id)
              FROM address a LEFT JOIN suppression s
                ON s.organisation_id = a.organisation_id AND s.channel = a.channel AND s.value = a.value
             WHERE a.organisation_id = p.organisation_id AND a.person_id = p.id) AS reaches,
           (SELECT json_agg(json_build_array(u.channel, u.value) ORDER BY u.id) FROM unverified_address u
             WHERE u.organisation_id = p.organisation_id AND u.person_id = p.id AND NOT EXISTS (
                SELECT FROM address a WHERE a.organisation_id = u.organisation_id AND a.person_id = u.person_id
                   AND a.channel = u.channel AND a.value = u.value)) AS unverified,
           (SELECT json_agg(json_build_array(c.scope, c.channel, c.enabled))
              FROM preference_choice c
             WHERE c.organisation_id = p.organisation_id AND c.person_id = p.id) AS switches
    FROM person p
    JOIN organisation o ON o.id = p.organisation_id
    LEFT JOIN preference f ON f.organisation_id = p.organisation_id AND f.person_id = p.id
    LEFT JOIN LATERAL (
        SELECT substitute_id, ends_at FROM absence WHERE organisation_id = p.organisation_id AND person_id = p.id
        AND ends_at > (SELECT hub_now()) AND starts_at <= (SELECT hub_now()) ORDER BY starts_at DESC, id DESC LIMIT 1
    ) b ON true
    WHERE p.organisation_id = :org
"""
BY_ID = f"{READ} AND p.id = ANY(:ids)"
BY_NAME = (
    f"{READ} AND (p.source_id, p.external_id) IN "
    "(SELECT * FROM unnest(CAST(:sources AS uuid[]), CAST(:externals AS text[])))"
)


def members(step: Step, ids: Iterable[UUID]) -> dict[UUID, Member]:
    """Those of `ids` that are people of this organisation, by id."""
    return {row.id: member_of(row) for row in read(step, ids)}


def read(step: Step, ids: Iterable[UUID]) -> list[Any]:
    """Rows for `member_of`, of those of `ids` that are people here."""
    wanted = list(dict.fromkeys(ids))
    return step.all(BY_ID, ids=wanted) if wanted else []


def read_named(step: Step, names: Iterable[tuple[UUID, str]]) -> list[Any]:
    """The same for people by (source, external id)."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return []
    return step.all(BY_NAME, sources=[one for one, _ in wanted], externals=[one for _, one in wanted])


def member_of(r: Any) -> Member:
    """The person of a row."""
    quiet = (
        QuietHours(r.quiet_from, r.quiet_until, frozenset(r.quiet_days)) if r.quiet_from is not None else None
    )
    return Member(
        id=r.id,
        name=r.name,
        role=r.role,
        grade=r.grade or "",
        zone=r.zone,
        locale=r.locale,
        signs_in=r.signs_in,
        left=r.gone,
        reaches=(
            *(Reach(channel, value, blocked) for channel, value, blocked, _ in r.reaches or ()),
            *(Reach(channel, value, NOT_VERIFIED) for channel, value in r.unverified or ()),
        ),
        choice=Choice(
            {(scope, channel): on for scope, channel, on in r.switches or ()},
            quiet,
            r.digest_due_at,
            tuple(r.channel_order or ()),
        ),
        away_until=r.away_until,
        substitute_id=r.substitute_id,
        from_source=frozenset((channel, value) for channel, value, _, given in r.reaches or () if given),
    )


def resolve(world: World, source_id: UUID, given: PersonIn, role: str) -> PersonRef:
    """The person that the source means; made on first sight with `role`, brought up to date after."""
    known = world.named(source_id, given.id)
    if known is None:
        office = world.words
        member = Member(
            id=new_id(),
            name=given.name or given.id,
            role=role,
            grade="",
            zone=given.zone or office.zone,
            locale=given.locale or office.locale,
            signs_in=False,
            left=False,
            reaches=(),
            choice=Choice(),
        )
    else:
        member = replace(
            known,
            name=given.name or known.name,
            zone=given.zone or known.zone,
            locale=given.locale or known.locale,
        )
    moved = {
        channel: value
        for channel, value in (("email", given.email), ("sms", given.phone))
        if value and not _is_first(member, channel, value)
    }
    for channel, value in moved.items():
        member = _moved(world, member, channel, value)
    if member != known:
        world.keep_person(member, known, source_id, given, moved)
    return member.ref


def _is_first(member: Member, channel: str, value: str) -> bool:
    first = next((one.address for one in member.reaches if one.channel == channel), None)
    return first == value and (channel, value) in member.from_source


def _moved(world: World, member: Member, channel: str, value: str) -> Member:
    """The source's address becomes the first of its channel and replaces the one that it gave before; what the
    person added stays."""
    mine = {(channel, value)}
    before = {one for one in member.from_source if one[0] == channel} - mine
    others = tuple(one for one in member.reaches if (one.channel, one.address) not in before | mine)
    return replace(
        member,
        reaches=(Reach(channel, value, world.blocked(channel, value)), *others),
        from_source=(member.from_source - before) | mine,
    )


def find(
    world: World, source_id: UUID | None, external_id: str | None, person_id: UUID | None
) -> PersonRef | None:
    """A known person, by the source's id or the hub's own; None if there is none here or they have left."""
    member = (
        world.named(source_id, external_id)
        if source_id and external_id
        else world.member(person_id)
        if person_id
        else None
    )
    return member.ref if member and not member.left else None
