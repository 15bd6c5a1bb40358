"""Objects as YAML that kubectl reads as the same objects, or as a List in JSON."""

import json
from collections.abc import Iterable
from typing import Any

import yaml

from cli.input.values import resolvers
from render.objects import Object


class _Dumper(yaml.SafeDumper):
    """Quotes what kubectl, or PyYAML, would take for no text; writes texts of several lines as such, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the same for all
        """Return True: an object that is shared is written out each time."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.yaml_implicit_resolvers = {
    first: [*resolvers().get(first, []), *yaml.SafeDumper.yaml_implicit_resolvers.get(first, [])]
    for first in {*resolvers(), *yaml.SafeDumper.yaml_implicit_resolvers}
}


def as_yaml(objects: Iterable[Object]) -> str:
    """Return a document for each object."""
    return "---\n".join(
        yaml.dump(obj, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120) for obj in objects
    )


def as_json(objects: Iterable[Object]) -> str:
    """Return a List of the objects."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=2, ensure_ascii=False)
