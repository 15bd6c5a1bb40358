"""The Secrets of MetricTemplates: read when their servers are asked, and looked at before a run begins.

A run whose checks get no answer is rolled back, and its revision is not tried again. So what is missing is told before
there is one. Secrets are not watched, which takes the right to read all of them: each is read by its name.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from agent.providers.cloud.identities import why_not_lent
from agent.providers.credentials import read_secret
from agent.providers.errors import ProviderRefused
from agent.providers.metrics.registry import check_secret
from canary.api.metric_template import PROVIDER_FIELDS, MetricTemplate, Use
from kube.client import Client
from kube.errors import KubeError, NotFound, PermanentError

READ_AGAIN_S: Final = 30.0

# A run waits for it to begin, and so does the tick of whoever asks: an API server that does not answer is asked later.
_ANSWERED_WITHIN_S: Final = 2.0


# What was wrong with those of canaries that are gone is forgotten some day; what is looked at again is known anew.
_MOST_LOOKS: Final = 10_000


async def read_template_secret(client: Client, template: MetricTemplate) -> tuple[dict[str, str], str]:
    """Read what a template's Secret has now, and name it; nothing of a template without one.

    Raises:
        ProviderRefused: there is none, or it is no such one.
        kube.errors.KubeError: it can't be read.
    """
    if not _has_secret(template):
        return {}, ""
    namespace, secret = template.namespace, _secret_name(template)
    name = f"Secret {namespace}/{secret}"
    path = f"MetricTemplate {namespace}/{template.name} spec.provider.secretRef.name: found {secret!r}; allowed: "
    if not secret:
        raise ProviderRefused(f"{path}the name of a Secret")
    try:
        credentials = await read_secret(client, namespace, secret)
    except NotFound as error:
        raise ProviderRefused(f"{path}a Secret in namespace {namespace}, and there is none of this name") from error
    check_secret(template.spec.provider.type, name, credentials)
    return credentials, name


class _Wanted(NamedTuple):
    """A Secret, and of what kind it must be."""

    namespace: str
    template: str
    secret: str
    provider_type: str


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look came to: `fault` in words, empty where there is none, or nothing is known."""

    at_s: float
    fault: str = ""


class TemplateSecrets:
    """What is wrong with the Secrets of templates, as they were looked at last. No credential is kept.

    `lends_identity_to`: whose templates may be asked for in the agent's own name, if they have no credentials.
    """

    def __init__(
        self,
        client: Client,
        clock: Callable[[], float] = time.monotonic,
        *,
        lends_identity_to: Collection[str] = (),
    ) -> None:
        self._client = client
        self._lends_identity_to = lends_identity_to
        self._clock = clock
        self._looks: dict[_Wanted, _Look] = {}
        self._faulty: set[_Wanted] = set()
        self._under_way: dict[_Wanted, asyncio.Task[None]] = {}

    @property
    def has_faults(self) -> bool:
        """Return whether anything is wrong with any of them: mostly nothing is, and nobody has to look for it."""
        return bool(self._faulty)

    def fault(self, template: MetricTemplate) -> str:
        """Return what is wrong with a template's Secret, empty where nothing is, or it was not looked at yet."""
        look = self._looks.get(_wanted(template)) if _is_looked_at(template) else None
        return "" if look is None else look.fault

    async def refresh(self, templates: Iterable[MetricTemplate]) -> None:
        """Look at the Secrets of templates, but for those that somebody looked at within the last half minute."""
        due = {_wanted(template): template for template in templates if _is_looked_at(template)}
        tasks = [self._task(wanted, template) for wanted, template in due.items() if self._is_due(wanted)]
        if tasks:
            await asyncio.wait(tasks)

    def _is_due(self, wanted: _Wanted) -> bool:
        last = self._looks.get(wanted)
        return last is None or self._clock() >= last.at_s + READ_AGAIN_S

    def _task(self, wanted: _Wanted, template: MetricTemplate) -> asyncio.Task[None]:
        """Return the one look at a Secret that is under way: canaries that share it wait for the same one."""
        task = self._under_way.get(wanted)
        if task is None:
            task = asyncio.create_task(self._look(wanted, template), name=f"look at Secret {wanted.secret}")
            self._under_way[wanted] = task
            task.add_done_callback(lambda _: self._under_way.pop(wanted))
        return task

    async def _look(self, wanted: _Wanted, template: MetricTemplate) -> None:
        last, fault = self._looks.get(wanted), ""
        try:
            found, name = await read_template_secret(self._client.within(_ANSWERED_WITHIN_S), template)
            lent_to = self._lends_identity_to
            why = why_not_lent(template.spec.provider.type, template.namespace, name, found, lent_to)
            fault = f"MetricTemplate {template.namespace}/{template.name} {why}" if why else ""
        except (ProviderRefused, PermanentError) as error:
            fault = str(error)
        except KubeError:
            # Nothing new is known: whoever asks the server tells of it.
            fault = last.fault if last is not None else ""
        if len(self._looks) >= _MOST_LOOKS:
            self._looks.clear()
            self._faulty.clear()
        self._looks[wanted] = _Look(self._clock(), fault)
        (self._faulty.add if fault else self._faulty.discard)(wanted)


def _has_secret(template: MetricTemplate) -> bool:
    provider = template.spec.provider
    fields = PROVIDER_FIELDS.get(provider.type)
    return provider.secret_ref is not None and fields is not None and fields.secret_ref is not Use.UNUSED


def _is_looked_at(template: MetricTemplate) -> bool:
    fields = PROVIDER_FIELDS.get(template.spec.provider.type)
    return _has_secret(template) or (fields is not None and bool(fields.own_identity))


def _secret_name(template: MetricTemplate) -> str:
    reference = template.spec.provider.secret_ref
    return "" if reference is None else reference.name


def _wanted(template: MetricTemplate) -> _Wanted:
    return _Wanted(template.namespace, template.name, _secret_name(template), template.spec.provider.type)
