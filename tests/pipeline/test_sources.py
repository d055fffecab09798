"""What is remembered of sources: for a minute, not too many of them, and only as long as it is true."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from notify_app.pipeline import sources
from notify_app.pipeline.sources import Sources
from notify_app.secrets import Secrets
from tests.conftest import SECRET_KEY
from tests.hub import Hub


@pytest.fixture
def known(hub: Hub) -> Iterator[Sources]:
    with hub.world.app.app_context():
        yield Sources(Secrets(SECRET_KEY))


def test_a_source_is_remembered_once_it_was_looked_up(hub: Hub, known: Sources) -> None:
    slug = hub.source.slug
    assert known.remembered(slug) is None
    found = known.look_up(slug)
    assert found is not None
    assert found.organisation_id == hub.organisation.id
    assert known.remembered(slug) is found
    assert known.look_up(slug) is found, "nothing has changed"


def test_one_whose_secret_was_replaced_is_another(hub: Hub, known: Sources) -> None:
    before = known.look_up(hub.source.slug)
    hub.build.roll_secret(hub.source, hours=1)
    after = known.look_up(hub.source.slug)
    assert after is not None and before is not None
    assert after is not before
    assert (len(before.keys), len(after.keys)) == (1, 2)
    assert known.remembered(hub.source.slug) is after


def test_one_that_is_switched_off_is_forgotten_and_a_stranger_never_remembered(
    hub: Hub, known: Sources
) -> None:
    known.look_up(hub.source.slug)
    hub.build.run("UPDATE source SET active = false WHERE id = :id", id=hub.source.id)
    assert known.look_up(hub.source.slug) is None
    assert known.remembered(hub.source.slug) is None
    assert known.look_up("nobody") is None
    assert not known._met


def test_what_is_old_is_not_remembered_and_not_kept(
    hub: Hub, known: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = hub.another("lakeside")
    monkeypatch.setattr(sources, "REMEMBERED_SECONDS", -1)
    known.look_up(hub.source.slug)
    assert known.remembered(hub.source.slug) is None
    monkeypatch.setattr(sources, "REMEMBERED_SECONDS", 60)
    known.look_up(other.source.slug)
    assert list(known._met) == [other.source.slug], "its secrets are gone from memory"


def test_the_oldest_of_too_many_are_forgotten(
    hub: Hub, known: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MOST_REMEMBERED", 2)
    offices = [hub, *(hub.another(f"office-{n}") for n in range(3))]
    for office in offices:
        known.look_up(office.source.slug)
    assert [known.remembered(office.source.slug) is not None for office in offices] == [
        False,
        False,
        True,
        True,
    ]
