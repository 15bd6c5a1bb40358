"""`python -m agent`: the agent's command line. Flags that Flagger has too are named and may be written as there."""

import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from agent.command_line.flaggers import meaningless, spelled_here
from agent.command_line.values import (
    address_ranges_of,
    check_addresses,
    check_shards,
    labels_of,
    listed,
    namespaces_of,
)
from agent.limits.runs import RunLimits
from agent.main import run
from agent.settings import CONFIG_READS_S, ConfigTracking, Judge, PageAuth, Settings
from agent.shards.assignment import MOST_SHARDS
from kube.errors import KubeError
from render.labels import SELECTOR_LABELS
from service.log import configure_logging
from service.version import serin_version

_log = logging.getLogger(__name__)


def _show_version(is_wanted: bool) -> None:  # noqa: FBT001  typer gives it so
    if is_wanted:
        typer.echo(f"serin {serin_version()}")
        raise typer.Exit


def main(
    metrics_server: Annotated[str, typer.Option(help="Prometheus of the builtin checks.")] = "http://prometheus:9090",
    namespace: Annotated[str, typer.Option(help="Watch this namespace only; empty is all.")] = "",
    port: Annotated[int, typer.Option(help="Port of /metrics, /healthz and /readyz.")] = 8080,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    kubeconfig: Annotated[Path | None, typer.Option(help="Outside a cluster.")] = None,
    *,
    enable_leader_election: Annotated[bool, typer.Option(help="Only the holder of the lease writes.")] = True,
    leader_election_namespace: Annotated[str, typer.Option(help="Namespace of the lease.")] = "gloo-system",
    shards: Annotated[
        int, typer.Option(min=1, max=MOST_SHARDS, help="Leaders among whom namespaces are shared; each has a lease.")
    ] = 1,
    pod_uid: Annotated[str, typer.Option(help="Names the holder of the lease.", envvar="POD_UID")] = "",
    slack_url: Annotated[str, typer.Option(help="Slack hook of canaries without alerts.", envvar="SLACK_URL")] = "",
    slack_token: Annotated[str, typer.Option(help="Slack bot token.", envvar="SLACK_TOKEN")] = "",
    slack_proxy_url: Annotated[str, typer.Option(help="Proxy to Slack.", envvar="SLACK_PROXY_URL")] = "",
    slack_channel: Annotated[str, typer.Option(help="Slack channel; empty is general.")] = "",
    slack_user: Annotated[str, typer.Option(help="Name under which Slack shows alerts.")] = "flagger",
    msteams_url: Annotated[
        str, typer.Option(help="Teams hook of canaries without alerts; goes before Slack's.", envvar="MSTEAMS_URL")
    ] = "",
    msteams_proxy_url: Annotated[str, typer.Option(help="Proxy to Teams.", envvar="MSTEAMS_PROXY_URL")] = "",
    cluster_name: Annotated[str, typer.Option(help="Shown in alerts.")] = "",
    event_webhook: Annotated[
        str, typer.Option(help="Told of the events of canaries without an event hook.", envvar="EVENT_WEBHOOK_URL")
    ] = "",
    pod_namespace: Annotated[str, typer.Option(help="Where the agent itself runs.", envvar="POD_NAMESPACE")] = "",
    flagger_namespace: Annotated[
        list[str] | None,
        typer.Option(help="Where else than here and in flagger-system a Flagger holds everything up."),
    ] = None,
    hook_key: Annotated[str, typer.Option(help="Signs what hooks are sent.", envvar="HOOK_KEY")] = "",
    gateway_namespaces: Annotated[
        list[str] | None,
        typer.Option(help="Builtin checks count what pods of these namespaces export; without it any pod's."),
    ] = None,
    no_cross_namespace_refs: Annotated[
        bool,
        typer.Option(
            "--no-cross-namespace-refs/--cross-namespace-refs", help="Canaries refer to their own namespace only."
        ),
    ] = False,
    allowed_address_ranges: Annotated[
        list[str] | None,
        typer.Option(help="Loopback, link-local and such that Canaries may name all the same, as in 127.0.0.0/8."),
    ] = None,
    selector_labels: Annotated[
        str, typer.Option(help="Of these labels a target's selector must have one, which tells the two sides apart.")
    ] = ",".join(SELECTOR_LABELS),
    include_label_prefix: Annotated[
        str, typer.Option(help="Labels that begin so are carried over to the primary and its copies; * is all.")
    ] = "",
    config_tracking: Annotated[
        ConfigTracking, typer.Option(help="How changes of ConfigMaps and Secrets are noticed.")
    ] = ConfigTracking.REFERENCED,
    config_reads_s: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two reads of what a target refers to.")
    ] = CONFIG_READS_S,
    agent_identity_namespaces: Annotated[
        list[str] | None,
        typer.Option(help="Namespaces, beside its own, whose MetricTemplates use its identity at clouds; * is all."),
    ] = None,
    judge: Annotated[
        Judge, typer.Option(help="How builtin checks are judged whose metric has no evidence of its own.")
    ] = Judge.THRESHOLD,
    page_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the page, which shows all canaries live; 0 is none.")
    ] = 8081,
    page_auth: Annotated[
        PageAuth, typer.Option(help="none: on loopback, for kubectl port-forward; token: of the API server's users.")
    ] = PageAuth.NONE,
    max_runs: Annotated[
        int,
        typer.Option(
            min=0, help="Runs under way at once; others wait in a queue. 0: no bound. Each shard has its part."
        ),
    ] = 0,
    max_namespace_runs: Annotated[int, typer.Option(min=0, help="The same of one namespace.")] = 0,
    flaggers_flag: Annotated[list[str] | None, typer.Option(hidden=True)] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Run the analysis loops of all canaries."""
    del version  # it was shown before anything else is looked at
    start_log(log_level, flaggers_flag or ())
    labels = labels_of(selector_labels, include_label_prefix)
    check_addresses(
        {
            "--metrics-server": metrics_server,
            "--slack-url": slack_url,
            "--slack-proxy-url": slack_proxy_url,
            "--msteams-url": msteams_url,
            "--msteams-proxy-url": msteams_proxy_url,
            "--event-webhook": event_webhook,
        }
    )
    check_shards(shards, namespace=namespace, has_leases=enable_leader_election, max_runs=max_runs)
    settings = Settings(
        metrics_server=metrics_server,
        namespace=namespace,
        port=port,
        log_level=log_level,
        kubeconfig=kubeconfig,
        is_leader_election_on=enable_leader_election,
        leader_election_namespace=leader_election_namespace,
        shards=shards,
        pod_uid=pod_uid,
        slack_url=slack_url,
        slack_token=slack_token,
        slack_proxy_url=slack_proxy_url,
        slack_channel=slack_channel,
        slack_user=slack_user,
        msteams_url=msteams_url,
        msteams_proxy_url=msteams_proxy_url,
        cluster_name=cluster_name,
        event_webhook=event_webhook,
        pod_namespace=pod_namespace,
        flagger_namespaces=listed(flagger_namespace),
        allowed_address_ranges=address_ranges_of(allowed_address_ranges),
        config_tracking=config_tracking,
        config_reads_s=config_reads_s,
        labels=labels,
        allows_across=not no_cross_namespace_refs,
        gateway_namespaces=namespaces_of(gateway_namespaces, "--gateway-namespaces"),
        hook_key=hook_key,
        identity_namespaces=namespaces_of(agent_identity_namespaces, "--agent-identity-namespaces", may_be_all=True),
        judge=judge,
        page_port=page_port or None,
        page_auth=page_auth,
        run_limits=RunLimits(max_runs, max_namespace_runs, shards),
    )
    try:
        uvloop.run(run(settings))
    except KubeError as error:
        sys.exit(f"serin agent: {error}")


def start_log(level: str, only_flaggers: Iterable[str]) -> None:
    """Begin to log, and say which flags of Flagger's mean nothing here.

    Raises:
        typer.BadParameter: there is no such level, or no such flag.
    """
    try:
        configure_logging(level)
        for line in meaningless(only_flaggers):
            _log.warning(line)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


if __name__ == "__main__":
    sys.argv[1:] = spelled_here(sys.argv[1:], os.environ)
    typer.run(main)
