"""The verbs that look at the installation as a whole. What each needs is imported when it runs."""

from typing import Annotated

import typer

from cli.cluster.options import AllNamespaces, Context, Kubeconfig, Namespace, TextOrValue, Timeout
from cli.cluster.running import misused, run_verb, seconds_of
from cli.cluster.selection import ClusterOptions
from cli.outputs import ValueOutput

# ruff: noqa: PLC0415  see above

app = typer.Typer()


@app.command(short_help="Check that all is well that Serin needs.")
def doctor(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    namespace: Namespace = "",
    all_namespaces: AllNamespaces = False,
    output: TextOrValue = ValueOutput.TEXT,
    wait: Annotated[bool, typer.Option("--wait", help="Look again until there is no fault.")] = False,
    timeout: Timeout = "5m",
) -> None:
    """Check Kubernetes, Gloo, the agent and its rights, the webhook, Prometheus and its series, Flagger and canaries.

    What is wrong comes with the command that mends it. Exits 0 without a fault, 1 with one. What you may not read is
    told as not checked. Changes nothing.
    """
    from cli.doctor.command import doctor as examine

    wait_s = seconds_of("--timeout", timeout) if wait else 0.0
    options = ClusterOptions(kubeconfig, context, namespace, all_namespaces)
    run_verb(options, lambda access: examine(access, output, wait_s))


@app.command(short_help="Show what changes when Serin takes Flagger's place.")
def migrate(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="Files, folders or - for stdin; else the cluster.")
    ] = None,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    namespace: Namespace = "",
    all_namespaces: AllNamespaces = False,
    output: TextOrValue = ValueOutput.TEXT,
) -> None:
    """Show what changes for each canary when Serin takes Flagger's place, the steps there, and the way back.

    Of a cluster, or of files. Exits 1 if something has to be changed first. Changes nothing.
    """
    if not files:
        from cli.migrate.command import migrate_cluster

        options = ClusterOptions(kubeconfig, context, namespace, all_namespaces)
        run_verb(options, lambda access: migrate_cluster(access, output))
    from cli.input.errors import BadInput
    from cli.migrate.command import migrate_files

    if all_namespaces or kubeconfig or context:
        misused("a FILE with an option of a cluster; allowed: a FILE with -n, or no FILE")
    try:
        code = migrate_files(files, namespace or "default", output)
    except BadInput as error:
        misused(str(error))
    raise typer.Exit(code)
