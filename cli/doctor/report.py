"""What was found as lines for people, or as JSON for programs."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from canary.api.shown import shown
from cli.doctor.finding import Checked, Finding, Verdict, counted
from cli.rollout.styles import BAD, GOOD, HELD, QUIET
from cli.terminal import Line

_STYLES: Final = {Verdict.OK: GOOD, Verdict.WARNING: HELD, Verdict.FAULT: BAD, Verdict.UNKNOWN: QUIET}
_WIDTH: Final = max(map(len, Verdict))


def as_lines(checked: Sequence[Checked]) -> Iterator[Line]:
    """Return a line for each finding, below it what to type, and a last line that counts."""
    width = max((len(one.check) for one in checked), default=0)
    margin = " " * (_WIDTH + width + 4)
    for one in checked:
        for found in one.findings:
            head = f"{found.verdict.value:<{_WIDTH}}  "
            yield [(head, _STYLES[found.verdict]), (f"{one.check:<{width}}  {_text(found.found)}", "")]
            if found.verdict is not Verdict.OK:
                yield from (f"{margin}$ {command}" for command in found.mend)
                if found.page:
                    yield [(f"{margin}see {found.page}", QUIET)]
    yield summary(checked)


def summary(checked: Sequence[Checked]) -> str:
    """Return how many findings of each kind there are."""
    count = _counts(checked)
    words = [counted(count[Verdict.FAULT], "fault"), counted(count[Verdict.WARNING], "warning")]
    return ", ".join([*words, f"{count[Verdict.OK]} ok", f"{count[Verdict.UNKNOWN]} not checked"])


def as_value(checked: Sequence[Checked]) -> dict[str, Any]:
    """Return the same words, the parts apart."""
    count = _counts(checked)
    return {
        "faults": count[Verdict.FAULT],
        "warnings": count[Verdict.WARNING],
        "ok": count[Verdict.OK],
        "notChecked": count[Verdict.UNKNOWN],
        "findings": [_as_value(one.check, found) for one in checked for found in one.findings],
    }


def _as_value(check: str, found: Finding) -> dict[str, Any]:
    said = {"check": check, "verdict": found.verdict.value, "found": _text(found.found)}
    return {**said, "mend": list(found.mend), "page": found.page}


def _counts(checked: Sequence[Checked]) -> dict[Verdict, int]:
    found = [finding.verdict for one in checked for finding in one.findings]
    return {verdict: found.count(verdict) for verdict in Verdict}


def _text(found: str) -> str:
    """Return what may be shown in a terminal: names, reasons and queries are others' texts."""
    return shown(found)
