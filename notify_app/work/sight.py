"""Who may see an item: the office sees all of its organisation's, everybody else what they have or had a part in."""

from __future__ import annotations

from uuid import UUID

from notify_app.pipeline.step import Step

__all__ = ["sees"]

# who gave a job away still has its message, whose link must lead somewhere
SEES = """
    SELECT 1 FROM work_item w WHERE w.organisation_id = :org AND w.id = :id AND (:office
        OR EXISTS (SELECT FROM item_person i
                    WHERE i.organisation_id = :org AND i.item_id = w.id AND i.person_id = :person)
        OR EXISTS (SELECT FROM notification n
                    WHERE n.organisation_id = :org AND n.item_id = w.id AND n.person_id = :person))
"""


def sees(step: Step, item_id: UUID, person_id: UUID, *, office: bool) -> bool:
    """Whether this person, who is of the `office` or not, may look at the item; False as well where there is none."""
    return step.one(SEES, id=item_id, person=person_id, office=office) is not None
