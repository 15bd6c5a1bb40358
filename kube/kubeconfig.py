"""What a kubeconfig says of its contexts, as kubectl reads it. How to reach a cluster of it is `kube.connection`'s."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kube.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VARIABLE = "KUBECONFIG"
_DEFAULT = Path(".kube") / "config"


@dataclass(frozen=True, slots=True)
class Contexts:
    """The contexts of one or several files, each with its namespace ("" for none), and the name of the current one.

    `missing`: what a context names that is in none of the files, such as "user bob".
    """

    namespaces: Mapping[str, str]
    current: str
    missing: Mapping[str, str]


def kubeconfig_paths(option: Path | None = None) -> tuple[Path, ...]:
    """Return the files that count and are there: the option's, else those of KUBECONFIG, else ~/.kube/config.

    None of them need be there, as in a pod; but an option's file is returned in any case. Source: kubectl.
    """
    if option is not None:
        return (option,)
    named = os.environ.get(VARIABLE, "")
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part] or [Path.home() / _DEFAULT]
    return tuple(path for path in paths if path.exists())


def read_contexts(paths: Sequence[Path]) -> Contexts:
    """Return the contexts of all files; where two files have one name, the first counts, as for kubectl.

    Raises:
        ConfigError: a file can't be read, or is no kubeconfig.
    """
    namespaces: dict[str, str] = {}
    named: dict[str, Mapping[str, Any]] = {}
    known: dict[str, set[str]] = {"cluster": set(), "user": set()}
    current = ""
    for path in paths:
        config = _read(path)
        current = current or str(config.get("current-context") or "")
        for item in config.get("contexts") or ():
            if isinstance(item, dict) and isinstance(context := item.get("context"), dict):
                namespaces.setdefault(str(item.get("name", "")), str(context.get("namespace") or ""))
                named.setdefault(str(item.get("name", "")), context)
        for kind, names in known.items():
            items = config.get(f"{kind}s")
            listed = items if isinstance(items, list) else []
            names |= {str(item.get("name", "")) for item in listed if isinstance(item, dict)}
    missing = {
        name: f"{kind} {context[kind]}"
        for name, context in named.items()
        for kind, names in known.items()
        if context.get(kind) and str(context[kind]) not in names
    }
    return Contexts(namespaces, current, missing)


def _read(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"can't read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"can't read {path}: it is no YAML") from error
    if config is None:
        return {}
    if not isinstance(config, dict) or not isinstance(config.get("contexts") or [], list):
        raise ConfigError(f"can't use {path}: found no kubeconfig; allowed: an object of kind Config")
    return config
