"""The shop of the stories: an office, two technicians, a customer, and where each can be reached."""

from __future__ import annotations

import pytest

from tests.hub import Hub

OFFICE_MAIL = "olga@example.com"
DANA_PHONE, DANA_MAIL = "+12025550101", "dana@example.com"
MARCO_PHONE, MARCO_MAIL = "+12025550102", "marco@example.com"
PRIYA_PHONE, PRIYA_MAIL = "+12025550103", "priya@example.com"


@pytest.fixture
def shop(hub: Hub) -> Hub:
    """Olga in the office, Marco and Priya on the road, Dana whose windshield is chipped and who does not sign in."""
    hub.office("olga", name="Olga Brandt", email=OFFICE_MAIL)
    hub.person("marco", name="Marco Reyes", sms=MARCO_PHONE, email=MARCO_MAIL)
    hub.person("priya", name="Priya Natarajan", sms=PRIYA_PHONE, email=PRIYA_MAIL)
    hub.customer("dana", name="Dana Whitfield", sms=DANA_PHONE, email=DANA_MAIL)
    return hub
