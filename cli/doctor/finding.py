"""What a check found, and the commands that mend it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_NAMED: Final = 3


class Verdict(StrEnum):
    """How a finding counts. Only a fault makes the command exit with 1."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNKNOWN = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, the commands that mend it, each to be typed as it stands, and a page that tells more."""

    verdict: Verdict
    found: str
    mend: tuple[str, ...] = ()
    page: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """All that one check found."""

    check: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be read, and why: a right that is missing, or a kind that the cluster does not have."""

    why: str
    is_served: bool = True

    def of(self, what: str) -> Finding:
        """Return the finding: this was not checked."""
        return Finding(Verdict.UNKNOWN, f"{what}: {self.why}")


def ok(found: str) -> Finding:
    """Return what is as it should be."""
    return Finding(Verdict.OK, found)


def warning(found: str, *mend: str, page: str = "") -> Finding:
    """Return what works, and may not for long."""
    return Finding(Verdict.WARNING, found, mend, page)


def fault(found: str, *mend: str, page: str = "") -> Finding:
    """Return what does not work; a fault has a command that mends it."""
    return Finding(Verdict.FAULT, found, mend, page)


def unknown(found: str, *mend: str) -> Finding:
    """Return what could not be found out."""
    return Finding(Verdict.UNKNOWN, found, mend)


def first_of(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are: a thousand canaries fill no screen."""
    known = list(names)
    more = len(known) - _NAMED
    return ", ".join(known[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `1 canary` or `3 canaries`."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def faults_of(checked: Sequence[Checked]) -> list[str]:
    """Return the names of the checks that found a fault."""
    return [one.check for one in checked if any(found.verdict is Verdict.FAULT for found in one.findings)]
