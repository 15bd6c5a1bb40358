"""The agent's command line: Flagger's flags are taken, and what can't be used is reported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from agent import __main__ as command_line
from agent.command_line.flaggers import spelled_here
from agent.limits.runs import RunLimits
from agent.settings import ConfigTracking, PageAuth, Settings
from render.labels import LabelSettings
from service.version import serin_version
from tests.support.patience import PATIENCE_S

REPOSITORY = Path(__file__).parents[3]

FLAGS = {
    "--metrics-server": "http://prometheus:9090",
    "--namespace": "test",
    "--port": "0",
    "--log-level": "error",
    "--leader-election-namespace": "gloo-system",
    "--slack-url": "http://slack.example/hook",
    "--slack-token": "xoxb-1",
    "--slack-proxy-url": "http://proxy.example:3128",
    "--slack-channel": "alerts",
    "--slack-user": "serin",
    "--msteams-url": "http://teams.example/hook",
    "--msteams-proxy-url": "http://proxy.example:3129",
    "--cluster-name": "staging",
    "--event-webhook": "http://events.example/",
}

# As in Flagger 1.44's main.go, and one of klog's, as Go takes them: with one dash, some with their value behind.
WHOLE = [
    *(f"-{flag.removeprefix('--')}={value}" for flag, value in (FLAGS | {"--log-level": "info"}).items()),
    *("-kubeconfig-qps", "100"),
    *("-kubeconfig-burst", "250"),
    "-master=",
    "-control-loop-interval=10s",
    "-threadiness=2",
    "-zap-replace-globals",
    "-zap-encoding=json",
    "-mesh-provider=gloo",
    "-selector-labels=app,name,app.kubernetes.io/name",
    "-include-label-prefix=*",
    "-ingress-annotations-prefix=nginx.ingress.kubernetes.io",
    "-ingress-class=contour",
    "-enable-leader-election=true",
    "-enable-config-tracking=true",
    "-kubeconfig-service-mesh=",
    "-no-cross-namespace-refs=false",
    *("-v", "4"),
]
WORDS = (REPOSITORY / "tests/unit/docs/flagger_words.txt").read_text().splitlines()
FLAGGERS = {line.removeprefix("flag ") for line in WORDS if line.startswith("flag ")}


def agent(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"} | environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )


def test_flaggers_flags_are_taken(tmp_path: Path) -> None:
    """All of them are read before the agent looks for a cluster, and finds none."""
    ended = agent(*WHOLE, f"-kubeconfig={tmp_path / 'none'}")
    assert ended.returncode == 1
    assert ended.stderr.startswith("serin agent: ")
    assert str(tmp_path / "none") in ended.stderr


def test_flaggers_whole_command_line_is_taken_and_what_means_nothing_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = {argument.partition("=")[0] for argument in WHOLE if argument.startswith("-")}
    assert written == FLAGGERS - {"-version", "-kubeconfig"} | {"-v"}
    assert read(monkeypatch, *WHOLE).cluster_name == "staging"
    logged = [record.getMessage() for record in caplog.records if record.name == "agent.__main__"]
    go = "it is for a logger of Go; logs are lines of JSON with Flagger's keys"
    providers = "it is for other providers than gloo"
    assert [line.split(" changes nothing here: ") for line in logged if " changes nothing " in line] == [
        ["-kubeconfig-qps=100", "the agent reads from watches, and few canaries write at once"],
        ["-kubeconfig-burst=250", "the agent reads from watches, and few canaries write at once"],
        ["-control-loop-interval=10s", "each canary has a loop of its own, which a watch wakes"],
        ["-threadiness=2", "each canary has a loop of its own, which a watch wakes"],
        ["-zap-replace-globals", go],
        ["-zap-encoding=json", go],
        ["-mesh-provider=gloo", "there is no other than gloo"],
        ["-ingress-annotations-prefix=nginx.ingress.kubernetes.io", providers],
        ["-ingress-class=contour", providers],
        ["-v=4", go],
    ]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("-master=https://10.0.0.1", "-master: found 'https://10.0.0.1'; allowed: nothing: the address of the API "),
        ("-kubeconfig-service-mesh=/tmp/x", "-kubeconfig-service-mesh: found '/tmp/x'; allowed: nothing: routes are "),
        ("-mesh-provider=istio", "-mesh-provider: found 'istio'; allowed: gloo"),
    ],
)
def test_a_flag_that_would_have_to_change_something_is_refused(argument: str, said: str) -> None:
    assert said in " ".join(refused(*spelled_here([argument])).replace("\u2502", "").split())


@pytest.mark.parametrize(("written", "level"), [("warn", "warning"), ("fatal", "error"), ("panic", "error")])
def test_every_level_of_flaggers_has_one_of_ours(monkeypatch: pytest.MonkeyPatch, written: str, level: str) -> None:
    assert read(monkeypatch, f"-log-level={written}").log_level == level
    assert read(monkeypatch, "-log-level", written).log_level == level


def test_what_flagger_reads_from_the_environment_counts_before_its_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "SLACK_URL": "http://slack.example/environment",
        "SLACK_TOKEN": "xoxb-environment",
        "SLACK_PROXY_URL": "http://proxy.example/environment",
        "MSTEAMS_URL": "http://teams.example/environment",
        "MSTEAMS_PROXY_URL": "http://proxy.example/environment",
        "EVENT_WEBHOOK_URL": "http://events.example/environment",
    }
    arguments = [part for flag, value in FLAGS.items() for part in (flag, value)]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = read(monkeypatch, *arguments)
    slack = [settings.slack_url, settings.slack_token, settings.slack_proxy_url]
    found = [*slack, settings.msteams_url, settings.msteams_proxy_url, settings.event_webhook]
    assert found == list(given.values())
    assert settings.cluster_name == "staging"


@pytest.mark.parametrize("argument", ["-version", "--version", "-version=true"])
def test_the_version_is_shown_and_nothing_starts(argument: str) -> None:
    app = typer.Typer()
    app.command()(command_line.main)
    ended = CliRunner().invoke(app, list(spelled_here([argument])))
    assert (ended.exit_code, ended.output) == (0, f"serin {serin_version()}\n")


@pytest.mark.parametrize(
    ("arguments", "labels"),
    [
        ([], LabelSettings(("app", "name", "app.kubernetes.io/name"), ())),
        (["-selector-labels=app,track"], LabelSettings(("app", "track"), ())),
        (["--include-label-prefix=*"], LabelSettings(("app", "name", "app.kubernetes.io/name"), ("*",))),
        (
            ["-include-label-prefix=team,app.kubernetes.io/", "-selector-labels=k8s-app"],
            LabelSettings(("k8s-app",), ("team", "app.kubernetes.io/")),
        ),
    ],
)
def test_flaggers_two_settings_of_labels_are_read(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], labels: LabelSettings
) -> None:
    assert read(monkeypatch, *arguments).labels == labels


def test_labels_that_are_none_are_refused() -> None:
    assert "--selector-labels: found 'app,tr ack'; allowed: keys of labels" in refused("--selector-labels=app,tr ack")
    assert "--include-label-prefix: found 'team*'; allowed: what keys of labels begin" in refused(
        "--include-label-prefix=team*"
    )


@pytest.mark.parametrize("dash", ["-", "--"])
def test_each_of_flaggers_flags_is_a_setting(monkeypatch: pytest.MonkeyPatch, dash: str) -> None:
    arguments = [f"{dash}{flag.removeprefix('--')}={value}" for flag, value in FLAGS.items()]
    settings = read(monkeypatch, *arguments, f"{dash}kubeconfig=/etc/kube", f"{dash}enable-leader-election=false")
    assert settings == Settings(
        metrics_server="http://prometheus:9090",
        namespace="test",
        port=0,
        log_level="error",
        kubeconfig=Path("/etc/kube"),
        is_leader_election_on=False,
        leader_election_namespace="gloo-system",
        slack_url="http://slack.example/hook",
        slack_token="xoxb-1",
        slack_proxy_url="http://proxy.example:3128",
        slack_channel="alerts",
        slack_user="serin",
        msteams_url="http://teams.example/hook",
        msteams_proxy_url="http://proxy.example:3129",
        cluster_name="staging",
        event_webhook="http://events.example/",
        page_port=8081,
    )


@pytest.mark.parametrize(
    ("arguments", "port", "auth"),
    [
        ([], 8081, PageAuth.NONE),
        (["--page-port=9000"], 9000, PageAuth.NONE),
        (["--page-port=0"], None, PageAuth.NONE),
        (["--page-auth=token"], 8081, PageAuth.TOKEN),
    ],
)
def test_the_page_is_on_a_port_of_its_own_or_nowhere(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], port: int | None, auth: PageAuth
) -> None:
    settings = read(monkeypatch, *arguments)
    assert (settings.page_port, settings.page_auth) == (port, auth)


def test_runs_have_no_bound_unless_one_is_set_and_none_is_negative(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch).run_limits == RunLimits(0, 0)
    bounded = read(monkeypatch, "--max-runs=20", "--max-namespace-runs=4")
    assert bounded.run_limits == RunLimits(20, 4)
    assert read(monkeypatch, "--max-runs=3", "--shards=3").run_limits == RunLimits(3, 0, 3)
    for flag in ("--max-runs", "--max-namespace-runs"):
        said = refused(f"{flag}=-1")
        assert flag in said
        assert "greater than or equal to 0" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shards=17"], "'--shards': Input should be less than or equal to 16"),
        (["--shards=2", "--namespace=shop"], "--shards: found 2 with --namespace=shop; allowed: 1, or all namespaces"),
        (["--shards=3", "--max-runs=2"], "--max-runs: found 2 with --shards=3; allowed: 0, or 3 and more"),
        (["--shards=2", "--no-enable-leader-election"], "--shards: found 2 with --no-enable-leader-election; allowed"),
    ],
)
def test_leaders_share_all_namespaces_and_each_has_a_lease(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    assert read(monkeypatch).shards == 1
    assert read(monkeypatch, "--shards=3").shards == 3
    assert said in refused(*arguments)


@pytest.mark.parametrize(
    ("written", "is_on"),
    [("=true", True), ("=1", True), ("", True), ("=false", False), ("=F", False)],
)
def test_a_switch_takes_a_value_as_in_go(monkeypatch: pytest.MonkeyPatch, written: str, *, is_on: bool) -> None:
    assert read(monkeypatch, f"-enable-leader-election{written}").is_leader_election_on is is_on


@pytest.mark.parametrize(
    ("argument", "way"),
    [
        ("--log-level=info", "referenced"),
        ("--config-tracking=off", "off"),
        ("--config-tracking=watch", "watch"),
        ("-enable-config-tracking=false", "off"),
        ("--enable-config-tracking=F", "off"),
        ("-enable-config-tracking=true", "referenced"),
        ("-enable-config-tracking", "referenced"),
    ],
)
def test_config_tracking_has_three_ways_and_flaggers_switch_two(
    monkeypatch: pytest.MonkeyPatch, argument: str, way: str
) -> None:
    assert read(monkeypatch, argument).config_tracking is ConfigTracking(way)


def test_another_way_of_config_tracking_is_refused_with_the_known_ones() -> None:
    said = refused("--config-tracking=sometimes")
    assert all(word in said for word in ("sometimes", "off", "referenced", "watch"))


def refused(*arguments: str) -> str:
    """Return what the agent says of arguments that it does not start with."""
    app = typer.Typer()
    app.command()(command_line.main)
    ended = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}).invoke(app, list(arguments))
    assert ended.exit_code == 2
    return ended.output


def read(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Settings:
    """Return what the agent would run with."""
    found: list[Settings] = []
    monkeypatch.setattr(command_line, "run", found.append)
    # It would be that of all tests behind this one.
    monkeypatch.setattr(command_line, "configure_logging", lambda _: None)
    monkeypatch.setattr("agent.__main__.uvloop.run", lambda _: None)
    app = typer.Typer()
    app.command()(command_line.main)
    ended = CliRunner().invoke(app, list(spelled_here(arguments, os.environ)))
    assert ended.exit_code == 0, ended.output
    return found[0]


@pytest.mark.parametrize(
    "flag",
    ["--metrics-server", "--slack-url", "--slack-proxy-url", "--msteams-url", "--msteams-proxy-url", "--event-webhook"],
)
def test_an_address_that_is_none_is_refused_and_not_shown(flag: str) -> None:
    said = refused(f"{flag}=s3cret.example/hook")
    assert f"{flag}: found another text; allowed: " in said
    assert "s3cret" not in said


def test_an_unknown_log_level_is_refused_with_the_known_ones() -> None:
    assert "loud" in refused("--log-level=loud")


def test_flaggers_namespaces_may_be_given_one_by_one_or_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "serin")
    settings = read(monkeypatch, "--flagger-namespace=a,b", "--flagger-namespace=c")
    assert settings.flagger_namespaces == ("a", "b", "c")
    assert settings.pod_namespace == "serin"


@pytest.mark.parametrize(
    ("written", "allows"),
    [
        ([], True),
        (["--no-cross-namespace-refs"], False),
        (["-no-cross-namespace-refs"], False),
        (["-no-cross-namespace-refs=true"], False),
        (["--no-cross-namespace-refs=false"], True),
    ],
)
def test_references_to_other_namespaces_are_turned_off_as_in_flagger(
    monkeypatch: pytest.MonkeyPatch, written: list[str], *, allows: bool
) -> None:
    assert read(monkeypatch, *written).allows_across is allows


def test_ranges_of_addresses_that_are_none_are_refused() -> None:
    said = refused("--allowed-address-ranges=127.0.0.0/8,10.0.0.300")
    assert "found '10.0.0.300'; allowed: a range of addresses" in said


def test_the_gateways_namespaces_are_read_and_what_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, "--gateway-namespaces=gloo-system,edge").gateway_namespaces == ("gloo-system", "edge")
    assert "allowed: the name of a namespace" in refused('--gateway-namespaces=a"} or up{b="')
    assert "--gateway-namespaces: found '*'" in refused("--gateway-namespaces=*")


def test_whose_templates_may_use_the_agents_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, "--pod-namespace=gloo-system").lends_identity_to == {"gloo-system"}
    named = read(monkeypatch, "--pod-namespace=gloo-system", "--agent-identity-namespaces=shop,edge")
    assert named.lends_identity_to == {"gloo-system", "shop", "edge"}
    assert read(monkeypatch, "--agent-identity-namespaces=*").lends_identity_to == {"*"}
    assert read(monkeypatch).lends_identity_to == frozenset()
    said = refused("--agent-identity-namespaces=shop,Edge")
    assert "--agent-identity-namespaces: found 'Edge'; allowed: the name of a namespace, or *" in said


def test_the_key_of_hooks_comes_from_the_environment_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_KEY", "s3cret")
    settings = read(monkeypatch)
    assert settings.hook_key == "s3cret"
    assert "s3cret" not in repr(settings)
