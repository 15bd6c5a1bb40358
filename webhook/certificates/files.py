"""A certificate that somebody else keeps, such as cert-manager: mounted from a Secret, read again when it changes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Self

from certs.errors import CertificateError, Unreadable
from certs.leaf import Leaf, read_leaf
from webhook.certificates.background import running
from webhook.certificates.source import LeafSource

_log = logging.getLogger(__name__)

CHAIN: Final = "tls.crt"
KEY: Final = "tls.key"
# The kubelet itself takes up to a minute to bring a new Secret here.
LOOK_AGAIN_S: Final = 5.0


class MountedCertificate(LeafSource):
    """`tls.crt` and `tls.key` of `folder`, a `webhook.certificates.port.ServingCertificate`.

    A new one that is unusable is reported, and the old one served on. One that expired is served too, but is a problem:
    a server whose clients refuse it is not ready, until there is a good certificate. `now_s` returns epoch seconds.
    """

    def __init__(
        self,
        folder: Path,
        scratch: Path,
        *,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(scratch, now_s)
        self._folder = folder
        self._sleep = sleep
        self._told = ""

    async def __aenter__(self) -> Self:
        self._look()
        await self._stack.enter_async_context(running({f"certificate in {self._folder}": self._follow()}))
        return self

    async def _follow(self) -> None:
        while True:
            await self._sleep(LOOK_AGAIN_S)
            self._look()

    def _look(self) -> None:
        """Serve what the files hold; an error is kept for `problem`, and logged when it is a new one."""
        try:
            self._served.serve(self._read())
            self._trouble = ""
        except (CertificateError, OSError) as error:
            self._trouble = str(error)
        trouble = self.problem() or self._trouble
        if trouble != self._told:
            _log.warning("%s", trouble) if trouble else _log.info("the certificate is valid again")
        self._told = trouble

    def _read(self) -> Leaf:
        # The kubelet swaps both files at once, by a link; between two reads they may be of two Secrets. Then the key
        # does not match, and the next look finds both new.
        chain, key = self._folder / CHAIN, self._folder / KEY
        return read_leaf(_bytes(chain), _bytes(key), chain_source=str(chain), key_source=str(key))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(str(path), f"no file to read ({error.strerror})", "a file of the mounted Secret") from error
