"""What `serin lint` says of a Canary is what the webhook answers, for every fault that its own tests know."""

import json
from collections.abc import Mapping

from tests.support.admission_faults import answers
from tests.support.rule_cases import good_canary_with
from tests.unit.cli.conftest import Serin
from tests.unit.webhook.test_faulty_canaries import FAULTS, NO_FAULTS
from tests.unit.webhook.test_faulty_checks import FAULTS as FAULTY_CHECKS

CHANGES = [*(fault.changes for fault in (*FAULTS, *FAULTY_CHECKS)), *NO_FAULTS]


def test_every_fault_is_told_as_admission_tells_it(serin: Serin) -> None:
    assert len(CHANGES) > 80
    for changes in CHANGES:
        assert sorted(told(serin, changes)) == sorted(answers(changes)), changes


def told(serin: Serin, changes: Mapping[str, object]) -> list[str]:
    ran = serin("lint", "-o", "json", "-", stdin=json.dumps(good_canary_with(changes)))
    findings = json.loads(ran.stdout)["findings"]
    assert all(one["line"] == 1 and one["column"] >= 1 for one in findings)
    return [f"{one['severity']}: {one['message']}" for one in findings]


def test_faults_are_told_where_they_are(serin: Serin) -> None:
    text = json.dumps(good_canary_with({"analysis/metrics/1/interval": "x"}), indent=1)
    line = next(number for number, line in enumerate(text.splitlines(), 1) if '"interval": "x"' in line)
    (finding,) = json.loads(serin("lint", "-o", "json", "-", stdin=text).stdout)["findings"]
    assert (finding["line"], finding["path"]) == (line, "spec.analysis.metrics[1].interval")
