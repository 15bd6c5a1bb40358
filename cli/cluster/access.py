"""One cluster, as the kubeconfig and the options say; every verb that needs one runs in `run`."""

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from canary.api.names import OBJECT_NAME_MAX_CHARS
from canary.api.shown import printable
from cli.cluster.failures import Failed, failed
from cli.cluster.resources import CANARIES
from cli.cluster.selection import ClusterOptions
from cli.exit_codes import ExitCode
from cli.terminal import complain
from kube.client import Client
from kube.errors import Forbidden, KubeError, NotFound
from kube.kubeconfig import VARIABLE, kubeconfig_paths, read_contexts
from kube.resource import Object
from service.version import serin_version

_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DEFAULT_NAMESPACE: Final = "default"
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_DEADLINE_S: Final = 10.0
_NEAR_NAMES: Final = 3


@dataclass(frozen=True, slots=True)
class Access:
    """A client, the namespace that is meant (None: all of them), and how the user named the cluster."""

    client: Client
    namespace: str | None
    options: ClusterOptions
    program: str = "serin"

    @property
    def one_namespace(self) -> str:
        """Return the namespace of a named canary.

        Raises:
            Failed: all namespaces are meant.
        """
        if self.namespace is None:
            raise Failed("a NAME with -A; allowed: a NAME with -n, or -A without one", ExitCode.USAGE)
        return self.namespace

    def command(self, verb: str, name: str, more: str = "") -> str:
        """Return what to type for a canary of this namespace."""
        namespace = f" -n {self.namespace}" if self.options.namespace else ""
        return f"{self.program} {verb} {name}{more}{namespace}{self.options.as_arguments()}"

    async def canary(self, name: str) -> Object:
        """Read a canary.

        Raises:
            Failed: there is none of that name; the line has those with names like it.
            KubeError: it can't be read.
        """
        namespace = self.one_namespace
        if len(name) > OBJECT_NAME_MAX_CHARS or not _NAME.fullmatch(name):
            allowed = "the name of a Canary, of small letters, digits, - and ."
            raise Failed(f"NAME: found {name!r}; allowed: {allowed}", ExitCode.USAGE)
        try:
            return await self.client.get(CANARIES, name, namespace)
        except NotFound as error:
            if "does not serve" in error.message:
                raise
            raise await self._unknown(name, namespace) from error

    async def _unknown(self, name: str, namespace: str) -> Failed:
        line = f"found no canary {name} in namespace {namespace}"
        try:
            everywhere = await self.client.list(CANARIES)
        except Forbidden:
            everywhere = await self.client.list(CANARIES, namespace)
        names = [obj["metadata"]["name"] for obj in everywhere if obj["metadata"]["namespace"] == namespace]
        homes = sorted(obj["metadata"]["namespace"] for obj in everywhere if obj["metadata"]["name"] == name)
        near = get_close_matches(name, names, _NEAR_NAMES) or [one for one in sorted(names) if one.startswith(name)]
        if homes:
            line += f"; there is one in {', '.join(homes)}: -n {homes[0]}"
        elif near:
            line += f"; did you mean {' or '.join(near)}?"
        else:
            number = f"{len(names)} other{'' if len(names) == 1 else 's'}" if names else "none at all"
            line += f", which has {number}; `{self.program} get -A` shows all"
        return Failed(line, ExitCode.USAGE)


@asynccontextmanager
async def open_access(options: ClusterOptions) -> AsyncIterator[Access]:
    """Connect to the cluster that is meant; nothing is sent yet.

    Raises:
        Failed: there is no such context.
        ConfigError: there is no usable kubeconfig, nor the service account of a pod.
    """
    paths = kubeconfig_paths(options.kubeconfig)
    if not paths and not _POD_NAMESPACE.exists():
        raise Failed(f"found no kubeconfig: neither --kubeconfig, {VARIABLE} nor ~/.kube/config is there")
    contexts = read_contexts(paths)
    context = options.context or contexts.current
    if options.context and options.context not in contexts.namespaces:
        known = ", ".join(sorted(contexts.namespaces)) or "none"
        where = ", ".join(map(str, paths)) or "the kubeconfig, which is not there"
        raise Failed(f"context {options.context!r} is not in {where}; known: {known}", ExitCode.USAGE)
    if missing := contexts.missing.get(context):
        raise Failed(f"{missing} is not in {', '.join(map(str, paths))} (context {context})")
    if paths and not context:
        known = ", ".join(sorted(contexts.namespaces)) or "none"
        raise Failed(f"no current context in {', '.join(map(str, paths))}; name one with --context: {known}")
    namespace = options.namespace or contexts.namespaces.get(context, "") or _own_namespace()
    kubeconfig = Path(":".join(map(str, paths))) if paths else None
    async with Client.connect(
        kubeconfig=kubeconfig,
        context=context or None,
        user_agent=f"serin-cli/{serin_version()}",
        deadline_s=_DEADLINE_S,
    ) as client:
        program = "kubectl serin" if Path(sys.argv[0]).name == "kubectl-serin" else "serin"
        yield Access(client, None if options.all_namespaces else namespace, options, program)


def run(options: ClusterOptions, verb: Callable[[Access], Awaitable[ExitCode]]) -> ExitCode:
    """Run a verb; return its exit code. What goes wrong is one line on stderr.

    Raises:
        KeyboardInterrupt: the user has seen enough.
    """
    try:
        with _warnings_on_stderr():
            return asyncio.run(_run(options, verb))
    except Failed as error:
        complain(f"serin: {error}")
        return error.code


async def _run(options: ClusterOptions, verb: Callable[[Access], Awaitable[ExitCode]]) -> ExitCode:
    host = "of the kubeconfig"
    try:
        async with open_access(options) as access:
            host = access.client.host
            return await verb(access)
    except KubeError as error:
        raise failed(error, host) from error


class _PrintableFormatter(logging.Formatter):
    """Writes a record in one line, without what a terminal obeys: the API server's words are in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return printable(super().format(record))


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    """Print what kube/ warns of, such as a watch that is opened again; what the library logs, it raises as well."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PrintableFormatter("serin: %(message)s"))
    loggers = {logging.getLogger("kube"): handler, logging.getLogger("kubernetes_asyncio"): logging.NullHandler()}
    for logger, one in loggers.items():
        logger.addHandler(one)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, one in loggers.items():
            logger.removeHandler(one)
            logger.propagate = True


def _own_namespace() -> str:
    """Return the namespace of the pod that this runs in, else kubectl's default."""
    try:
        return _POD_NAMESPACE.read_text().strip() or _DEFAULT_NAMESPACE
    except OSError:
        return _DEFAULT_NAMESPACE
