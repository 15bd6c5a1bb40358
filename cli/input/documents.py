"""Objects in files, folders and on stdin, several documents a file, lists taken apart."""

import codecs
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from canary.api.parts import mapping_of, text_of
from cli.input.errors import BadInput, NotYaml
from cli.input.values import Repeated, Values, compose, locate

STDIN: Final = "-"
STDIN_NAME: Final = "<stdin>"
_TEMPLATES_ACTION: Final = re.compile(r"^[^#]*\{\{", re.MULTILINE)
_ENDINGS: Final = frozenset({".yaml", ".yml", ".json"})

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """An object, and where it stands in the file `source`. `repeated` are its keys that stand in a map twice."""

    source: str
    node: yaml.Node
    obj: Object
    repeated: tuple[Repeated, ...] = ()

    @property
    def kind(self) -> str:
        """Return the kind, empty where there is none, or none that is a text."""
        return text_of(self.obj, "kind")

    @property
    def group(self) -> str:
        """Return the API group, empty for the core group, and without an apiVersion."""
        group, slash, _ = text_of(self.obj, "apiVersion").partition("/")
        return group if slash else ""

    @property
    def name(self) -> str:
        """Return the name, or the beginning of one that is to be generated; empty where there is none."""
        metadata = mapping_of(self.obj, "metadata")
        return text_of(metadata, "name") or text_of(metadata, "generateName")

    def namespace(self, otherwise: str) -> str:
        """Return the namespace, `otherwise` where none is written."""
        return text_of(mapping_of(self.obj, "metadata"), "namespace") or otherwise

    def place(self, path: str) -> tuple[int, int]:
        """Return line and column of a field, or of the nearest that is there."""
        return locate(self.node, path)


@dataclass(frozen=True, slots=True)
class Input:
    """What was read: the objects of the files that are YAML, what is wrong with the others, and all files in order."""

    documents: tuple[Document, ...]
    broken: tuple[NotYaml, ...]
    sources: tuple[str, ...]


def read_input(names: Iterable[str]) -> Input:
    """Read files, folders with all that is below them, and stdin (`-`).

    Raises:
        BadInput: there is no such file, or it can't be read.
    """
    documents: list[Document] = []
    broken: list[NotYaml] = []
    sources: list[str] = []
    for source, data in _contents(names):
        sources.append(source)
        try:
            documents += _documents(source, data)
        except NotYaml as error:
            broken.append(error)
    return Input(tuple(documents), tuple(broken), tuple(sources))


def nothing_in(names: Iterable[str]) -> str:
    """Return the first name that promises objects, stdin or a folder; a file may well have nothing but comments."""
    promising = (STDIN_NAME if name == STDIN else name for name in names if name == STDIN or Path(name).is_dir())
    return next(promising, "")


def read_objects(name: str) -> tuple[Document, ...]:
    """Read one file, folder or stdin. Raises BadInput for one that is not there or no YAML."""
    found = read_input([name])
    if found.broken:
        raise found.broken[0]
    return found.documents


def _contents(names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    is_read = set()
    for name in names:
        for path in [Path(name)] if name == STDIN else _files(Path(name)):
            source = STDIN_NAME if name == STDIN else str(path)
            if source in is_read:
                continue
            is_read.add(source)
            try:
                yield source, sys.stdin.buffer.read() if name == STDIN else path.read_bytes()
            except OSError as error:
                raise BadInput(f"{source}: can't be read: {error.strerror}") from error


def _files(path: Path) -> list[Path]:
    """Return the file, or the YAML and JSON files below a folder; hidden ones are none of them."""
    if not path.exists():
        raise BadInput(f"{path}: there is no such file or folder")
    if not path.is_dir():
        return [path]
    below = sorted(file for file in path.rglob("*") if file.suffix in _ENDINGS and file.is_file())
    return [file for file in below if not any(part.startswith(".") for part in file.relative_to(path).parts)]


def _documents(source: str, data: bytes) -> Iterator[Document]:
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        column = len(before) - before.rfind("\n")
        raise NotYaml(source, before.count("\n") + 1, column, "this is no YAML: found no UTF-8 here") from error
    # All of a file is read before any of it is taken: what follows a mistake is not what was meant.
    try:
        yield from [document for node in compose(text, source) for document in _objects(source, node)]
    except NotYaml as error:
        if not _TEMPLATES_ACTION.search(text):
            raise
        why = f"{error.why}; if it is a template of Helm's, lint what it becomes: helm template CHART | serin lint -"
        raise NotYaml(source, error.line, error.column, why) from error


def _objects(source: str, node: yaml.Node) -> Iterator[Document]:
    if not isinstance(node, yaml.MappingNode):
        return
    entries = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    kind, items = entries.get("kind"), entries.get("items")
    if isinstance(items, yaml.SequenceNode) and isinstance(kind, yaml.ScalarNode) and kind.value.endswith("List"):
        for item in items.value:
            yield from _objects(source, item)
        return
    values = Values(source)
    yield Document(source, node, values.read(node), tuple(values.repeated))
