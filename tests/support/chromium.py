"""A headless Chromium, driven by its own protocol: JSON over a WebSocket, which aiohttp speaks."""

import asyncio
import base64
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.support.eventually import eventually
from tests.support.patience import PATIENCE_S

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WHERE_FROM: Final = "no Chromium here: install your system's package `chromium` (`make test` does so as root on Debian)"

_FLAGS: Final = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--js-flags=--expose-gc",
)
_MOST_MESSAGE_BYTES: Final = 256 * 1024 * 1024

Json = dict[str, Any]


def find_chromium() -> str | None:
    """Return the program, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page of a browser. `errors`: what scripts failed with, and what the page's policy refused."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self._socket = socket
        self._session = session
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._last = 0
        self.errors: list[str] = []

    async def listen(self) -> None:
        async for message in self._socket:
            event = message.json()
            if "id" in event:
                answer = self._answers.pop(event["id"], None)
                if answer is not None and not answer.done():
                    answer.set_result(event)
            elif event["method"] == "Runtime.exceptionThrown":
                self.errors.append(str(event["params"]["exceptionDetails"].get("exception", {}).get("description")))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                self.errors.append(event["params"]["entry"]["text"])

    async def call(self, method: str, **params: Any) -> Json:
        self._last += 1
        number = self._last
        self._answers[number] = asyncio.get_running_loop().create_future()
        body: Json = {"id": number, "method": method, "params": params}
        if self._session:
            body["sessionId"] = self._session
        await self._socket.send_json(body)
        async with asyncio.timeout(PATIENCE_S):
            answer = await self._answers[number]
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        result: Json = answer["result"]
        return result

    async def attach(self, target: str) -> None:
        self._session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Accessibility", "Performance"):
            await self.call(f"{domain}.enable")

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def look(self, expression: str) -> Any:
        """What an expression gives; a promise is waited for."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def wait(self, expression: str, is_so: Callable[[Any], bool] = bool) -> Any:
        """Look until it is so."""
        return await eventually(lambda: self.look(expression), is_so)

    async def press(self, key: str, text: str = "") -> None:
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        common: Json = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        await self.call(
            "Input.dispatchKeyEvent", type="keyDown", text=text or ("\r" if key == "Enter" else ""), **common
        )
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def type(self, text: str) -> None:
        await self.call("Input.insertText", text=text)

    async def prefer(self, scheme: str) -> None:
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def size(self, width: int, height: int) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def roles(self) -> list[tuple[str, str]]:
        """What a screen reader gets: (role, name) of each node, in their order."""
        nodes = (await self.call("Accessibility.getFullAXTree"))["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored") and "role" in node
        ]

    async def metrics(self) -> dict[str, float]:
        answer = await self.call("Performance.getMetrics")
        return {metric["name"]: metric["value"] for metric in answer["metrics"]}


@asynccontextmanager
async def chromium() -> AsyncIterator[Callable[[], Awaitable[Tab]]]:
    """Run a browser for the block; what it gives opens a tab.

    Raises:
        AssertionError: there is none, or it does not start.
    """
    program = find_chromium()
    assert program is not None, WHERE_FROM
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        sandboxed = () if os.geteuid() else ("--no-sandbox",)
        browser = await asyncio.create_subprocess_exec(
            program,
            *_FLAGS,
            *sandboxed,
            f"--user-data-dir={folder}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port, path = await _address(Path(folder) / "DevToolsActivePort", browser)
            async with aiohttp.ClientSession() as session, _tabs(session, f"ws://127.0.0.1:{port}{path}") as opened:
                yield opened
        finally:
            with suppress(ProcessLookupError):
                browser.terminate()
            await browser.wait()


@asynccontextmanager
async def _tabs(session: aiohttp.ClientSession, address: str) -> AsyncIterator[Callable[[], Awaitable[Tab]]]:
    listeners: list[asyncio.Task[None]] = []
    sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def opened() -> Tab:
        # A connection for each tab: then all its events are its own.
        socket = await session.ws_connect(address, max_msg_size=_MOST_MESSAGE_BYTES)
        sockets.append(socket)
        tab = Tab(socket, "")
        listeners.append(asyncio.create_task(tab.listen(), name="events of a tab"))
        target = await tab.call("Target.createTarget", url="about:blank")
        await tab.attach(target["targetId"])
        return tab

    try:
        yield opened
    finally:
        for socket in sockets:
            await socket.close()
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)


async def _address(file: Path, browser: asyncio.subprocess.Process) -> tuple[str, str]:
    """Wait until the browser says where it listens."""

    def written() -> list[str]:
        assert browser.returncode is None, f"Chromium ended with {browser.returncode}"
        return file.read_text().split() if file.exists() else []

    port, path = await eventually(written, lambda lines: len(lines) == 2)
    return port, path
