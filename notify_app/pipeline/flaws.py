"""An office's own template that could not be used: the message went out in the built-in words, and this is kept of it.

Noted once for each version of a template, whatever number of messages it spoils; `sweeps.warn` tells the office, and the
editor shows it. A version that is saved begins without a flaw.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from notify_app.pipeline.step import Step

__all__ = ["Flaw", "note"]

LONGEST = 500
# one row at a time and in one order, so that two steps with the same templates wait for each other in turn
NOTE = """
    UPDATE template SET broken_at = :now, broken_why = :why
    WHERE organisation_id = :org AND id = :id AND version = :version AND broken_at IS NULL
"""


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a version of a template, as a sentence for the office."""

    template_id: UUID
    version: int
    why: str


def note(step: Step, flaws: Iterable[Flaw]) -> None:
    """Keep the first that was found of each version."""
    first: dict[UUID, Flaw] = {}
    for flaw in flaws:
        first.setdefault(flaw.template_id, flaw)
    for flaw in sorted(first.values(), key=lambda one: one.template_id):
        step.run(NOTE, now=step.now, id=flaw.template_id, version=flaw.version, why=flaw.why[:LONGEST])
