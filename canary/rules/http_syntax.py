"""What HTTP, cookies and Kubernetes' metadata allow in names and values. Each test is for the whole text."""

import re
from collections.abc import Callable
from typing import Final

from canary.api.problems import Described, around

TOKEN: Final = "a name of letters, digits and !#$%&'*+-.^_`|~ (a token of RFC 9110)"  # noqa: S105  no secret: HTTP calls such names so
QUALIFIED_NAME: Final = (
    "a name of at most 63 letters, digits, '-', '_' and '.', alone or behind a DNS name and '/', e.g. example.com/team"
)
LABEL_VALUE: Final = "at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_COOKIE_ATTRIBUTE: Final = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_NAME: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DNS_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_QUALIFIED_NAME: Final = re.compile(rf"(?:(?=[^/]{{1,253}}/){_DNS_LABEL}(?:\.{_DNS_LABEL})*/)?{_NAME}")
_LABEL_VALUE: Final = re.compile(rf"(?:{_NAME})?")


def shown(text: str, is_right: Callable[[str], bool]) -> str | Described:
    """Return what is shown of a text that has a character for which `is_right` is False: the piece around it."""
    return around(text, next((place for place, char in enumerate(text) if not is_right(char)), 0))


def is_token(text: str) -> bool:
    """Return whether it can name a header, a method or a cookie (RFC 9110, 5.6.2; RFC 6265, 4.1.1)."""
    return _TOKEN.fullmatch(text) is not None


def is_field_value(text: str) -> bool:
    """Return whether it can be a header's value: without line breaks and other control characters."""
    return _FIELD_VALUE.fullmatch(text) is not None


def is_cookie_attribute(text: str) -> bool:
    """Return whether it can be a cookie's Domain or Path: no semicolon, which begins another attribute (RFC 6265)."""
    return _COOKIE_ATTRIBUTE.fullmatch(text) is not None


def is_qualified_name(text: str) -> bool:
    """Return whether it can be the key of a label or an annotation (Kubernetes' IsQualifiedName)."""
    return _QUALIFIED_NAME.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Return whether it can be the value of a label (Kubernetes' IsValidLabelValue)."""
    return _LABEL_VALUE.fullmatch(text) is not None
