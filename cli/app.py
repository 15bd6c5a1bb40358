"""The command line of `serin`. What a verb needs is imported when it runs: `--help` waits for none of it."""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from cli.care_verbs import app as care_verbs
from cli.cluster_verbs import app as cluster_verbs
from cli.exit_codes import ExitCode
from cli.verb import VerbCommand

if TYPE_CHECKING:
    from render.labels import LabelSettings

T = TypeVar("T")

# ruff: noqa: PLC0415  see above


class LintOutput(StrEnum):
    """What `lint` and `plan` print."""

    TEXT = "text"
    JSON = "json"


class ObjectOutput(StrEnum):
    """What `render` prints."""

    YAML = "yaml"
    JSON = "json"


app = typer.Typer(
    name="serin",
    help="Progressive delivery for Gloo Edge: what your canaries do, and what they will do, told from their files.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Namespace = Annotated[
    str, typer.Option("--namespace", "-n", metavar="NAME", help="The namespace of objects that name none.")
]
TextOrJson = Annotated[LintOutput, typer.Option("--output", "-o", help="What to print.")]
FILE = "A file, a folder, or - for stdin; several documents in a file are read as kubectl reads them."
_SELECTOR_LABELS = "app,name,app.kubernetes.io/name"
SelectorLabels = Annotated[
    str, typer.Option(metavar="KEYS", help="Which label may tell the two sides apart, as the agent's flag.")
]
NoAcross = Annotated[
    bool,
    typer.Option(
        "--no-cross-namespace-refs", help="Canaries refer to their own namespace only, as the webhook's flag."
    ),
]


def _show_version(is_wanted: bool) -> None:  # noqa: FBT001  typer gives it so
    if is_wanted:
        from service.version import serin_version

        typer.echo(f"serin {serin_version()}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Show what canaries do, and what they will do."""
    del version  # it was shown before any verb is looked for


@app.command(short_help="Check files as the admission webhook would.")
def lint(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help=FILE)],
    *,
    namespace: Namespace = "default",
    output: TextOrJson = LintOutput.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 for warnings, too.")] = False,
    no_cross_namespace_refs: NoAcross = False,
    selector_labels: SelectorLabels = _SELECTOR_LABELS,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Exit 0 for stdin or folders without any object, too.")
    ] = False,
) -> None:
    """Check Canaries, MetricTemplates and AlertProviders as the admission webhook would, offline.

    Objects of other kinds are looked at only where one of these refers to them. Exits 1 if anything would be refused, 2
    if stdin or a folder has no object at all, as after a command that failed in a pipe.
    """
    from cli.input.documents import nothing_in, read_input
    from cli.lint import report
    from cli.lint.findings import lint as find
    from cli.terminal import show

    found = _told(lambda: read_input(files))
    empty = "" if allow_empty or found.documents or found.broken else nothing_in(files)
    if empty:
        _fail(f"{empty}: found no object; allowed: at least one, or --allow-empty", ExitCode.USAGE)
    labels = _told(lambda: _read_labels(selector_labels))
    result = find(found, namespace, allows_across=not no_cross_namespace_refs, labels=labels)
    if output is LintOutput.JSON:
        typer.echo(report.as_json(result))
    else:
        show(report.as_lines(result))
    is_faulty = result.errors or (strict and result.warnings)
    raise typer.Exit(ExitCode.FAULTS if is_faulty else ExitCode.OK)


@app.command(short_help="Show when each step of a run comes.")
def plan(
    file: Annotated[str, typer.Argument(metavar="FILE", help=FILE)],
    *,
    namespace: Namespace = "default",
    output: TextOrJson = LintOutput.TEXT,
) -> None:
    """Show when each step of a run comes, the shortest time to promotion and the longest to rollback.

    Told by the state machine that runs in the cluster, with pods, gateway, checks and gates that answer at once.
    """
    _told(lambda: _plan(file, namespace, output))


@app.command(short_help="Show all generated objects.")
def render(
    file: Annotated[str, typer.Argument(metavar="FILE", help=FILE)],
    *,
    namespace: Namespace = "default",
    output: Annotated[ObjectOutput, typer.Option("--output", "-o", help="What to print.")] = ObjectOutput.YAML,
    selector_labels: SelectorLabels = _SELECTOR_LABELS,
    include_label_prefix: Annotated[
        str, typer.Option(metavar="PREFIXES", help="Which labels are carried over, as the agent's flag.")
    ] = "",
) -> None:
    """Show all objects that the Canaries of a file generate.

    The file must have the target's Deployment or DaemonSet, too. For reading, not for applying: the agent makes them.
    """
    _told(lambda: _render(file, namespace, output, selector_labels, include_label_prefix))


for verbs in (app, cluster_verbs, care_verbs):
    for verb in verbs.registered_commands:
        verb.cls = VerbCommand
app.add_typer(cluster_verbs)
app.add_typer(care_verbs)


def _plan(file: str, namespace: str, output: LintOutput) -> None:
    from cli.canaries import parsed_canaries
    from cli.input.documents import read_objects
    from cli.lint.input_cluster import InputCluster
    from cli.plan import report
    from cli.plan.beside import played
    from cli.terminal import show

    documents = read_objects(file)
    cluster = InputCluster(documents, namespace)
    found = [(canary, played(canary, cluster)) for canary in parsed_canaries(file, documents, namespace, cluster)]
    if output is LintOutput.JSON:
        values = [report.as_value(canary, times) for canary, times in found]
        typer.echo(json.dumps({"canaries": values}, indent=2, ensure_ascii=False))
        return
    for place, (canary, times) in enumerate(found):
        show([*([""] if place else []), *report.as_lines(canary, times)])


def _render(file: str, namespace: str, output: ObjectOutput, selector_labels: str, include_label_prefix: str) -> None:
    from cli.canaries import parsed_canaries
    from cli.generated.manifest import as_json, as_yaml
    from cli.generated.objects import generate
    from cli.input.documents import read_objects
    from cli.lint.input_cluster import InputCluster
    from cli.terminal import complain

    labels = _read_labels(selector_labels, include_label_prefix)
    documents = read_objects(file)
    cluster = InputCluster(documents, namespace)
    found = [generate(canary, cluster, labels) for canary in parsed_canaries(file, documents, namespace, cluster)]
    for generated in found:
        for note in generated.notes:
            complain(f"note: {note}")
    objects = [obj for generated in found for obj in generated.objects]
    typer.echo(as_json(objects) if output is ObjectOutput.JSON else as_yaml(objects).rstrip("\n"))


def _read_labels(selector_labels: str, include_label_prefix: str = "") -> "LabelSettings":
    from cli.input.errors import BadInput
    from render.labels import LabelSettings

    try:
        return LabelSettings.read(selector_labels, include_label_prefix)
    except ValueError as error:
        raise BadInput(str(error)) from error


def _told(do: Callable[[], T]) -> T:
    """Do something; bad input ends the command with one line on stderr."""
    from cli.canaries import Faulty
    from cli.input.errors import BadInput

    try:
        return do()
    except BadInput as error:
        _fail(str(error), ExitCode.FAULTS if isinstance(error, Faulty) else ExitCode.USAGE)


def _fail(line: str, code: ExitCode) -> NoReturn:
    from cli.terminal import complain

    complain(f"serin: {line}")
    raise typer.Exit(code)
