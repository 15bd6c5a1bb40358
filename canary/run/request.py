"""Requests: what somebody asks of a run, as an annotation on the Canary: `serin.dev/request: promote@3f2a9c0d11e4b7a6`.

A request is carried out once. It is claimed first, by a mark that the agent adds to its text (`#` and a token); then
its effect and its claim are stored in the status, in one write; then the annotation goes. So an agent that dies in
between knows what is done, and the same text written again is another request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from canary.api.shown import shown
from canary.run.moments import read_time, write_second

_CLAIM: Final = "#"
SHORTEST_PREFIX_CHARS: Final = 6
"""Of a revision in a request."""

_BY: Final = " by "
_MOST_REQUESTER_CHARS: Final = 128
"""Of a user's name as it is kept; the API server takes any length."""

_MOST_TEXT_CHARS: Final = 256
"""Of a request or its claim as it is kept, which may be neither; the API server takes a quarter of a megabyte."""


class Verb(StrEnum):
    """What may be asked."""

    PROMOTE = "promote"
    ABORT = "abort"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    SKIP = "skip"


class MalformedRequest(ValueError):  # noqa: N818  reads as what was found
    """The annotation is no request; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Request:
    """A verb and the revision it is about: whole, or its first characters, at least six of them."""

    verb: Verb
    revision: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `{verb}@{revision}`.

        Raises:
            MalformedRequest: it is something else.
        """
        verb, _, revision = text.strip().partition("@")
        if verb not in set(Verb) or len(revision) < SHORTEST_PREFIX_CHARS:
            prefix = f"a revision or at least its first {SHORTEST_PREFIX_CHARS} characters"
            raise MalformedRequest(f"<{'|'.join(Verb)}>@<revision>, with {prefix}")
        return cls(Verb(verb), revision)

    def is_about(self, revision: str) -> bool:
        """Return whether this revision is meant; it can be about one only, so a prefix is not ambiguous."""
        return revision.startswith(self.revision)


@dataclass(frozen=True, slots=True)
class RequestResult:
    """What became of a request. `text` is as `kept_text` returns it, `why_refused` empty where it was carried out.

    `at_s` is seconds since the epoch, stored as whole ones. `by` is who asked, empty where nobody knows: the annotation
    was written while the webhook was away.
    """

    text: str
    claim: str
    at_s: float
    why_refused: str = ""
    by: str = ""

    @classmethod
    def read(cls, item: Mapping[str, Any] | None) -> Self | None:
        """Read `status.serin.request`.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is something else.
        """
        if item is None:
            return None
        parts = [item[key] for key in ("verb", "revision", "claim")]
        why, by = item.get("why", ""), item.get("by", "")
        if not all(isinstance(part, str) for part in (*parts, why, by)):
            raise TypeError("verb, revision, claim, why and by are texts")
        text, at_s = "@".join(filter(None, parts[:2])), read_time(item["at"])
        if at_s is None:
            raise ValueError("at is empty; allowed: a moment")
        return cls(text, parts[2], at_s, why, by)

    def write(self) -> dict[str, str]:
        """Return what `read` reads."""
        verb, _, revision = self.text.partition("@")
        result = "refused" if self.why_refused else "accepted"
        item = {
            "verb": verb,
            "revision": revision,
            "result": result,
            "at": write_second(self.at_s),
            "claim": self.claim,
        }
        return item | {key: text for key, text in (("why", self.why_refused), ("by", self.by)) if text}


def kept_text(text: str) -> str:
    """Return a request's text, or its claim, as its result has it: printable, of bounded length.

    What is a request stays as it was written.
    """
    return shown(text, _MOST_TEXT_CHARS)


def split_claim(annotation: str) -> tuple[str, str]:
    """Split the annotation's value into the request's text and its claim, empty where nobody claimed it."""
    text, _, claim = annotation.partition(_CLAIM)
    return text, claim


def requester_mark(annotation: str, username: str) -> str:
    """Return what says who wrote a request: its text with the user's name, in one line and of bounded length.

    The text is in it so that what is left of one request says nothing of the next.
    """
    return f"{split_claim(annotation)[0]}{_BY}{shown(username, _MOST_REQUESTER_CHARS)}"


def read_requester(annotation: str, mark: str) -> str:
    """Return who wrote a request, as the mark beside it says; empty where it says so of another request, or nothing."""
    begin = f"{split_claim(annotation)[0]}{_BY}"
    return shown(mark.removeprefix(begin), _MOST_REQUESTER_CHARS) if mark.startswith(begin) else ""


def claimed(annotation: str, token: str) -> str:
    """Return the annotation's value once it is claimed; `token` was never used before."""
    return f"{annotation}{_CLAIM}{token}"
