"""`flask why`: told or not told, the same story as the page."""

from __future__ import annotations

import pytest

from notify_app.errors import NotFound
from notify_app.ids import new_id
from notify_app.pipeline.step import step
from notify_app.work import why


def lines(shop, key, event, hub=None):
    hub = hub or shop.hub
    event_id = shop.hub.events(event)[-1].id
    with hub.world.app.app_context(), step(hub.organisation.id) as work:
        return list(why.plain(work, event_id, hub.people[key].id))


def test_somebody_who_was_told_hears_the_whole_story(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    told = "\n".join(lines(shop, "bob", "repair_approved"))
    assert told.startswith("Bob Marsh was told of repair_approved.")
    assert "A message of urgent priority goes out by SMS." in told
    assert "The SMS was handed over." in told


def test_somebody_who_was_never_considered_is_answered_as_well(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    told = lines(shop, "tess", "repair_approved")
    assert told[0] == "Tess Okoro was not told of repair_approved."
    assert "Tess Okoro was never considered: not the technician concerned." in told[-1]


def test_an_event_that_reached_nobody_says_so_to_all(shop):
    shop.hub.repair("R-1", customer="dana").approved()
    told = "\n".join(lines(shop, "bob", "repair_approved"))
    assert "Bob Marsh was not told" in told
    assert "Nobody holds the part of technician here." in told


def test_an_office_that_switched_the_message_off_is_named(shop):
    shop.hub.build.template(shop.hub.organisation, "repair_assigned", active=False)
    shop.hub.repair("R-1", customer="dana", technician="bob").pending()
    assert "The office has switched this message off." in "\n".join(lines(shop, "bob", "repair_assigned"))


def test_another_organisation_asks_in_vain(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    with pytest.raises(NotFound):
        lines(shop, "cleo", "repair_approved", shop.other)


def test_an_event_that_is_not_there_is_not_found(shop):
    world = shop.hub.world
    with world.app.app_context(), step(shop.hub.organisation.id) as work, pytest.raises(NotFound):
        list(why.plain(work, new_id(), shop.hub.people["bob"].id))
