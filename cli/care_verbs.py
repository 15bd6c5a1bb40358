"""The verbs that look at the installation as a whole. What each needs is imported when it runs."""

from typing import Annotated

import typer

from cli.cluster.options import AllNamespaces, ClusterOptions, Context, Kubeconfig, Namespace
from cli.cluster.running import run_verb, seconds_of
from cli.outputs import ValueOutput

# ruff: noqa: PLC0415  see above

app = typer.Typer()

TextOrValue = Annotated[ValueOutput, typer.Option("--output", "-o", help="What to print.")]


@app.command(short_help="Check that all is well that Serin needs.")
def doctor(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    namespace: Namespace = "",
    all_namespaces: AllNamespaces = False,
    output: TextOrValue = ValueOutput.TEXT,
    wait: Annotated[bool, typer.Option("--wait", help="Look again until there is no fault.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait, such as 90s or 1h30m.")] = "5m",
) -> None:
    """Check Kubernetes, Gloo, the agent and its rights, the webhook, Prometheus and its series, Flagger and canaries.

    What is wrong comes with the command that mends it. Exits 0 without a fault, 1 with one. What you may not read is
    told as not checked. Changes nothing.
    """
    from cli.doctor.command import doctor as examine

    wait_s = seconds_of("--timeout", timeout) if wait else 0.0
    options = ClusterOptions(kubeconfig, context, namespace, all_namespaces)
    run_verb(options, lambda access: examine(access, output, wait_s))
