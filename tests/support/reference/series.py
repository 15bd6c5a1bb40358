"""The series of our programs: each page of metrics is filled by its own methods, and read as Prometheus reads it."""

import re
from collections.abc import Iterator
from typing import Final

from agent.series.agent_metrics import AgentMetrics
from canary.run.evidence import CheckEvidence, Shown
from canary.run.history import HistoryEntry, Outcome
from canary.run.judge import Verdict
from canary.run.kept import KeptCheck, KeptSample
from canary.run.phase import Phase
from canary.run.state import Analysis, State
from loadtester.hook import HookType
from loadtester.metrics import RunMetrics
from tests.support.canaries import canary
from tests.support.exposition import stored
from tests.support.reference.page import code, codes, page, section, sentence, table
from webhook.metrics import WebhookMetrics

_SUFFIX: Final = re.compile(r"_(?:bucket|sum|count)$")
_LABEL: Final = re.compile(r"(\w+)=")
_OF_LIBRARY: Final = {"le", "quantile"}


def series_page() -> str:
    """Return the page of all series."""
    return page(
        "Series",
        "What `/metrics` of each program has, on its port 8080 ([flags](flags.md)). Labels `name` and `workload` "
        "are the names of workloads, as in Flagger; `namespace` is the canary's, so a scrape configuration must "
        "not overwrite it. A histogram has `_bucket`, `_sum` and `_count`. All series of a canary go with it. "
        "Only the agent that leads shows canaries.",
        section("The agent", _table(_agent())),
        section("The webhook", _table(_webhook())),
        section("The load tester", _table(_load_tester())),
    )


def _agent() -> str:
    kept = KeptCheck(name="request-success-rate", samples=(KeptSample(1.0, 100.0, Verdict.PASS),))
    evidence = CheckEvidence(name="request-success-rate", shown=Shown(answer="undecided"))
    run = HistoryEntry(revision="0", outcome=Outcome.PROMOTED, started_at_s=0.0, ended_at_s=1.0)
    state = State(phase=Phase.PROGRESSING, analysis=Analysis(kept=(kept,), evidence=(evidence,)), history=(run,))
    metrics = AgentMetrics("0", canaries=lambda: [stored(state)])
    metrics.canaries.count_checks(canary(), (), 0.1)
    metrics.runs.count_detection("watch", 0.1)
    metrics.calls.observe_request("get", 200, 0.1)
    metrics.calls.observe_provider("prometheus", 0.1, None)
    metrics.calls.observe_hook("rollout", Verdict.PASS, 0.1)
    metrics.show_queues({"ticks": lambda: 0})
    metrics.observe_tick_lag(0.1)
    metrics.observe_tick(0.1)
    metrics.observe_loop_lag(0.1)
    metrics.count_alert("slack", "sent")
    metrics.count_event("sent")
    metrics.count_error("Conflict")
    return _read(metrics.render([])[0])


def _webhook() -> str:
    metrics = WebhookMetrics("0", lambda: 1.0)
    metrics.observe_request("/mutate/workloads", "UPDATE", "patched", 0.001)
    return _read(metrics.render([], 1)[0])


def _load_tester() -> str:
    metrics = RunMetrics()
    metrics.count_start(HookType.BASH)
    metrics.count_end(HookType.BASH, "passed", 0.1)
    return _read(metrics.render()[0])


def _read(body: bytes) -> str:
    return body.decode()


def _table(text: str) -> str:
    return table(("series", "type", "labels", "meaning"), sorted(_rows(text)))


def _rows(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Read Prometheus' text format: what HELP and TYPE say of a series, and which labels its values have."""
    labels: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith("#") and line:
            name, _, rest = line.partition("{")
            found = [label for label in _LABEL.findall(rest.rpartition("}")[0]) if label not in _OF_LIBRARY]
            labels.setdefault(_SUFFIX.sub("", name.split(" ")[0]), found)
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    for name, meaning in re.findall(r"^# HELP (\w+) (.*)$", text, re.MULTILINE):
        yield (
            code(name),
            kinds[name],
            codes(sorted(labels[name] if name in labels else labels[_SUFFIX.sub("", name)])),
            sentence(meaning),
        )
