"""The options that kubectl has, too: which cluster, which namespace. Nothing heavy is imported for `--help`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.cluster.selection import ClusterOptions
from cli.outputs import ValueOutput

Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", metavar="FILE", help="The kubeconfig; else KUBECONFIG, ~/.kube/config.")
]


def complete_contexts(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the contexts of the kubeconfig."""
    from cli.cluster.completion import contexts  # noqa: PLC0415  only when TAB was pressed

    return contexts(options_of(ctx), incomplete)


def complete_namespaces(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the namespaces of the cluster that is meant."""
    from cli.cluster.completion import namespaces  # noqa: PLC0415  only when TAB was pressed

    return namespaces(options_of(ctx), incomplete)


def complete_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the canaries of the namespace that is meant."""
    from cli.cluster.completion import canary_names  # noqa: PLC0415  only when TAB was pressed

    return canary_names(options_of(ctx), incomplete)


Context = Annotated[
    str,
    typer.Option("--context", metavar="NAME", help="The context of the kubeconfig.", autocompletion=complete_contexts),
]
Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAME",
        help="The namespace; else the context's.",
        autocompletion=complete_namespaces,
    ),
]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The Canary.", autocompletion=complete_names)]
OptionalName = Annotated[
    str, typer.Argument(metavar="NAME", help="The Canary; else all of them.", autocompletion=complete_names)
]

TextOrValue = Annotated[ValueOutput, typer.Option("--output", "-o", help="What to print.")]
Timeout = Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long to wait, such as 90s or 1h30m.")]


def options_of(ctx: typer.Context) -> ClusterOptions:
    """Return the options of a command that is completed: what was typed so far."""
    typed = ctx.params
    kubeconfig = typed.get("kubeconfig")
    return ClusterOptions(
        Path(kubeconfig) if kubeconfig else None, typed.get("context") or "", typed.get("namespace") or ""
    )


def is_interactive() -> bool:
    """Return whether somebody can be asked: stdin and stdout are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def is_live_terminal() -> bool:
    """Return whether stdout is a terminal that can be drawn anew."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
