"""What can go wrong with a pod on this node, named as a kubelet names it in a container's state or an event."""


class NodeError(Exception):
    """The root of this boundary; `reason` is the word that users see in `kubectl describe pod`."""

    reason = "Failed"


class ConfigError(NodeError):
    """An environment variable can't be made yet: its ConfigMap, Secret or key is missing. Transient."""

    reason = "CreateContainerConfigError"


class VolumeError(NodeError):
    """A volume can't be filled yet. Transient: the missing object may still be created."""

    reason = "FailedMount"


class NetworkError(NodeError):
    """The pod's network namespace could not be wired to the bridge. Transient."""

    reason = "FailedCreatePodSandBox"


class StartError(NodeError):
    """The container's command could not be executed; counts as an exit with code 128."""

    reason = "StartError"


class LauncherGoneError(NodeError):
    """The launcher process has ended, and every container with it. Permanent: the node has to be started again."""

    reason = "NodeShutdown"
