"""How to reach an API server and log in: kubernetes_asyncio, without the models and clients that are generated in it.

Its packages import all of them: 37 MiB in each of our processes, and 0.4 s of each start, for what nobody here uses.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "SERVICE_TOKEN_FILENAME",
    "ConfigException",
    "Configuration",
    "RESTClientObject",
    "load_incluster_config",
    "load_kube_config",
    "refresh_token",
]

_LIBRARY = "kubernetes_asyncio"
_CLIENT = f"{_LIBRARY}.client"


@contextmanager
def _without_models() -> Iterator[None]:
    """Let modules of the library be imported that do not need its models, for as long as the block lasts.

    Two packages stand for the library's own meanwhile: they are found in the same folders, and import nothing by
    themselves. Whoever imports those later gets them whole.
    """
    found = find_spec(_LIBRARY)
    if found is None or _LIBRARY in sys.modules:
        yield
        return
    folders = list(found.submodule_search_locations or ())
    library, client = ModuleType(_LIBRARY), ModuleType(_CLIENT)
    vars(library).update(__path__=folders, client=client)
    # What makes a client of the library's own is never called, but imported by name.
    vars(client).update(__path__=[f"{folder}/client" for folder in folders], ApiClient=None)
    sys.modules |= {_LIBRARY: library, _CLIENT: client}
    try:
        vars(client).update(Configuration=import_module(f"{_CLIENT}.configuration").Configuration)
        yield
    finally:
        for name in (_LIBRARY, _CLIENT):
            sys.modules.pop(name, None)


try:
    with _without_models():
        from kubernetes_asyncio.client.configuration import Configuration
        from kubernetes_asyncio.client.rest import RESTClientObject
        from kubernetes_asyncio.config.config_exception import ConfigException
        from kubernetes_asyncio.config.incluster_config import SERVICE_TOKEN_FILENAME, load_incluster_config
        from kubernetes_asyncio.config.kube_config import load_kube_config, refresh_token
except ImportError:  # another version, whose modules need more of each other: then all of it
    from kubernetes_asyncio.client import Configuration
    from kubernetes_asyncio.client.rest import RESTClientObject
    from kubernetes_asyncio.config import ConfigException, load_incluster_config, load_kube_config, refresh_token
    from kubernetes_asyncio.config.incluster_config import SERVICE_TOKEN_FILENAME
