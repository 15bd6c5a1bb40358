"""`serin doctor`: all checks at once, told in their order."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

from cli.cluster.access import Access
from cli.doctor import installation, report
from cli.doctor.checks.agent import check_agent
from cli.doctor.checks.canaries import check_canaries
from cli.doctor.checks.flagger import check_flagger
from cli.doctor.checks.gloo import check_gloo
from cli.doctor.checks.kubernetes import check_crds, check_kubernetes
from cli.doctor.checks.metrics import check_metrics
from cli.doctor.checks.rights import check_rights
from cli.doctor.checks.routes import check_routes
from cli.doctor.checks.templates import check_templates
from cli.doctor.checks.webhook import check_webhook
from cli.doctor.finding import Checked, Finding, faults_of
from cli.doctor.installation import Installation
from cli.exit_codes import ExitCode
from cli.outputs import ValueOutput, as_text
from cli.terminal import show

Check = Callable[[Installation], Awaitable[list[Finding]]]

CHECKS: Final[dict[str, Check]] = {
    "kubernetes": check_kubernetes,
    "crds": check_crds,
    "gloo": check_gloo,
    "agent": check_agent,
    "rights": check_rights,
    "webhook": check_webhook,
    "prometheus": check_metrics,
    "queries": check_templates,
    "flagger": check_flagger,
    "routes": check_routes,
    "canaries": check_canaries,
}
_AGAIN_S: Final = 2.0


async def doctor(access: Access, output: ValueOutput, wait_s: float) -> ExitCode:
    """Print what was found; `wait_s`: look again for so long, until there is no fault. Return FAULTS for one."""
    until_s = time.monotonic() + wait_s
    before: list[str] = []
    while True:
        checked = await examine(access)
        faults = faults_of(checked)
        if not faults or time.monotonic() + _AGAIN_S > until_s:
            break
        if faults != before:
            sys.stderr.write(f"serin: waiting: {', '.join(faults)}\n")
        before = faults
        await asyncio.sleep(_AGAIN_S)
    if output in {ValueOutput.JSON, ValueOutput.YAML}:
        sys.stdout.write(as_text(report.as_value(checked), output))
    else:
        show(report.as_lines(checked))
    return ExitCode.FAULTS if faults else ExitCode.OK


async def examine(access: Access) -> list[Checked]:
    """Return what all checks found."""
    serin = await installation.find(access)
    found = await asyncio.gather(*(check(serin) for check in CHECKS.values()))
    return [Checked(name, tuple(findings)) for name, findings in zip(CHECKS, found, strict=True) if findings]
