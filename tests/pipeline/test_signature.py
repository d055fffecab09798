"""The quick comparison of a signature accepts nothing that the library of the standard would refuse."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.pipeline.signature import BadSignature, Verifier, check, sign
from tests.builders import new_secret

SECRET = new_secret()
VERIFIER = Verifier(SECRET)
BODY = '{"é": 1}'.encode()
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


def signed(at: datetime, id: str = "msg_1") -> dict[str, str]:
    return sign(SECRET, id, at, BODY)


def test_the_plain_form_is_accepted_by_both() -> None:
    now = datetime.now(UTC)
    assert VERIFIER._plainly(signed(now), BODY, now.timestamp())
    assert VERIFIER._at_all(signed(now), BODY)


@given(
    st.sampled_from(NAMES),
    st.sampled_from(["", " ", "0", "+", "v1,", "v1a,", "\u0663", "=", "A", "é", ".", ",", "\n"]),
    st.integers(0, 60),
    st.booleans(),
)
def test_whatever_is_changed_the_quick_way_is_never_the_more_lenient(
    name: str, more: str, at: int, instead: bool
) -> None:
    now = datetime.now(UTC)
    headers = signed(now)
    text = headers[name]
    headers[name] = text[:at] + more + text[at + (1 if instead else 0) :]
    if VERIFIER._plainly(headers, BODY, now.timestamp()):
        assert VERIFIER._at_all(headers, BODY), headers


@pytest.mark.parametrize("minutes", [-6, -4, 0, 4, 6])
def test_both_allow_five_minutes(minutes: int) -> None:
    now = datetime.now(UTC)
    headers = signed(now + timedelta(minutes=minutes))
    assert VERIFIER.signed(headers, BODY, now.timestamp()) == (abs(minutes) < 5)


def test_what_is_written_less_plainly_is_left_to_the_library() -> None:
    now = datetime.now(UTC)
    good = signed(now)
    spaced = {**good, "webhook-signature": f"v1,{'A' * 43}= {good['webhook-signature']}"}
    assert not VERIFIER._plainly(spaced, BODY, now.timestamp())
    assert VERIFIER.signed(spaced, BODY, now.timestamp())
    letters = signed(now, "поручение")
    assert not VERIFIER._plainly(letters, BODY, now.timestamp())
    assert VERIFIER.signed(letters, BODY, now.timestamp())


def test_the_secret_that_signed_is_told_and_another_is_refused() -> None:
    now = datetime.now(UTC)
    others = [Verifier(new_secret()), VERIFIER]
    assert check(others, signed(now), BODY, now.timestamp()) == 1
    with pytest.raises(BadSignature):
        check(others[:1], signed(now), BODY, now.timestamp())
    with pytest.raises(BadSignature):
        check([VERIFIER], dict.fromkeys(NAMES, ""), BODY, now.timestamp())


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é", "whsec_A", "not base64 at all!"])
def test_a_stored_secret_that_is_none_signs_nothing(secret: str) -> None:
    now = datetime.now(UTC)
    headers = {**signed(now), "webhook-signature": "v1," + base64.b64encode(b"").decode()}
    assert not Verifier(secret).signed(headers, BODY, now.timestamp())
