"""The gateway's part of CORS: headers of its own errors. The function answers all else, preflights too. Pure."""

from collections.abc import Sequence

from infra.settings.forms import EVERY_ORIGIN


def error_headers(origins: Sequence[str]) -> dict[str, str]:
    """CORS headers for the gateway's errors, for a page to see that its key is wrong and not only a network error.

    The gateway cannot compare origins: where there are several, every page may read its errors, which say nothing but
    what is wrong with the request.
    """
    if not origins:
        return {}
    return {"Access-Control-Allow-Origin": origins[0] if len(origins) == 1 else EVERY_ORIGIN}
