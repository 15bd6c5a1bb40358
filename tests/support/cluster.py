"""A sandbox cluster for tests, driven as its users drive it: through `python -m sandbox`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import lifeline, namespace
from sandbox.paths import State, bin_dir

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Cluster:
    """The cluster whose state directory is `state`; commands that fail raise CalledProcessError with their output."""

    state: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> Path:
        """For clients on the host."""
        return self.state / "kubeconfig"

    @property
    def endpoints(self) -> dict[str, str]:
        """apiserver, gateway, prometheus and agent: name to URL on the host's loopback."""
        urls: dict[str, str] = json.loads((self.state / "endpoints.json").read_text())
        return urls

    @contextmanager
    def held(self, *, with_serin: bool = True) -> Iterator[None]:
        """Bring the cluster up, or find it up. It ends when no process holds it any more, whatever became of them."""
        with lifeline.hold(State(self.state.absolute()).lifeline):
            self.sandbox("up", "--held", *([] if with_serin else ["--without-serin"]))
            yield

    def up(self, *, with_serin: bool = True) -> str:
        """Bring the cluster up, or find it up; the output has a line for each part."""
        return self.sandbox("up", *([] if with_serin else ["--without-serin"]))

    def down(self) -> str:
        return self.sandbox("down")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """The output of one kubectl command."""
        return _output(self.try_kubectl(*arguments, stdin=stdin))

    def try_kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """The same for a command that may fail.

        As `python -m sandbox kubectl`, less the start of that Python: tests look hundreds of times.
        """
        return self._inside([str(bin_dir() / "kubectl"), *arguments], stdin, KUBECONFIG=str(self.kubeconfig))

    def run(self, *command: str) -> str:
        """The output of a command inside the cluster's network, as `python -m sandbox run` gives it."""
        return _output(self._inside(namespace.enter(State(self.state), list(command)), None))

    def _inside(self, command: list[str], stdin: str | None, **environment: str) -> subprocess.CompletedProcess[str]:
        inside = namespace.inside_environment(State(self.state)) | dict(self.environment) | environment
        return subprocess.run(
            command, cwd=REPOSITORY, env=inside, input=stdin, capture_output=True, text=True, check=False
        )

    def sandbox(self, *arguments: str, stdin: str | None = None) -> str:
        """The standard output of `python -m sandbox ARGUMENTS`."""
        return _output(self.try_sandbox(*arguments, stdin=stdin))

    def try_sandbox(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """The same for a command that may fail."""
        with self.start_sandbox(*arguments) as process:
            stdout, stderr = process.communicate(stdin)
            return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start_sandbox(self, *arguments: str) -> subprocess.Popen[str]:
        """The same, not waited for, its output piped. Ctrl-C reaches it even where tests run with SIGINT ignored."""
        heard = ["env", "--default-signal=INT"]
        return subprocess.Popen(
            [*heard, sys.executable, "-m", "sandbox", "--state", str(self.state), *arguments],
            cwd=REPOSITORY,
            env=os.environ | self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _output(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode != 0:
        error = subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
        error.add_note(f"{done.stdout}{done.stderr}")
        raise error
    return done.stdout
