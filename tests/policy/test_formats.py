"""Money and time as each channel says them (C4)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.policy import formats
from notify_app.policy.formats import Money

NEW_YORK = "America/New_York"
AT = datetime(2024, 2, 15, 19, 5, tzinfo=UTC)  # 14:05 in New York


@pytest.mark.parametrize(
    ("amount", "currency", "long", "short"),
    [
        ("150", "USD", "$150.00", "$150"),
        ("150.00", "USD", "$150.00", "$150"),
        ("150.50", "USD", "$150.50", "$150.50"),
        ("150.5", "USD", "$150.50", "$150.50"),
        ("0", "USD", "$0.00", "$0"),
        ("0.05", "USD", "$0.05", "$0.05"),
        ("-20", "USD", "-$20.00", "-$20"),
        ("1250.50", "GBP", "£1,250.50", "£1,250.50"),
        ("1000000", "EUR", "€1,000,000.00", "€1,000,000"),
        ("1500", "JPY", "¥1,500", "¥1,500"),
        ("1.459", "USD", "$1.459", "$1.459"),
        ("1E+3", "USD", "$1,000.00", "$1,000"),
    ],
)
def test_money_is_long_for_email_and_short_for_sms(amount: str, currency: str, long: str, short: str) -> None:
    value = Money(Decimal(amount), currency)
    assert formats.money(value, "long") == long
    assert formats.money(value, "short") == short


def test_another_locale_has_its_own_form() -> None:
    assert formats.money(Money(Decimal("1250.5"), "EUR"), "long", "de-DE") == "1.250,50\u00a0€"
    assert formats.money(Money(Decimal("150"), "EUR"), "short", "de_DE") == "150\u00a0€"
    assert formats.day(date(2024, 2, 15), "long", "en_GB") == "15 February 2024"
    assert formats.moment(AT, "Europe/Berlin", "long", "de") == "15. Februar 2024, 20:05"


def test_an_unknown_locale_reads_as_american_english() -> None:
    assert formats.money(Money(Decimal("150"), "USD"), "long", "xx_nonsense") == "$150.00"


def test_dates_and_times_are_said_in_the_readers_zone() -> None:
    assert formats.moment(AT, NEW_YORK, "long") == "14:05 on February 15, 2024"
    assert formats.moment(AT, NEW_YORK, "short") == "Feb 15 14:05"
    assert formats.date_of(AT, NEW_YORK, "long") == "February 15, 2024"
    assert formats.date_of(AT, NEW_YORK, "short") == "Feb 15"
    assert formats.date_of(AT, "Pacific/Kiritimati", "short") == "Feb 16"
    assert formats.time_of(AT, NEW_YORK) == "14:05"


def test_a_datetime_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no zone"):
        formats.moment(datetime(2024, 2, 15, 14, 5), NEW_YORK)  # noqa: DTZ001
    with pytest.raises(TypeError, match="zone"):
        formats.day(AT)


@pytest.mark.parametrize("bad", [("150", "usd"), ("150", "US"), ("NaN", "USD"), ("Infinity", "USD")])
def test_money_that_is_none_is_refused(bad: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"amount|currency"):
        Money(Decimal(bad[0]), bad[1])


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_cents_that_are_not_zero_are_never_dropped(amount: Decimal) -> None:
    value = Money(amount, "USD")
    for style in ("long", "short"):
        said = formats.money(value, style).replace("$", "").replace(",", "")
        assert Decimal(said) == amount


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.builds(Money, st.decimals(allow_nan=False, allow_infinity=False), st.sampled_from(["USD", "EUR"]))
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.just("$money"), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8) | st.sampled_from(["$at", "$on", "$$"]), VALUES, max_size=4))
def test_a_context_survives_the_way_through_json(context: dict[str, Any]) -> None:
    assert formats.unpack(formats.pack(context)) == context


def test_only_plain_values_travel() -> None:
    assert formats.pack({"id": UUID(int=1)}) == {"id": str(UUID(int=1))}
    with pytest.raises(TypeError, match="object cannot be part"):
        formats.pack({"row": object()})
