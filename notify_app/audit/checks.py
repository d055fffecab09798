"""What can be wrong, and the words for it: what it is, what it means, what to do. One line here and one statement in
`sql.CHECKS` are a check.

Everything an office reads of a finding comes from here. Words name no organisation and nobody; what concerns the whole
installation is said to every office alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from notify_app.policy.channel import spoken

__all__ = ["CHECKS", "COUNT_UP_TO", "Check", "check", "meaning", "said", "sweep_title"]

COUNT_UP_TO = 10_000  # beyond it nobody reads the number, and counting costs


@dataclass(frozen=True)
class Check:
    """`one` and `many` say what was found (`{n}`, of `{total}`, about `{subject}`); `each`: findings about different
    subjects are different matters, else they are one with their number."""

    name: str
    one: str
    many: str
    means: str
    todo: str
    each: bool = False


WORKERS = (
    "See that the workers run, and read their logs. What waits is in the database, and goes on by itself."
)
SWEEPS = (
    "See that the scheduler and a worker of the queue “sweep” run; until then, run “flask {command}” by hand."
)
BUG = "This is a mistake in the program. Send its log to whoever looks after the hub; nothing needs to be done again."
CHECKS = (
    Check(
        "inbound_stuck",
        "An incoming message waits for more than a minute",
        "{n} incoming messages wait for more than a minute",
        "What your systems have reported is kept, but has not been taken in, so nobody hears of it yet.",
        f"If one could not be applied, those about the same work wait behind it: Work shows which. {WORKERS}",
    ),
    Check(
        "delivery_late",
        "A message should have left more than a minute ago",
        "{n} messages should have left more than a minute ago",
        "Emails and SMS leave late. Inboxes and open pages have them already.",
        f"Nothing of their priority has left for a minute, or they are pressing and five minutes late. {WORKERS}",
    ),
    Check(
        "held_late",
        "A message that was held should have been let go more than a minute ago",
        "{n} messages that were held should have been let go more than a minute ago",
        "What waited for the end of quiet hours, of a burst or of a limit leaves late.",
        SWEEPS.format(command="collect"),
    ),
    Check(
        "lease_expired",
        "A message is held by a worker that went away",
        "{n} messages are held by workers that went away",
        "Whether they have left is not known, and nobody has taken them over.",
        SWEEPS.format(command="rescue"),
    ),
    Check(
        "reminder_late",
        "A reminder is more than a minute late",
        "{n} reminders are more than a minute late",
        "What was planned for now (reminders of bookings, permits that expire) has not happened.",
        SWEEPS.format(command="remind"),
    ),
    Check(
        "ladder_late",
        "A step that waits too long has not been escalated for more than a minute",
        "{n} steps that wait too long have not been escalated for more than a minute",
        "Whoever should hear that something is overdue does not hear of it yet.",
        SWEEPS.format(command="check-escalations"),
    ),
    Check(
        "ladder_failed",
        "The next level of a step could not be told",
        "The next levels of {n} steps could not be told",
        "Something went wrong with these alone; each is tried again every five minutes.",
        BUG,
    ),
    Check(
        "digest_late",
        "A digest is more than a minute late",
        "{n} digests are more than a minute late",
        "Whoever wants their messages in one email has not got it yet.",
        SWEEPS.format(command="digest"),
    ),
    Check(
        "written_late",
        "A message that was written for a time has not left",
        "{n} messages that were written for a time have not left",
        "Somebody has written it for now, and nobody has it yet.",
        SWEEPS.format(command="scheduled"),
    ),
    Check(
        "broadcast_stalled",
        "An announcement does not go on",
        "{n} announcements do not go on",
        "Some of its people have it, the others have not. Nobody gets it twice when it goes on.",
        WORKERS,
    ),
    Check(
        "channel_failing",
        "{n} of {total} messages by {subject} failed within 15 minutes",
        "{n} of {total} messages by {subject} failed within 15 minutes",
        "The provider refuses them or cannot be reached. What may pass is tried again; the rest goes another way.",
        "Open one of the failed messages and read what the provider says.",
        each=True,
    ),
    Check(
        "provider_down",
        "A provider of {subject} is left alone, because it does not work",
        "{n} providers of {subject} are left alone, because they do not work",
        "What is to leave by it takes another account where there is one, else it waits; what is urgent goes by another channel too.",
        "Whoever runs the hub should see to the provider's account (key, password, limits) and read the workers' logs. It is tried again by itself.",
        each=True,
    ),
    Check(
        "provider_slowed",
        "A provider of {subject} wants to be asked less often",
        "{n} providers of {subject} want to be asked less often",
        "The rate of its account was halved for all workers, and a tenth of it comes back each minute. What is urgent goes first; the rest takes longer.",
        "If it happens often, set a lower rate for the account, or ask the provider for a higher one.",
        each=True,
    ),
    Check(
        "mail_reputation",
        "{n} of {total} emails of this week came back or were reported as spam",
        "{n} of {total} emails of this week came back or were reported as spam",
        "Amazon looks into an account of which more than 5 % come back or 0.1 % are reported, and soon takes no mail of it.",
        "Announce nothing by email for now, and see which addresses are blocked, and where your systems have them from.",
    ),
    Check(
        "counter_wrong",
        "An inbox counts less than it holds",
        "{n} inboxes count less than they hold",
        "Their open pages may miss a line until they are loaded again.",
        BUG,
    ),
    Check(
        "decision_missing",
        "An inbox has lines without the reason why",
        "{n} inboxes have lines without the reason why",
        "“Why did I get this?” has no answer for them.",
        BUG,
    ),
    Check(
        "worker_missing",
        "Nobody works on the queue “{subject}”",
        "Nobody works on the queue “{subject}”",
        "What this queue is for stands still.",
        "Whoever runs the hub should start the workers again. What waits is kept, and goes on by itself.",
        each=True,
    ),
    Check(
        "scheduler_away",
        "The scheduler does not run",
        "The scheduler does not run",
        "Reminders, escalations and messages for a time are late. What arrives is still told.",
        "Whoever runs the hub should start the scheduler again; until then, the sweeps can be run by hand.",
    ),
    Check(
        "sweep_late",
        "“{subject}” has not run for too long",
        "“{subject}” has not run for too long",
        "What it does is not done. What is due stays due, and is done late.",
        "Whoever runs the hub should see that the scheduler and a worker of the queue “sweep” run, and read its log.",
        each=True,
    ),
    Check(
        "schedule_missing",
        "The scheduler has lost “{subject}”",
        "The scheduler has lost “{subject}”",
        "It will not be woken until it is put back, which workers do within seconds.",
        "Whoever runs the hub can run “flask schedule”, and should see that a worker of the queue “sweep” runs.",
        each=True,
    ),
    Check(
        "redis_away",
        "Redis does not answer",
        "Redis does not answer",
        "Work goes on every few seconds by the database alone: slower, and open pages hear of things later.",
        "Whoever runs the hub should start Redis (Valkey) again. It holds nothing that would be lost.",
    ),
    Check(
        "check_failed",
        "It could not be looked at “{subject}”",
        "It could not be looked at “{subject}”",
        "Whether this is well is not known.",
        "Whoever runs the hub should read the workers' and the scheduler's logs; the database may be slow or away.",
        each=True,
    ),
)
KNOWN: Mapping[str, Check] = {one.name: one for one in CHECKS}
QUEUES = {
    "route": "What arrives is kept, but is not taken in: nobody hears of it yet.",
    "urgent": "Urgent emails and SMS do not leave. Inboxes and open pages have them already.",
    "bulk": "Emails and SMS that are not urgent do not leave. Inboxes and open pages have them already.",
    "sweep": "What time brings (reminders, messages for a time, clean-up) is done late.",
}
SWEEP_TITLES = {
    "release": "Waking workers for what is due",
    "collect": "Letting go what was held",
    "rescue": "Taking over from workers that went away",
    "remind": "Reminders and what time brings",
    "escalate": "Escalations",
    "cover": "Looking whether somebody will be there",
    "digest": "Digests",
    "feedback": "Reports of providers that came early",
    "scheduled": "Messages that were written for a time",
    "warn": "Telling administrators what is wrong",
    "tidy": "Removing old notifications",
    "retain": "Removing old records",
}


def check(name: str) -> Check:
    """The check of that name; of one that another release knows, its bare name."""
    return KNOWN.get(name) or Check(name, name, name, "", "")


def said(name: str, subject: str, found: int, total: int | None = None) -> str:
    """What was found, as a sentence without its full stop."""
    known = check(name)
    n = f"{found:,}+" if found >= COUNT_UP_TO else f"{found:,}"
    words = known.one if found == 1 else known.many
    return words.format(n=n, total=f"{total or 0:,}", subject=_subject(name, subject))


def meaning(name: str, subject: str) -> str:
    """What a finding means, in sentences."""
    return QUEUES.get(subject, check(name).means) if name == "worker_missing" else check(name).means


def sweep_title(name: str) -> str:
    """What a sweep does, in words."""
    return SWEEP_TITLES.get(name, name.replace("_", " ").capitalize())


def _subject(name: str, subject: str) -> str:
    match name:
        case "channel_failing" | "provider_down" | "provider_slowed":
            return spoken(subject)
        case "sweep_late":
            return sweep_title(subject)
        case "check_failed":
            return subject.replace("_", " ")
    return subject
