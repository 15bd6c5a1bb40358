"""`python -m tests.support.faults.serve SOCKET NAME=UPSTREAM...`: fault proxies in a sandbox, switched by a socket.

An upstream `api` is the API server of $KUBECONFIG. Each line sent to the socket is `[name, changes]`, which is answered
by what the proxy has seen and made by then; `cut` among the changes cuts what is open. The first line of the output has
the ports.
"""

import asyncio
import json
import os
import ssl
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from tests.support.faults.proxy import FaultProxy


async def main(control: str, upstreams: dict[str, str], config: dict[str, str]) -> None:
    tls = ssl.create_default_context(cafile=config["certificate-authority"])
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        proxies = {
            name: await stack.enter_async_context(
                FaultProxy(config["server"] if upstream == "api" else upstream, session, tls).serving()
            )
            for name, upstream in upstreams.items()
        }

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            name, changes = json.loads(await reader.readline())
            proxy = proxies[name]
            if changes.pop("cut", False):
                proxy.cut()
            await proxy.switch(**changes)
            writer.write(json.dumps({"seen": proxy.seen, "made": proxy.made, "writes": proxy.writes}).encode())
            writer.close()

        _ = await stack.enter_async_context(await asyncio.start_unix_server(answer, control))
        sys.stdout.write(json.dumps({name: proxy.port for name, proxy in proxies.items()}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    found = json.loads(Path(os.environ["KUBECONFIG"]).read_text())["clusters"][0]["cluster"]
    asyncio.run(main(sys.argv[1], dict(pair.split("=", 1) for pair in sys.argv[2:]), found))
