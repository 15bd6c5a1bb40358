"""The header for what a Secret has."""

import base64
from collections.abc import Mapping


def authorization(credentials: Mapping[str, str]) -> dict[str, str]:
    """Return the header for a Secret with `token`, or with `username` and `password`. Source: Flagger 1.44."""
    if "token" in credentials:
        return {"Authorization": f"Bearer {credentials['token']}"}
    if "username" in credentials:
        pair = f"{credentials['username']}:{credentials.get('password', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}
