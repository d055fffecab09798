"""What SES and SNS share: one client for the process, and what an AWS error means.

boto3 is imported at the first message, not before: a process that sends nothing does not carry it.
The SDK's own retries are off, because the outbox owns them.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from notify_app.channels.base import (
    Ambiguous,
    ChannelFailure,
    GiveUp,
    Misconfigured,
    Throttled,
    TryLater,
    Unsendable,
)

__all__ = ["Account", "Client", "account", "account_failure", "call"]

CONNECT_SECONDS, READ_SECONDS = 10.0, 10.0
FEWEST_CONNECTIONS = 32
DAILY_QUOTA_WAIT = timedelta(minutes=15)

THROTTLED = frozenset(
    ("Throttling", "ThrottlingException", "Throttled", "ThrottledException", "TooManyRequestsException")
    + ("KMSThrottling", "KMSThrottlingException", "RequestLimitExceeded", "LimitExceededException")
)
OUR_ACCOUNT = frozenset(
    ("AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException")
    + ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "OptInRequired")
    + ("ExpiredToken", "ExpiredTokenException", "MissingAuthenticationToken", "InvalidSecurity")
    + ("IncompleteSignature", "RequestExpired", "InvalidSignatureException")
)


@dataclass(frozen=True, slots=True)
class Account:
    """Where and as whom AWS is called; empty keys leave it to boto3's own chain (a role, a profile)."""

    region: str
    access_key_id: str = ""
    secret_access_key: str = ""
    endpoint_url: str = ""
    connections: int = FEWEST_CONNECTIONS
    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS


def account(settings: Any, url: str = "") -> Account:
    """The account of an address, `ses://KEY:SECRET@eu-west-1`, with its own key and region; without a key, or without an
    address, the settings'."""
    parts = urlsplit(url)
    keyed = parts.username is not None
    return Account(
        region=parts.hostname or settings.aws_region,
        access_key_id=unquote(parts.username or "") if keyed else settings.aws_access_key_id,
        secret_access_key=unquote(parts.password or "") if keyed else settings.aws_secret_access_key,
        endpoint_url=settings.aws_endpoint_url,
        connections=settings.send_threads,
    )


class Client:
    """A boto3 client that is made once, at the first use (so after a fork), and shared by all threads."""

    def __init__(self, service: str, account: Account) -> None:
        self._service, self._account = service, account
        self._lock = threading.Lock()
        self._made: Any = None

    def get(self) -> Any:
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make()
        return self._made

    def close(self) -> None:
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    def _make(self) -> Any:
        import boto3
        from botocore.config import Config

        account = self._account
        session = boto3.session.Session(
            aws_access_key_id=account.access_key_id or None,
            aws_secret_access_key=account.secret_access_key or None,
            region_name=account.region,
        )
        config = Config(
            connect_timeout=account.connect_seconds,
            read_timeout=account.read_seconds,
            max_pool_connections=max(account.connections, FEWEST_CONNECTIONS),
            retries={"total_max_attempts": 1, "mode": "standard"},
            tcp_keepalive=True,
        )
        return session.client(self._service, endpoint_url=account.endpoint_url or None, config=config)


class Judge(Protocol):
    """A service's own reading of an error code and its message, None for what it does not know."""

    def __call__(self, code: str, message: str) -> ChannelFailure | None: ...


def call(client: Client, operation: str, judge: Judge, **arguments: Any) -> dict[str, Any]:
    """Call AWS once; whatever goes wrong comes out as a ChannelFailure."""
    from botocore import exceptions

    try:
        answer: dict[str, Any] = getattr(client.get(), operation)(**arguments)
    except exceptions.ClientError as error:
        raise _from_answer(error, judge) from error
    except exceptions.ParamValidationError as error:
        raise Unsendable(f"AWS does not take this message: {error}", "ParamValidation") from error
    except exceptions.BotoCoreError as error:
        raise _without_answer(error) from error
    return answer


def account_failure(code: str, message: str) -> ChannelFailure | None:
    """What every AWS service says in the same words."""
    reason = f"{code}: {message}"
    if code in THROTTLED or "Throttl" in code:
        quota = "quota" in message.lower() or code == "LimitExceededException"
        return Throttled(reason, code, after=DAILY_QUOTA_WAIT if quota else None)
    if code in OUR_ACCOUNT:
        return Misconfigured(reason, code)
    return None


def _from_answer(error: Any, judge: Judge) -> ChannelFailure:
    answer = error.response
    code, message = str(answer["Error"].get("Code", "")), str(answer["Error"].get("Message", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    known = judge(code, message) or account_failure(code, message)
    if known is not None:
        return known
    reason = f"{code}: {message}"
    if status == 429:
        return Throttled(reason, code)
    if status in (401, 403):
        return Misconfigured(reason, code)
    return TryLater(reason, code) if status >= 500 else GiveUp(reason, code)


def _without_answer(error: Exception) -> ChannelFailure:
    """No answer at all: what matters is whether the request can have arrived."""
    from botocore import exceptions

    name = type(error).__name__
    match error:
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            return Misconfigured("There are no AWS credentials.", name)
        case exceptions.CredentialRetrievalError() | exceptions.NoRegionError():
            return Misconfigured(str(error), name)
        case exceptions.SSLError():
            return Misconfigured(f"The connection to AWS is not safe: {error}", name)
        case exceptions.ConnectTimeoutError() | exceptions.EndpointConnectionError():
            return TryLater("AWS cannot be reached.", name)
        case exceptions.ProxyConnectionError():
            return TryLater("The proxy to AWS cannot be reached.", name)
        case exceptions.HTTPClientError() | exceptions.ResponseParserError():
            return Ambiguous("AWS did not answer after the message had been sent.", name)
    return Misconfigured(f"The AWS client cannot work: {error}", name)
