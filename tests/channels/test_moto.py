"""SES and SNS by moto, which keeps identities, mails and messages as AWS does: that what we call is what AWS has (A9).

Throttling, hangs and broken connections are what it cannot do; `test_aws` has a stub for those.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from decimal import Decimal
from email import message_from_string, policy
from email.message import EmailMessage
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from notify_app.channels.aws import Account
from notify_app.channels.base import ChannelFailure, GiveUp, Message, Sender
from notify_app.channels.email_ses import SesEmail
from notify_app.channels.sms_sns import SnsSms

pytestmark = pytest.mark.proves("A9")

FROM, TO, PHONE = "desk@example.com", "ana@example.com", "+12025550101"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def account(url: str) -> Account:
    return Account("us-east-1", "AKIDEXAMPLE", "secret", url, connect_seconds=5, read_seconds=10)


def client(url: str, service: str) -> Any:
    return boto3.client(
        service, region_name="us-east-1", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x"
    )


def kept(url: str, service: str) -> dict[str, Any]:
    with urlopen(f"{url}/moto-api/data.json") as answer:  # noqa: S310 - our own server
        found: dict[str, Any] = json.load(answer)
    return found.get(service, {})


def mail(**more: Any) -> Message:
    given: dict[str, Any] = {
        "subject": "Überraschung: R-1 is done",
        "text": "It is done.",
        "html": "<p>It is <b>done</b>.</p>",
        "sender": Sender("Evergreen Auto Glass", FROM, "answers@example.com"),
        "thread": "item-1",
        "headers": (("List-Unsubscribe", "<https://hub.example.com/unsubscribe/x>"),),
    }
    return Message("d-1", "email", TO, 1, "key-1", "medium", **{**given, **more})


@pytest.fixture
def ses(aws: str) -> Iterator[SesEmail]:
    channel = SesEmail(account(aws))
    yield channel
    channel.close()


def test_a_sender_that_is_not_verified_is_refused_and_blocks_nobodys_address(aws: str, ses: SesEmail) -> None:
    """AWS says so in other words than moto, which `test_aws` has."""
    with pytest.raises(ChannelFailure, match="MessageRejected") as caught:
        ses.send(mail(sender=Sender("Nobody", "nobody@example.org")))
    assert not getattr(caught.value, "suppress", False)


def test_a_mail_is_kept_whole_as_it_was_built(aws: str, ses: SesEmail) -> None:
    client(aws, "sesv2").create_email_identity(EmailIdentity=FROM)
    receipt = ses.send(mail())
    assert receipt.provider == "ses" and receipt.provider_id
    (stored,) = [one for one in kept(aws, "ses")["RawMessage"] if one["id"] == receipt.provider_id]
    raw = stored["raw_data"]
    text = raw if raw.lstrip().startswith("From") else base64.b64decode(raw).decode()
    sent = message_from_string(text, policy=policy.default)
    assert isinstance(sent, EmailMessage)
    assert sent["Subject"] == "Überraschung: R-1 is done"
    assert sent["From"] == f"Evergreen Auto Glass <{FROM}>"
    assert (sent["To"], sent["Reply-To"]) == (TO, "answers@example.com")
    assert sent["List-Unsubscribe"] == "<https://hub.example.com/unsubscribe/x>"
    assert sent["Message-ID"] == "<key-1@example.com>"
    assert "<b>done</b>" in sent.get_body(("html",)).get_content()  # type: ignore[union-attr]


@pytest.fixture
def sns(aws: str) -> Iterator[SnsSms]:
    channel = SnsSms(account(aws), max_price=Decimal("0.50"))
    yield channel
    channel.close()


def test_an_sms_is_taken_with_its_words(aws: str, sns: SnsSms) -> None:
    receipt = sns.send(Message("d-2", "sms", PHONE, 1, "key-2", "high", text="R-1 is done."))
    assert (receipt.provider, receipt.segments) == ("sns", 1)
    assert kept(aws, "sns")["SMS"] == [
        {"message": "R-1 is done.", "message_id": receipt.provider_id, "phone_number": PHONE}
    ]


def test_a_number_that_is_none_does_not_get_as_far_as_aws(aws: str, sns: SnsSms) -> None:
    with pytest.raises(GiveUp) as caught:
        sns.send(Message("d-3", "sms", "12345", 1, "key-3", "high", text="x"))
    assert caught.value.suppress
