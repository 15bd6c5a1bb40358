"""`python -m sandbox.gloo`: the control plane in the gateway's pod."""

import asyncio
import logging
import os
import signal

from sandbox.api import Api
from sandbox.gloo.ads import AdsServer
from sandbox.gloo.control import Control

_ADS_ADDRESS = "127.0.0.1:9977"  # the port of Gloo's own; Envoy is in the same pod


async def _serve() -> None:
    serving = asyncio.current_task()
    assert serving is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    ads = AdsServer()
    namespace = os.environ.get("POD_NAMESPACE", "gloo-system")
    async with ads.serving(_ADS_ADDRESS), Api.in_cluster() as api:
        await Control(api, ads, namespace).run()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(_serve())
    except (asyncio.CancelledError, KeyboardInterrupt):
        logging.getLogger(__name__).info("stopped")


if __name__ == "__main__":
    main()
