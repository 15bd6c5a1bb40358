"""The agent's command line: Flagger's flags are taken, and what can't be used is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    "--cluster-name": "staging",
    "--event-webhook": "http://events.example/",
}


def agent(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"} | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_flaggers_flags_are_taken(tmp_path: Path) -> None:
    """All of them are read before the agent looks for a cluster, and finds none."""
    arguments = [f"{flag}={value}" for flag, value in FLAGS.items()]
    ended = agent("--enable-leader-election", f"--kubeconfig={tmp_path / 'none'}", *arguments)
    assert ended.returncode == 1
    assert ended.stderr.startswith("serin agent: ")
    assert str(tmp_path / "none") in ended.stderr


@pytest.mark.parametrize("flag", ["--slack-url", "--slack-proxy-url", "--event-webhook"])
def test_an_address_that_is_none_is_refused_and_not_shown(flag: str) -> None:
    ended = agent(f"{flag}=s3cret.example/hook")
    assert ended.returncode == 2
    assert f"{flag}: found another text; allowed: " in ended.stderr
    assert "s3cret" not in ended.stderr


def test_an_unknown_log_level_is_refused_with_the_known_ones() -> None:
    ended = agent("--log-level=loud")
    assert ended.returncode == 2
    assert "loud" in ended.stderr
