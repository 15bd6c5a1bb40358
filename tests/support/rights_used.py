"""At the end of a test run: what Serin asked the API servers of all clusters for is what it has rights to, and no more.

After a run of all cluster tests that passed, each right must also have been used by one of them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sandbox.paths import State
from tests.support.cluster import REPOSITORY
from tests.support.granted import Right, covers, events, granted, manifests, not_granted, unused, used

_PROBLEMS = pytest.StashKey[list[str]]()
_STARTED_AT_S = pytest.StashKey[float]()
_ALL_OF_THEM = ("tests/cluster", "tests/exclusive")

INSTALLED = tuple(REPOSITORY / "manifests" / folder for folder in ("rbac", "webhook", "prometheus"))

# What no test can see used, and why.
NEVER_SEEN = {
    Right(
        "serin-agent", "update", "flagger.app", "canaries/finalizers"
    ): "asked for by an admission plugin of OpenShift",
    Right("serin-agent", "get", "flagger.app", "metrictemplates"): "only an agent of one namespace reads them so",
    Right("serin-agent", "get", "flagger.app", "alertproviders"): "only an agent of one namespace reads them so",
    Right("serin-agent", "get", "gloo.solo.io", "upstreams"): "only an agent of one namespace reads them so",
    Right("flagger-prometheus", "list", "", "pods"): "its client falls back to it where a watch sends no list at first",
}


def note_start(config: pytest.Config, now_s: float) -> None:
    """Note when the run started: logs of before are not its."""
    config.stash[_STARTED_AT_S] = now_s


def check(session: pytest.Session) -> None:
    """Fail the run for a request without a right or, after a run of all tests, for a right without a request."""
    config, started_at_s = session.config, session.config.stash[_STARTED_AT_S]
    states = (State(folder) for folder in (REPOSITORY / "build").glob("test-sandbox*"))
    logs = [state.audit_log for state in states if state.audit_log.exists()]
    logs = [log for log in logs if log.stat().st_mtime >= started_at_s]
    if not logs:
        return
    arguments = {Path(argument).as_posix().rstrip("/") for argument in config.args}
    is_whole = arguments >= set(_ALL_OF_THEM) and not config.option.keyword and session.testsfailed == 0
    config.stash[_PROBLEMS] = found = list(problems(logs, is_whole=is_whole))
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def show(reporter: pytest.TerminalReporter) -> None:
    """Say what was found."""
    for problem in reporter.config.stash.get(_PROBLEMS, []):
        reporter.write_line(f"RIGHTS {problem}", red=True)


def problems(logs: list[Path], *, is_whole: bool) -> Iterator[str]:
    """Return what is wrong with what the logs show."""
    rights, uses = granted(manifests(*INSTALLED)), {use for log in logs for use in used(events(log))}
    # With what components give: tests apply some of them.
    for use in sorted(not_granted(granted(manifests(REPOSITORY / "manifests")) | _of_shards(), uses)):
        yield f"asked for, and not granted in manifests/: {use}"
    for use in sorted(uses):
        if use.resource == "secrets" and not may_read(use):
            yield f"a Secret that nothing refers to: {use}"
    if is_whole:
        for right in sorted(unused(rights - NEVER_SEEN.keys(), uses)):
            yield f"granted in manifests/, and used by no test: {right}"


def _of_shards() -> set[Right]:
    """Return what the component of several leaders adds: a patch, which is no document of its own."""
    (patch,) = yaml.safe_load((REPOSITORY / "manifests" / "shards" / "leases.yaml").read_text())
    return {
        Right("serin-agent", verb, "coordination.k8s.io", "leases", name)
        for verb in ("get", "update")
        for name in patch["value"]
    }


def may_read(use: Right) -> bool:
    """Return whether a request for Secrets is for one by its name, and not for one of Serin's own by the agent."""
    own = Right("serin-agent", use.verb, "", "secrets", "serin-webhook-authority")
    return (bool(use.name) or use.verb == "create") and not covers(own, use)
