"""Logging in takes no more of kubernetes_asyncio than it needs, and all of it where that can't be had alone."""

import subprocess
import sys

import pytest

NEEDED = """
import kube.login
assert "kubernetes_asyncio.client.models" not in sys.modules, "37 MiB in each process"
assert not hasattr(sys.modules.get("kubernetes_asyncio"), "client"), "nothing stands for the library any more"
import kubernetes_asyncio.client
assert kubernetes_asyncio.client.Configuration is kube.login.Configuration
assert kubernetes_asyncio.client.ApiClient is not None
"""

OTHERWISE = """
class Refusing:
    def find_spec(self, name, path, target=None):
        if not name.startswith("kubernetes_asyncio."):
            return None
        is_whole = hasattr(sys.modules["kubernetes_asyncio"], "__version__")
        if name == "kubernetes_asyncio.client.rest" and not is_whole:
            raise ImportError("it needs another module now")

sys.meta_path.insert(0, Refusing())
import kube.login
assert "kubernetes_asyncio.client.models" in sys.modules
assert kube.login.RESTClientObject is sys.modules["kubernetes_asyncio"].client.rest.RESTClientObject
"""


@pytest.mark.parametrize("script", [NEEDED, OTHERWISE], ids=["needed", "otherwise"])
def test_the_library_is_imported_as_far_as_it_is_needed(script: str) -> None:
    subprocess.run([sys.executable, "-c", f"import sys\n{script}"], check=True)
