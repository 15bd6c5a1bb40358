"""A report of findings as lines for people, or as JSON for programs."""

import json
from collections.abc import Iterator

from cli.lint.findings import Finding, Report
from cli.terminal import Line

_STYLES = {"error": "bold red", "warning": "bold yellow"}


def as_lines(report: Report) -> Iterator[Line]:
    """Return a line for each finding, in the shape that editors and CI make links of, and a last one that counts."""
    yield from map(_line, report.findings)
    yield summary(report)


def as_json(report: Report) -> str:
    """Return it with the same words, the parts apart."""
    findings = [
        {
            "file": finding.source,
            "line": finding.line,
            "column": finding.column,
            "severity": finding.severity,
            "object": finding.about,
            "path": finding.path,
            "message": finding.message,
        }
        for finding in report.findings
    ]
    counts = {"objects": report.objects, "errors": report.errors, "warnings": report.warnings}
    return json.dumps({**counts, "findings": findings}, indent=2, ensure_ascii=False)


def summary(report: Report) -> str:
    """Return how many objects were checked, and how many problems they have."""
    if not report.objects and not report.findings:
        return "Nothing to check: found no Canary, MetricTemplate or AlertProvider of flagger.app"
    errors, warnings = _count(report.errors, "error"), _count(report.warnings, "warning")
    return f"{_count(report.objects, 'object')} checked: {errors}, {warnings}"


def _line(finding: Finding) -> Line:
    about = f"{finding.about}: " if finding.about else ""
    return [
        (f"{finding.source}:{finding.line}:{finding.column}: ", "bold"),
        (f"{finding.severity}: ", _STYLES[finding.severity]),
        (f"{about}{finding.message}", ""),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
