"""Which checks of a spec can be judged again by what the last run left, and why others can't."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from canary.api.canary import Canary
from canary.api.evidence import Evidence
from canary.api.metrics import SUCCESS_RATE, CanaryMetric, ThresholdRange
from canary.api.problems import Described, Problem, field_path
from canary.api.shown import shown
from canary.judgement.dispersion import MOST_LEARNED_BURST
from canary.judgement.observe import begin
from canary.judgement.plan import Plan
from canary.judgement.spec import (
    evidence_name,
    has_one_number,
    is_about_duration,
    keeps_threshold,
    plan_of,
    slow_bounds,
    with_evidence,
)
from canary.judgement.state import EvidenceState
from canary.run.evidence import CheckEvidence, Look
from canary.run.judge import effective_range
from canary.run.kept import KeptSample
from cli.replay.record import Record

_QUERY_FIELDS: Final = ("templateRef", "templateVariables", "query")
_FAILURES: Final = "5xx"
_OVER: Final = re.compile(r"(?P<limit>[\d.e+]+)(?: \((?P<low>[\d.e+]+) to (?P<high>[\d.e+]+|inf)\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A check that is judged by evidence. `begun` is its test before the first look.

    Its `plan` takes for bursts what was known of them when the run ended: what was known before is not kept.
    """

    name: str
    metric: CanaryMetric
    plan: Plan
    begun: EvidenceState
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A check that is judged by its threshold, with the values that are kept, the newest last."""

    name: str
    metric: CanaryMetric
    samples: tuple[KeptSample, ...]
    unit: str = ""

    @property
    def bounds(self) -> ThresholdRange:
        """Return the values that pass."""
        return effective_range(self.metric)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A check that can't be judged again, and why in one line."""

    name: str
    why: str


Check = Tested | Measured | LeftOut


def as_agent_reads(canary: Canary, stored: Canary | None, record: Record) -> Canary:
    """Return the canary with evidence where the agent adds it: the run was judged by it, and its spec says nothing."""
    metrics = stored.analysis.metrics if stored is not None and stored.analysis is not None else ()
    is_added = any(
        stored is not None
        and metric.is_builtin
        and metric.evidence is None
        and record.tests.get(evidence_name(stored, metric), CheckEvidence(name="")).looks
        for metric in metrics
    )
    return with_evidence(canary) if is_added else canary


def pair(canary: Canary, stored: Canary, record: Record) -> Iterator[Check]:
    """Return the checks of a spec with what is kept of them, then what is kept of others.

    `stored` is the spec in the cluster, by which the run asked its questions.
    """
    asked = {evidence_name(stored, metric): metric for metric in _metrics(stored)}
    names = set()
    for index, metric in enumerate(_metrics(canary)):
        name, path = evidence_name(canary, metric), field_path("spec", "analysis", "metrics", index)
        names.add(name)
        yield from _paired(_Written(canary, metric, asked.get(name), name, path), record)
    for name in [*record.tests, *(name for name in record.checks if name not in record.tests)]:
        if name not in names and (name in record.checks or record.tests[name].looks):
            found = Described(f"no metric {name}")
            yield LeftOut(name, str(Problem("spec.analysis.metrics", found, "one of that name, as the run had it")))


def _metrics(canary: Canary) -> tuple[CanaryMetric, ...]:
    return canary.analysis.metrics if canary.analysis is not None else ()


@dataclass(frozen=True, slots=True)
class _Written:
    """A metric of a spec: how it is written there at `path`, and what the run asked for by its name, if it did."""

    canary: Canary
    metric: CanaryMetric
    asked: CanaryMetric | None
    name: str
    path: str

    def at(self, field: str) -> str:
        """Return the path of one of its fields."""
        return f"{self.path}.{field}"

    def left_out(self, field: str, found: str, allowed: str) -> LeftOut:
        """Return why it can't be judged again."""
        return LeftOut(self.name, str(Problem(self.at(field) if field else self.path, Described(found), allowed)))

    def other_question(self, fields: Iterable[str]) -> LeftOut | None:
        """Return which of its fields asks something else than the run did, None where none does."""
        for field in fields:
            now, before = self._text(self.metric, field), self._text(self.asked or self.metric, field)
            if now != before:
                return self.left_out(field, now, f"{before}, as the run asked")
        return None

    def _text(self, metric: CanaryMetric, field: str) -> str:
        reference = metric.template_ref
        texts = {
            "templateRef": f"{reference.namespace or self.canary.namespace}/{reference.name}" if reference else "",
            "templateVariables": ", ".join(f"{key}={text}" for key, text in sorted(metric.template_variables.items())),
            "query": metric.query,
            "interval": metric.interval_effective,
        }
        return texts[field] or "none"


def _paired(written: _Written, record: Record) -> Iterator[Check]:
    evidence = written.metric.evidence
    if evidence is None or has_one_number(written.metric):
        yield _measured(written, record)
        return
    yield _tested(written, evidence, record.tests.get(written.name))
    if keeps_threshold(written.metric, evidence) and written.name in record.checks:
        yield _measured(written, record)


def _measured(written: _Written, record: Record) -> Check:
    known = record.checks.get(written.name)
    if known is None or not known.samples:
        return written.left_out(
            "", f"{written.name}, and no value of it in this run", "a metric that the run asked for"
        )
    other = written.other_question((*_QUERY_FIELDS, "interval"))
    return other or Measured(name=written.name, metric=written.metric, samples=known.samples, unit=known.unit)


def _tested(written: _Written, evidence: Evidence, known: CheckEvidence | None) -> Check:
    if known is None or known.state is None or not known.looks:
        found = "no look of this run by it: evidence was off, or nothing was counted"
        return written.left_out("evidence", found, "a run that was judged by evidence")
    state, looks = known.state, known.looks
    other = _other_counts(written, evidence, state.counted)
    if other is not None:
        return other
    plan = plan_of(written.canary, written.metric, state.counted)
    if plan is None:
        return written.left_out("evidence", "what can't be tested", "see `serin lint`, which names the field")
    if len(plan.bounds) != len(state.bounds):
        found, allowed = f"{len(plan.bounds)} bounds", f"{len(state.bounds)}, as the run counted"
        return written.left_out("evidence", found, allowed)
    phi = min(max(bound.bursts.now.phi for bound in state.bounds), MOST_LEARNED_BURST)
    plan = replace(plan, burst=phi) if plan.burst is None else plan
    began_at_s = min(looks[0].at_s if state.began_at_s is None else state.began_at_s, looks[0].at_s)
    begun = replace(begin(plan), began_at_s=began_at_s)
    return Tested(name=written.name, metric=written.metric, plan=plan, begun=begun, looks=looks)


def _other_counts(written: _Written, evidence: Evidence, counted: str) -> LeftOut | None:
    """Return why the run's counts are those of something else; None where they are what the spec means."""
    metric = written.metric
    if is_about_duration(metric):
        return _other_limits(written, evidence, counted)
    if (metric.is_builtin and metric.name == SUCCESS_RATE) != (counted == _FAILURES):
        return written.left_out("", "another metric", f"one that counts {shown(counted)}")
    return written.other_question(_QUERY_FIELDS)


def _other_limits(written: _Written, evidence: Evidence, counted: str) -> LeftOut | None:
    """Return which limit of a duration the run did not count by; between the same buckets the counts are the same."""
    known = list(_OVER.finditer(counted.removeprefix("over "))) if counted.startswith("over ") else []
    bounds = list(slow_bounds(written.metric, evidence))
    if len(known) != len(bounds):
        field = "evidence.bounds" if evidence.bounds else "thresholdRange.max"
        found = ", ".join(f"{bound.over:g}" for _, bound in bounds) or "none"
        return written.left_out(field, found, f"limits that the run counted by: {shown(counted)}")
    for match, (field, bound) in zip(known, bounds, strict=True):
        limit, low, high = float(match["limit"]), match["low"], match["high"]
        if bound.over != limit and not (low and float(low) < bound.over < float(high)):
            more = f", or anything between {low} and {high}" if low else ""
            return written.left_out(field, f"{bound.over:g}", f"{limit:g}{more}: the run counted the requests over it")
    return None
