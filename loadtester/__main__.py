"""Starting the load tester: `python -m loadtester --port 8080 --log-level info --timeout 1h`."""

import asyncio
import logging
import os
import sys
from typing import Final

from loadtester.health_proto import place_health_proto
from loadtester.options import Options, parse_options
from loadtester.secrecy import hide_memory
from loadtester.server import build_app, serving
from loadtester.signature import Keys
from service.endpoint import listen
from service.lifetime import stop_on_signals, wait_until_stopped
from service.log import LineFormat, configure_logging

_log = logging.getLogger("loadtester")

# Commands and their output are text of strangers, and Flagger's load tester says `stacktrace`.
LINES: Final = LineFormat(
    has_caller=False, error_key="stacktrace", utc="+00:00", separators=(", ", ": "), is_ascii=True
)


async def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then stop in order: the requests, the commands, the process."""
    stopped = stop_on_signals()
    # Not flags: what is on a command line, every process of the pod can read, and hooks run commands.
    keys = Keys(own=os.environ.pop("HOOK_KEY", ""), agents=os.environ.pop("HOOK_MASTER_KEY", ""))
    hide_memory()
    place_health_proto()
    app = build_app(timeout_s=options.timeout_s, namespace_pattern=options.namespace_pattern, keys=keys)
    with listen(options.port) as listener:
        async with serving(app, listener):
            port = listener.getsockname()[1]
            _log.info("load tester listens on port %d", port, extra={"port": port})
            await wait_until_stopped(stopped)
            _log.info("load tester is stopping")


def main() -> None:
    """Read the flags, then serve."""
    options = parse_options(sys.argv[1:])
    configure_logging(options.log_level, line_format=LINES, stream=sys.stderr)
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
