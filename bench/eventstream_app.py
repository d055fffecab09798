"""The peer django-eventstream, as its README sets it up; served by uvicorn in the peers' own environment.

`/events/?channel=all&channel=u7` is a stream; a POST to `/send/?channel=u7` tells its body to a channel.
"""

from __future__ import annotations

from django.conf import settings

settings.configure(
    SECRET_KEY="a benchmark has no secrets",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django_eventstream"],
    LOGGING_CONFIG=None,
)

from django.core.asgi import get_asgi_application  # noqa: E402  (settings come first)

application = get_asgi_application()

from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django_eventstream import send_event  # noqa: E402


def send(request: HttpRequest) -> HttpResponse:
    send_event(request.GET["channel"], "message", {"text": request.body.decode()})
    return HttpResponse(status=204)


urlpatterns = [path("events/", include("django_eventstream.urls")), path("send/", send)]
