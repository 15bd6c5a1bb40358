"""`python -m sandbox.node --kubeconfig PATH --state DIR`: one node, until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import uvloop

from sandbox.api import Api, Mirror
from sandbox.network import NODE_IP
from sandbox.node import network
from sandbox.node.agent import NodeAgent
from sandbox.node.configuration import ClusterConfiguration, Tokens
from sandbox.node.environment import service_variables
from sandbox.node.events import EventRecorder
from sandbox.node.hollow import HollowPods
from sandbox.node.network import Addresses
from sandbox.node.pod import NodeContext
from sandbox.node.process import LauncherClient, running_launcher
from sandbox.node.register import CAPACITY, KUBELET_PORT, Node
from sandbox.node.server import serving
from sandbox.node.volumes import unmount_leftovers
from sandbox.paths import REPOSITORY, bin_dir

_log = logging.getLogger(__name__)


def main() -> None:
    """Parse the command line and run the node."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.node", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder for logs and volumes")
    parser.add_argument("--name", default="sandbox", help="the Node object's name")
    parser.add_argument("--node-ip", default=NODE_IP, help="the bridge's address")
    parser.add_argument("--backoff-scale", type=float, default=1.0, help="factor on the restart back-off")
    arguments = parser.parse_args()
    arguments.state = arguments.state.resolve()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    uvloop.run(run(arguments))


async def run(arguments: argparse.Namespace) -> None:
    """Run until a signal; every process of every pod ends with it."""
    state: Path = arguments.state
    unmount_leftovers(state)
    keep = [str(path) for path in (REPOSITORY, bin_dir(), Path(sys.prefix), Path(sys.base_prefix))]
    async with running_launcher(state, keep=keep) as launcher, Api.from_kubeconfig(arguments.kubeconfig) as api:
        await network.remove_leftovers()
        serve = asyncio.create_task(_serve(arguments, state, api, launcher), name="node")
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, serve.cancel)
        try:
            await serve
        except asyncio.CancelledError:
            _log.info("stopped by a signal")


async def _serve(arguments: argparse.Namespace, state: Path, api: Api, launcher: LauncherClient) -> None:
    node = Node(api, arguments.name, arguments.node_ip)
    configuration = ClusterConfiguration(api)
    service = await api.get("/api/v1/namespaces/default/services/kubernetes")
    spec = service["spec"]
    context = NodeContext(
        api=api,
        launcher=launcher,
        configuration=configuration,
        tokens=Tokens(api),
        events=EventRecorder(api, arguments.name),
        addresses=Addresses(),
        allocatable=CAPACITY,
        service_variables=service_variables(spec["clusterIP"], spec["ports"][0]["port"]),
        node_ip=arguments.node_ip,
        pods_folder=state / "pods",
        backoff_scale=arguments.backoff_scale,
    )
    mirror = Mirror(api, "/api/v1/pods", field_selector=f"spec.nodeName={arguments.name}")
    agent = NodeAgent(context, mirror, HollowPods(api, context.addresses, arguments.node_ip))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(configuration.run(), name="configuration")
        tasks.create_task(mirror.run(), name="pods")
        tasks.create_task(context.events.run(), name="events")
        await configuration.wait_synced()
        await node.register()
        tasks.create_task(node.keep_alive(), name="lease")
        async with serving(agent.pods, address=arguments.node_ip, port=KUBELET_PORT, state=state):
            await agent.run()


if __name__ == "__main__":
    main()
