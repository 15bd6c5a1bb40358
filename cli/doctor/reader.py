"""Reads for checks: what may not be read is told by the check that needs it, and ends no other."""

from dataclasses import dataclass

from cli.doctor.finding import Unread
from kube.client import Client
from kube.errors import Forbidden, KubeError, NotFound
from kube.resource import Object, Objects, Resource


@dataclass(frozen=True, slots=True)
class Reader:
    """One cluster, as a user may read it."""

    client: Client

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Objects | Unread:
        """Return the objects of a namespace, None: of all."""
        try:
            return await self.client.list(resource, namespace, label_selector=labels, field_selector=fields)
        except Forbidden:
            return Unread(f"you may not list {resource.plural} in {place(namespace)}")
        except NotFound:
            return Unread(f"the API server does not serve {resource.plural} of {resource.api_version}", is_served=False)
        except KubeError as error:
            return Unread(error.message)

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | Unread | None:
        """Return an object, None where it is not there, nor its kind."""
        try:
            return await self.client.get(resource, name, namespace)
        except NotFound:
            return None
        except Forbidden:
            where = f" in {place(namespace)}" if namespace else ""
            return Unread(f"you may not get {resource.plural}{where}")
        except KubeError as error:
            return Unread(error.message)


def place(namespace: str | None) -> str:
    """Return the words for a namespace, None: for all of them."""
    return f"namespace {namespace}" if namespace else "all namespaces"
