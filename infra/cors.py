"""The gateway's part of CORS: headers of preflights, and of its own errors. Pure: no Pulumi.

One origin, or every one, is a constant: the gateway answers preflights itself, without a call of the function. Where
there are several, the answer depends on the request's `Origin`, which only the function can look up in the list.
"""

from collections.abc import Sequence

from infra.settings.forms import EVERY_ORIGIN

# Those of handler/cors.py, which answers in its own way where there are several origins; a test holds them together.
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET,POST,OPTIONS",
    "Access-Control-Allow-Headers": "Authorization,Content-Type,X-Amz-Date,X-Amz-Security-Token,X-Api-Key",
    "Access-Control-Max-Age": "7200",
}


def error_headers(origins: Sequence[str]) -> dict[str, str]:
    """CORS headers for the gateway's errors, for a page to see that its key is wrong and not only a network error.

    The gateway cannot compare origins: where there are several, every page may read its errors, which say nothing but
    what is wrong with the request.
    """
    if not origins:
        return {}
    return {"Access-Control-Allow-Origin": origins[0] if len(origins) == 1 else EVERY_ORIGIN}


def preflight_headers(origins: Sequence[str]) -> dict[str, str]:
    """Headers of a preflight that the gateway answers; empty where the function must, or nobody."""
    return {**PREFLIGHT_HEADERS, "Access-Control-Allow-Origin": origins[0]} if len(origins) == 1 else {}
