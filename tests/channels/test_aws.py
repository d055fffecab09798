"""SES and SNS through the real boto3 against a scripted stub (A9, A10, A11; reliability.md §3.2)."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from notify_app.channels import build
from notify_app.channels.aws import Account
from notify_app.channels.base import (
    Ambiguous,
    BadSender,
    Channel,
    ChannelFailure,
    GiveUp,
    Invalid,
    Message,
    Misconfigured,
    Sender,
    Throttled,
    TryLater,
)
from notify_app.channels.email_ses import SesEmail
from notify_app.channels.sms_sns import SnsSms
from notify_app.policy.provider import Rate
from tests.channels.stubs import AwsStub, free_port

ANA, PHONE = "ana@example.com", "+12025550101"


def account(url: str, read_seconds: float = 10.0) -> Account:
    return Account("us-east-1", "AKIDEXAMPLE", "secret", url, connect_seconds=5, read_seconds=read_seconds)


@pytest.fixture(scope="module")
def stub() -> Iterator[AwsStub]:
    with AwsStub() as running:
        yield running


@pytest.fixture
def aws(stub: AwsStub) -> Iterator[AwsStub]:
    yield stub
    stub.reset()


@pytest.fixture(scope="module")
def ses(stub: AwsStub) -> Iterator[SesEmail]:
    channel = SesEmail(account(stub.url))
    yield channel
    channel.close()


@pytest.fixture(scope="module")
def sns(stub: AwsStub) -> Iterator[SnsSms]:
    channel = SnsSms(account(stub.url), max_price=Decimal("0.50"))
    yield channel
    channel.close()


@pytest.fixture(scope="module")
def impatient(stub: AwsStub) -> Iterator[dict[str, Channel]]:
    """The same two, for answers that never come."""
    quick = account(stub.url, read_seconds=0.3)
    channels: dict[str, Channel] = {"ses": SesEmail(quick), "sns": SnsSms(quick, max_price=Decimal("0.50"))}
    yield channels
    for channel in channels.values():
        channel.close()


def mail(**changes: Any) -> Message:
    plain = Message(
        delivery_id="d1",
        channel="email",
        address=ANA,
        attempt=1,
        idempotency_key="d1",
        priority="high",
        subject="Your repair is done",
        text="Hello",
        html="<p>Hello</p>",
        sender=Sender("Clear View", "repairs@clearview.example"),
    )
    return replace(plain, **changes)


def text(**changes: Any) -> Message:
    return replace(
        mail(channel="sms", address=PHONE, subject="", html="", text="Your car is ready."), **changes
    )


def failure(channel: Channel, message: Message) -> ChannelFailure:
    with pytest.raises(ChannelFailure) as caught:
        channel.send(message)
    return caught.value


def test_an_email_goes_out_as_the_same_bytes_with_its_name_and_id(ses: SesEmail, aws: AwsStub) -> None:
    receipt = ses.send(mail())
    [arrived] = aws.emails
    assert receipt.provider == "ses"
    assert receipt.provider_id.startswith("ses-")
    assert arrived.to == (ANA,)
    assert arrived.parsed["From"] == "Clear View <repairs@clearview.example>"
    assert arrived.parsed["To"] == ANA
    assert arrived.text == "Hello"
    assert arrived.html == "<p>Hello</p>"
    assert aws.accepted["<d1@clearview.example>"] == 1


def test_an_sms_is_transactional_with_a_limit_on_its_price(sns: SnsSms, aws: AwsStub) -> None:
    receipt = sns.send(text(sender=Sender(sms_id="ClearView")))
    [arrived] = aws.sms
    assert arrived.number == PHONE
    assert arrived.text == "Your car is ready."
    assert arrived.attributes == {
        "AWS.SNS.SMS.SMSType": "Transactional",
        "AWS.SNS.SMS.MaxPrice": "0.50",
        "AWS.SNS.SMS.SenderID": "ClearView",
    }
    assert receipt.provider_id == arrived.provider_id
    assert receipt.segments == 1
    assert receipt.cost_usd == Decimal("0.00645")


def test_a_sender_id_that_aws_would_refuse_is_left_out(sns: SnsSms, aws: AwsStub) -> None:
    for wrong in ("Clear View", "123456", "TwelveLetter", ""):
        sns.send(text(sender=Sender(sms_id=wrong)))
    assert all("AWS.SNS.SMS.SenderID" not in one.attributes for one in aws.sms)


def test_a_long_sms_counts_and_costs_its_segments(sns: SnsSms, aws: AwsStub) -> None:
    receipt = sns.send(text(text="a" * 161))
    assert receipt.segments == 2
    assert receipt.cost_usd == Decimal("0.01290")
    assert len(aws.sms) == 1


def test_an_sms_above_the_limit_is_not_sent(sns: SnsSms, aws: AwsStub) -> None:
    failed = failure(sns, text(max_price=Decimal("0.001")))
    assert isinstance(failed, GiveUp)
    assert failed.code == "max_price"
    assert aws.requests == 0


@pytest.mark.parametrize(
    "number", ["12025550101", "+1202555", "hello", "", "+12025550101;ext=5", "+15550100"]
)
def test_a_bad_number_is_given_up_and_not_sent(sns: SnsSms, aws: AwsStub, number: str) -> None:
    failed = failure(sns, text(address=number))
    assert isinstance(failed, GiveUp)
    assert failed.suppress
    assert aws.requests == 0


def test_numbers_are_cleaned_to_one_form(sns: SnsSms) -> None:
    assert sns.clean("+1 (202) 555-0101") == PHONE
    with pytest.raises(Invalid, match="country"):
        sns.clean("(202) 555-0101")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("ThrottlingException: Maximum sending rate exceeded.", Throttled),
        ("TooManyRequestsException: Too many requests", Throttled),
        ("ThrottlingException: Daily message quota exceeded", Throttled),
        ("LimitExceededException: quota", Throttled),
        ("429", Throttled),
        ("AccountSuspendedException: suspended", Misconfigured),
        ("SendingPausedException: paused", Misconfigured),
        ("MailFromDomainNotVerifiedException: domain", Misconfigured),
        ("MessageRejected: Email address is not verified.", BadSender),
        ("NotFoundException: no such configuration set", Misconfigured),
        ("InvalidClientTokenId: no", Misconfigured),
        ("SignatureDoesNotMatch: no", Misconfigured),
        ("AccessDeniedException: no", Misconfigured),
        ("403", Misconfigured),
        ("MessageRejected: Illegal content", GiveUp),
        ("BadRequestException: Invalid header", GiveUp),
        ("500", TryLater),
        ("503", TryLater),
        ("reset", Ambiguous),
        ("reset:accepted", Ambiguous),
        ("hang", Ambiguous),
        ("hang:accepted", Ambiguous),
    ],
)
def test_every_answer_of_ses_has_its_class(
    ses: SesEmail, impatient: dict[str, Channel], aws: AwsStub, what: str, expected: type[ChannelFailure]
) -> None:
    aws.fail(ANA, what)
    channel = impatient["ses"] if what.startswith("hang") else ses
    assert type(failure(channel, mail())) is expected
    assert aws.requests == 1  # the SDK does not try again by itself
    assert len(aws.emails) == (1 if what.endswith(":accepted") else 0)


@pytest.mark.parametrize(
    ("what", "expected", "suppress"),
    [
        ("Throttled: Rate exceeded", Throttled, None),
        ("Throttling: Rate exceeded", Throttled, None),
        (
            "InvalidParameter: Invalid parameter: PhoneNumber Reason: +12 is not valid to publish to",
            GiveUp,
            True,
        ),
        ("InvalidParameter: Invalid parameter: Message too long", GiveUp, False),
        ("OptedOut: The phone number is opted out", GiveUp, True),
        ("InvalidParameter: phone number is not verified in the sandbox", Misconfigured, None),
        ("InvalidParameter: monthly spend limit reached", Misconfigured, None),
        ("AuthorizationError: not allowed", Misconfigured, None),
        ("InvalidClientTokenId: no", Misconfigured, None),
        ("500", TryLater, None),
        ("reset", Ambiguous, None),
        ("hang:accepted", Ambiguous, None),
    ],
)
def test_every_answer_of_sns_has_its_class(
    sns: SnsSms,
    impatient: dict[str, Channel],
    aws: AwsStub,
    what: str,
    expected: type[ChannelFailure],
    suppress: bool | None,
) -> None:
    aws.fail(PHONE, what)
    failed = failure(impatient["sns"] if what.startswith("hang") else sns, text())
    assert type(failed) is expected
    if isinstance(failed, GiveUp):
        assert failed.suppress is suppress
    assert aws.requests == 1


def test_the_daily_quota_asks_for_a_quarter_of_an_hour(ses: SesEmail, aws: AwsStub) -> None:
    aws.fail(ANA, "ThrottlingException: Daily message quota exceeded")
    assert failure(ses, mail()).after == timedelta(minutes=15)


def test_a_reason_shows_no_whole_address(ses: SesEmail, aws: AwsStub) -> None:
    aws.fail(ANA, f"MessageRejected: {ANA} and {PHONE} are no good")
    assert "a***@example.com and +12***01 are" in failure(ses, mail()).reason


def test_nobody_at_home_is_tried_later() -> None:
    channel = SesEmail(account(f"http://127.0.0.1:{free_port()}"))
    assert isinstance(failure(channel, mail()), TryLater)
    channel.close()


def test_no_credentials_is_a_matter_for_the_administrator(
    monkeypatch: pytest.MonkeyPatch, aws: AwsStub
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")
    channel = SesEmail(replace(account(aws.url), access_key_id="", secret_access_key=""))
    assert isinstance(failure(channel, mail()), Misconfigured)
    channel.close()


def test_thirty_two_threads_share_one_client(ses: SesEmail, sns: SnsSms, aws: AwsStub) -> None:
    barrier = threading.Barrier(32)

    def work(worker: int) -> None:
        barrier.wait()
        for turn in range(3):
            ses.send(mail(idempotency_key=f"{worker}-{turn}"))
            sns.send(text(text=f"{worker}-{turn}"))

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32)))
    assert len(aws.accepted) == 192
    assert set(aws.accepted.values()) == {1}


class Settings:
    """What `build` reads."""

    env = "production"
    smtp_url = "smtp://127.0.0.1:2525"
    of_channels: Iterable[tuple[str, str]] = ()
    aws_region = "us-east-1"
    aws_access_key_id = "AKIDEXAMPLE"
    aws_secret_access_key = "secret"
    aws_endpoint_url = ""
    outgoing_url = ""
    sms_max_price = Decimal("0.50")
    sms_prices = ""
    send_threads = 16


def only(settings: Settings) -> dict[str, Channel]:
    """The channels of settings that name one account for each."""
    return {name: account.channel for name, (account,) in build(settings).items() if name in ("email", "sms")}


def test_the_settings_choose_the_providers(aws: AwsStub) -> None:
    settings = Settings()
    channels = only(settings)
    assert {name: (channel.name, channel.provider) for name, channel in channels.items()} == {
        "email": ("email", "local"),
        "sms": ("sms", "local"),
    }
    settings.of_channels = {"HUB_EMAIL_PROVIDER": "ses", "HUB_SMS_PROVIDER": "sns"}.items()
    settings.aws_endpoint_url = aws.url
    channels = only(settings)
    assert channels["email"].send(mail()).provider == "ses"
    assert channels["sms"].send(text()).provider == "sns"
    for channel in channels.values():
        channel.close()
    settings.of_channels = {"HUB_EMAIL_PROVIDER": "smtp"}.items()
    assert only(settings)["email"].provider == "smtp"
    for name in ("HUB_EMAIL_PROVIDER", "HUB_SMS_PROVIDER"):
        wrong = Settings()
        wrong.of_channels = {name: "pigeon"}.items()
        with pytest.raises(ValueError, match="pigeon"):
            build(wrong)


@pytest.mark.proves("A14")
def test_several_accounts_are_addresses_in_their_order() -> None:
    settings = Settings()
    settings.of_channels = {
        "HUB_EMAIL_ACCOUNTS": "ses://AKID:se%2Fcret@eu-west-1 smtps://u:p@mail.example.com?rate=600/m",
        "HUB_SMS_ACCOUNTS": "sns://eu-west-1?rate=1/s",
    }.items()
    accounts = build(settings)
    assert [(one.name, one.channel.provider, str(one.rate)) for one in accounts["email"]] == [
        ("ses:eu-west-1", "ses", "14/s"),
        ("smtp:mail.example.com", "smtp", "10/s"),
    ]
    assert [(one.name, one.rate) for one in accounts["sms"]] == [("sns:eu-west-1", Rate(1.0, 1))]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("pigeon://x", "account 1: begin it with"),
        ("ses://k:hush@eu-west-1?pace=1", "no option 'pace'"),
        ("smtp://u:hush@a ses://k:hush@eu-west-1?rate=fast", "account 2: 'fast' is not a rate"),
        ("ses://", "names no host or region"),
        ("smtp://u:hush@a smtp://v:hush@a", "smtp:a is there twice"),
        ("sns://eu-west-1", "begin it with"),
    ],
)
def test_an_account_that_cannot_be_is_named_and_its_password_is_not(given: str, says: str) -> None:
    settings = Settings()
    settings.of_channels = {"HUB_EMAIL_ACCOUNTS": given}.items()
    with pytest.raises(ValueError, match=says) as raised:
        build(settings)
    assert "HUB_EMAIL_ACCOUNTS" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_the_local_outbox_accepts_everything_but_bad_addresses() -> None:
    channels = only(Settings())
    assert channels["email"].send(mail()).provider_id == "local-d1"
    receipt = channels["sms"].send(text(text="a" * 161))
    assert (receipt.provider, receipt.segments, receipt.cost_usd) == ("local", 2, Decimal("0.01290"))
    assert isinstance(failure(channels["email"], mail(address="nobody")), GiveUp)
    assert isinstance(failure(channels["sms"], text(address="nobody")), GiveUp)


@pytest.mark.parametrize("provider", ["local", "sns"])
def test_an_installations_own_price_is_what_a_message_costs(aws: AwsStub, provider: str) -> None:
    settings = Settings()
    settings.sms_provider, settings.aws_endpoint_url, settings.sms_prices = provider, aws.url, "US=0.01"
    channel = only(settings)["sms"]
    assert channel.send(text(text="a" * 161)).cost_usd == Decimal("0.02")
    channel.close()


def test_boto3_is_not_imported_until_a_message_needs_it() -> None:
    program = (
        "import sys; from tests.channels.test_aws import Settings; from notify_app.channels import build;"
        "s = Settings(); s.of_channels = {'HUB_EMAIL_PROVIDER': 'ses', 'HUB_SMS_PROVIDER': 'sns'}.items(); build(s)['sms'][0].channel.clean('+12025550101');"
        "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
