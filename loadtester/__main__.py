"""Starts the load tester: `python -m loadtester --port 8080 --log-level info --timeout 1h`."""

import asyncio
import logging
import signal
import sys

from loadtester.json_log import configure_logging
from loadtester.options import Options, parse_options
from loadtester.server import build_app, listen, serving

_log = logging.getLogger("loadtester")


async def serve(options: Options) -> None:
    """Serves until SIGTERM or SIGINT, then stops in order: the requests, the commands, the process."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    app = build_app(timeout_s=options.timeout_s, namespace_pattern=options.namespace_pattern)
    with listen(options.port) as listener:
        async with serving(app, listener):
            port = listener.getsockname()[1]
            _log.info("load tester listens on port %d", port, extra={"port": port})
            await stop.wait()
            _log.info("load tester is stopping")


def main() -> None:
    """Reads the flags, then serves."""
    options = parse_options(sys.argv[1:])
    configure_logging(options.log_level)
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
