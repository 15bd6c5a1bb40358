"""`serin migrate`: of a cluster, or of files. Nothing is changed."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.exit_codes import ExitCode
from cli.input.documents import read_input
from cli.migrate.change import Weight
from cli.migrate.examine import documents_of, examine
from cli.migrate.report import Migration, as_lines, as_value
from cli.outputs import ValueOutput, as_text
from cli.terminal import show

if TYPE_CHECKING:
    from cli.cluster.access import Access

# ruff: noqa: PLC0415  files are told without a client


def migrate_files(names: Sequence[str], namespace: str, output: ValueOutput) -> ExitCode:
    """Print what changes for the canaries of files.

    Raises:
        BadInput: a file is not there, or is no YAML.
    """
    found = read_input(names)
    if found.broken:
        raise found.broken[0]
    return _tell(Migration(tuple(examine(found.documents, namespace))), output)


async def migrate_cluster(access: "Access", output: ValueOutput) -> ExitCode:
    """Print what changes for the canaries of a cluster, and the steps."""
    from cli.migrate.cluster import changes_of_installation, read
    from cli.migrate.steps import steps_back, steps_to_serin

    found = await read(access)
    provider = next((one.mesh_provider for one in found.flaggers if one.mesh_provider), "")
    documents = documents_of([*found.canaries, *found.others])
    canaries, installation = tuple(examine(documents, "default", provider)), tuple(changes_of_installation(found))
    told = Migration(canaries, installation)
    again = "migrate -A" if access.namespace is None else f"migrate -n {access.namespace}"
    weights = {change.weight for one in canaries for change in one.changes}
    steps = steps_to_serin(
        found,
        has_changes=told.is_in_the_way,
        has_runs=Weight.WAIT in weights,
        again=f"{access.program} {again}{access.options.as_arguments()}",
    )
    flaggers = tuple(f"{one.namespace}/{one.name}" for one in found.flaggers)
    notes = found.notes if flaggers else (*found.notes, "found no Deployment of Flagger")
    return _tell(Migration(canaries, installation, flaggers, tuple(steps), tuple(steps_back(found)), notes), output)


def _tell(found: Migration, output: ValueOutput) -> ExitCode:
    if output in {ValueOutput.JSON, ValueOutput.YAML}:
        sys.stdout.write(as_text(as_value(found), output))
    else:
        show(as_lines(found))
    return ExitCode.FAULTS if found.is_in_the_way else ExitCode.OK
