"""The headers that every answer carries: what a browser may do with it, and who may keep it."""

from __future__ import annotations

from flask import Response, request

__all__ = ["FOR_MACHINES", "SECURE", "put_on"]

# no inline script and no inline style anywhere, so neither needs a nonce
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
SECURE = ("Strict-Transport-Security", "max-age=31536000")
# what comes of `put_on` and the compressor for an answer that neither is a page nor sets anything itself
FOR_MACHINES = (
    ("Content-Security-Policy", POLICY),
    *ALWAYS,
    ("Cache-Control", "no-store"),
    ("Vary", "Cookie, Accept-Encoding"),
)


def put_on(response: Response) -> Response:
    """Add them; a view's own policy and caching stay."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    for name, value in ALWAYS:
        response.headers[name] = value
    if request.endpoint == "static":
        response.headers["Cache-Control"] = "no-cache"
    else:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Vary"] = "Cookie"
    if request.is_secure:
        response.headers[SECURE[0]] = SECURE[1]
    return response
