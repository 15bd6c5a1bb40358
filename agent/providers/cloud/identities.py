"""Who the agent itself is at clouds, and for whose templates it may be that."""

import logging
import os
from collections.abc import Collection, Coroutine, Mapping
from typing import Any, Final, TypeVar

import aiohttp

from agent.providers.cloud.aws import Source, WebIdentity, borrow, own_source, service_url
from agent.providers.cloud.aws_signature import AwsKeys
from agent.providers.cloud.fresh import Fresh, Lent
from agent.providers.cloud.service_accounts import AccessTokens, metadata_address, own_token
from agent.providers.errors import ProviderError, ProviderRefused, ProviderUnavailable
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Connection
from canary.api.metric_template import PROVIDER_FIELDS, MetricProviderType

_log = logging.getLogger(__name__)

T = TypeVar("T")

ANYBODY: Final = "*"


class Identities:
    """Credentials at clouds. `session` asks for the agent itself; `namespaces` are those whose templates may use it.

    Whoever writes a MetricTemplate chooses the query. One that is asked in the agent's name reads whatever its role may
    read, so that is the operator's to allow.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        namespaces: Collection[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.tokens = AccessTokens()
        self.environment = os.environ if environment is None else environment
        self._session = session
        self._namespaces = frozenset(namespaces)
        self._aws: Fresh[AwsKeys] = Fresh()
        self._google: Fresh[str] = Fresh()

    def check_may_use(self, provider_type: MetricProviderType, connection: Connection) -> None:
        """Refuse a template without credentials of its own that is not to be asked for in the agent's name.

        Raises:
            ProviderRefused: so it is.
        """
        why = why_not_lent(
            provider_type, connection.namespace, connection.secret, connection.credentials, self._namespaces
        )
        if why:
            raise ProviderRefused(f"{connection.name}: {why}")

    def check_is_for(self, exchange: Exchange, whose: str, *domains: str) -> None:
        """Refuse to show the agent's own identity to another host than the cloud's: a template chooses its address.

        Raises:
            ProviderRefused: so it would be.
        """
        if exchange.is_served_by(*domains):
            return
        raise ProviderRefused(
            f"{exchange.connection.name}: spec.provider.address: found another than the cloud's own, or one without a "
            f"verified certificate; allowed: nothing, for the agent's own {whose} is shown to nobody else"
        )

    async def aws_keys(self, region: str, timeout_s: float, now_s: float) -> AwsKeys:
        """Return the agent's own keys. `region` is where STS is asked, if the environment does not say.

        Raises:
            ProviderUnavailable: it has none, or they can't be had now.
        """
        source = own_source(self.environment)
        if source is None:
            why = "neither keys, nor IRSA, nor EKS Pod Identity"
            raise ProviderUnavailable(f"the agent's pod has no AWS identity: {why}")
        exchange = self._exchange(*_whom(source, region, self.environment), timeout_s)
        return await self._aws.value(now_s, lambda: _told("AWS identity", borrow(source, exchange)))

    async def google_token(self, timeout_s: float, now_s: float) -> str:
        """Return an access token of the agent's own service account.

        Raises:
            ProviderUnavailable: it has none, or it can't be had now.
        """
        exchange = self._exchange("Google's metadata server", metadata_address(self.environment), timeout_s)
        return await self._google.value(now_s, lambda: _told("Google identity", own_token(exchange, now_s)))

    def forget_google(self, key_json: str) -> None:
        """Let a token go, for it is refused: the key's, or without one the agent's own."""
        if key_json:
            self.tokens.forget(key_json)
        else:
            self._google.forget()

    def forget_aws(self) -> None:
        """Let the agent's own keys go, for they are refused."""
        self._aws.forget()

    def _exchange(self, name: str, address: str, timeout_s: float) -> Exchange:
        connection = Connection(name=name, address=address, whose="the agent's own identity", timeout_s=timeout_s)
        return Exchange(self._session, connection)


async def _told(identity: str, borrowing: Coroutine[Any, Any, Lent[T]]) -> Lent[T]:
    """Return what is borrowed; what goes wrong is for the operator's eyes, not for those of whoever wrote a template.

    Raises:
        ProviderUnavailable: it went wrong, and the log says how.
    """
    try:
        return await borrowing
    except ProviderError as error:
        _log.warning("the agent's own %s can't be had: %s", identity, error)
        raise ProviderUnavailable(f"the agent's own {identity} can't be had now; its log says why") from error


def why_not_lent(
    provider_type: MetricProviderType,
    namespace: str,
    secret: str,
    credentials: Mapping[str, str],
    lent_to: Collection[str],
) -> str:
    """Return why a template may not be asked for in the agent's own name; empty where it may, or need not.

    `secret` names its Secret, as `Secret test/login`; `lent_to` are the namespaces whose templates may.
    """
    fields = PROVIDER_FIELDS[provider_type]
    key = fields.identity_key
    is_needed = fields.own_identity and not (credentials.get(key) if key else credentials)
    if not is_needed or {namespace, ANYBODY} & set(lent_to):
        return ""
    where = f"{secret} data.{key}" if key else "spec.provider.secretRef"
    found = "an empty text" if key in credentials else "nothing"
    return (
        f"{where}: found {found}; allowed: credentials, for templates of namespace {namespace} may not use the agent's "
        f"own {fields.own_identity} (--agent-identity-namespaces)"
    )


def _whom(source: Source, region: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return who lends keys, in words and by address."""
    if isinstance(source, WebIdentity):
        return "AWS STS", service_url("sts", source.region or region, environment)
    return "the agent's AWS credentials", ""
