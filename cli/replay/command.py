"""`serin replay`: reads the Canary and the edited spec, and prints what would have happened."""

import sys
from typing import Any, Final

from canary.api.canary import Canary
from canary.api.problems import InvalidObject
from canary.rules.shape import parse_canary
from canary.run.history import Outcome
from cli.canaries import Faulty, parsed_canaries
from cli.cluster.access import Access
from cli.cluster.failures import Failed
from cli.exit_codes import ExitCode
from cli.input.documents import STDIN, STDIN_NAME, read_objects
from cli.input.errors import BadInput
from cli.lint.findings import is_ours
from cli.lint.input_cluster import CANARY_KIND, InputCluster
from cli.outputs import ValueOutput, as_text
from cli.replay.checks import Check, LeftOut, Measured, Tested, as_agent_reads, pair
from cli.replay.course import Given
from cli.replay.course import replay as go_through
from cli.replay.record import Record, read_record
from cli.replay.report import Told, as_lines
from cli.replay.value import as_value
from cli.terminal import complain, show

_NOT_REPLAYED: Final = (
    *("interval", "step_weight", "step_weights", "max_weight", "steps"),
    *("iterations", "mirror", "mirror_weight", "match", "session_affinity"),
)


async def replay(access: Access, name: str, spec: str, output: ValueOutput) -> ExitCode:
    """Print what would have happened; in one line why that can't be known."""
    obj = await access.canary(name)
    about, record = f"{access.one_namespace}/{name}", read_record(obj)
    edited = _edited(spec, name, access.one_namespace) if spec else None
    stored = _stored(obj, about, is_needed=edited is None)
    canary = edited or stored
    assert canary is not None  # without a file the stored one is needed
    stored = stored or canary
    _check_there_is_a_run(about, record)
    now = list(pair(as_agent_reads(canary, stored, record), stored, record))
    then = list(pair(as_agent_reads(stored, stored, record), stored, record)) if edited is not None else []
    told = _told(about, _name_of(spec), record, stored, canary, now, then)
    if not told.tests and not told.measured:
        for each in told.left_out:
            complain(f"serin: {told.spec}: {each.why}")
        if not told.left_out:
            raise Failed(f"{told.spec}: spec.analysis.metrics: found none; allowed: one or more", ExitCode.FAULTS)
        return ExitCode.FAULTS
    if output in {ValueOutput.JSON, ValueOutput.YAML}:
        sys.stdout.write(as_text(as_value(told), output))
    else:
        show(as_lines(told, is_wide=output is ValueOutput.WIDE))
    return ExitCode.OK


def _told(
    about: str,
    spec: str,
    record: Record,
    stored: Canary,
    canary: Canary,
    now: list[Check],
    then: list[Check],
) -> Told:
    tests = [each for each in now if isinstance(each, Tested)]
    measured = [each for each in now if isinstance(each, Measured)]
    baseline = [each for each in then if isinstance(each, Tested)]
    given = Given(
        stored=stored,
        tests=tests,
        measured=measured,
        baseline=baseline,
        threshold=canary.threshold,
        failed_checks=record.failed_checks,
        is_promoted=record.fate.outcome is Outcome.PROMOTED,
    )
    return Told(
        canary=about,
        spec=spec,
        record=record,
        course=go_through(given),
        tests=tests,
        baseline=baseline,
        measured=measured,
        left_out=[each for each in now if isinstance(each, LeftOut)],
        not_replayed=_not_replayed(stored, canary),
        interval_s=stored.interval_s,
    )


def _not_replayed(stored: Canary, canary: Canary) -> list[str]:
    """Return the fields of the analysis that make other steps, or other looks, and differ."""
    before, now = stored.analysis, canary.analysis
    if before is None or now is None:
        return []
    differ = [field for field in _NOT_REPLAYED if getattr(before, field) != getattr(now, field)]
    return [type(now).model_fields[field].alias or field for field in differ]


def _check_there_is_a_run(about: str, record: Record) -> None:
    if record.last_at_s is not None:
        return
    if not record.is_any:
        line = f"Canary {about}: status.serin.run: found no run; allowed: a canary that had one"
    elif record.fate.outcome is None:
        line = (
            f"Canary {about}: status.serin.evidence: found no look of the run under way yet; allowed: one after a check"
        )
    else:
        line = (
            f"Canary {about}: status.serin.checks: found nothing of the last run's checks; allowed: a run with metrics"
        )
    raise Failed(line, ExitCode.FAULTS)


def _name_of(spec: str) -> str:
    if not spec:
        return "its own spec"
    return STDIN_NAME if spec == STDIN else spec


def _stored(obj: Any, about: str, *, is_needed: bool) -> Canary | None:
    try:
        return parse_canary(obj)
    except InvalidObject as error:
        if not is_needed:
            return None
        problem = error.problems[0]
        raise Failed(f"Canary {about}: {problem}; or give a spec with --spec", ExitCode.FAULTS) from error


def _edited(spec: str, name: str, namespace: str) -> Canary:
    """Read the canary of this name from a file; what is wrong with it goes to stderr."""
    shown = _name_of(spec)
    try:
        documents = read_objects(spec)
        canaries = [each for each in documents if is_ours(each) and each.kind == CANARY_KIND]
        meant = [each for each in canaries if (each.namespace(namespace), each.name) == (namespace, name)]
        if len(meant) != 1:
            found = ", ".join(f"{each.namespace(namespace)}/{each.name}" for each in meant or canaries) or "no Canary"
            raise Failed(f"{shown}: found {found}; allowed: one Canary {namespace}/{name}", ExitCode.USAGE)
        return next(parsed_canaries(spec, meant, namespace, InputCluster(documents, namespace)))
    except BadInput as error:
        raise Failed(str(error), ExitCode.FAULTS if isinstance(error, Faulty) else ExitCode.USAGE) from error
