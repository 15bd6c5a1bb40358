"""What the pages name exists: files, folders, headings, `make` targets, and the names that they say a file has.

A page may leave a part open: `agent/providers/metrics/<name>.py` needs a folder `agent/providers/metrics/`.
"""

import os
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.support.cluster import REPOSITORY

PAGES = sorted(
    path.relative_to(REPOSITORY)
    for path in [*(REPOSITORY / "docs").rglob("*.md"), *map(REPOSITORY.joinpath, ("README.md", "CONTRIBUTING.md"))]
)
FOLDERS = {path.name for path in REPOSITORY.iterdir() if path.is_dir() and not path.name.startswith(".")} - {"build"}
# Not of the repository: folders of a sandbox's state directory, files that a run leaves, and kubectl's TYPE/NAME.
ELSEWHERE = re.compile(r"^(?:build|logs|run)/|^https?:|^\.(?:venv|sandbox)\b|^\w+/podinfo(?:-|$)")

BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED_IN = re.compile(r"((?:`\w+`(?:, | and ))*`\w+`) in `([\w/.]+\.py)`")
SUFFIXES = ("cfg", "json", "md", "py", "sh", "toml", "txt", "yaml", "yml")
ROOT_FILE = re.compile(rf"(?:Makefile|Dockerfile|LICENSE|[\w.-]+\.(?:md|toml))$|^\.[\w-]+\.(?:{'|'.join(SUFFIXES)})$")


def text_of(page: Path) -> str:
    return (REPOSITORY / page).read_text()


def alternatives(word: str) -> list[str]:
    """`a/{b,c}.py` -> `a/b.py`, `a/c.py`."""
    parts = [part.split(",") for part in re.split(r"[{}]", word)]
    return ["".join(choice) for choice in product(*parts)] if word.count("{") == word.count("}") else [word]


def is_path(word: str) -> bool:
    first, slash, _ = word.partition("/")
    if ELSEWHERE.match(word) or not re.fullmatch(r"[\w.<>*/-]+", word):
        return False
    if not slash:
        return bool(ROOT_FILE.fullmatch(word))
    return (
        first in FOLDERS
        or word.endswith(tuple(f".{suffix}" for suffix in SUFFIXES))
        or (word == f"{first}/" and "." not in first)
    )


def named_paths(page: Path) -> Iterator[str]:
    """Return what stands in backticks and in blocks of code and is a path from the repository's root."""
    text = text_of(page)
    inline = " ".join(CODE.findall(BLOCK.sub("", text)))
    for word in f"{inline} {' '.join(BLOCK.findall(text))}".split():
        for path in alternatives(word.strip("`'\"(),;:")):
            if is_path(path):
                yield path


def exists(path: str) -> bool:
    """Return whether a path exists; of one with an open part, whether its last closed folder does."""
    closed = re.split(r"[^/]*[<*]", path, maxsplit=1)[0]
    found = REPOSITORY / closed
    return found.is_dir() if path.endswith("/") or closed != path else found.exists()


def headings(text: str) -> set[str]:
    """Return the anchors of a page: its headings in lower case, with dashes for blanks and without the rest."""
    titles = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_paths_that_a_page_names_exist(page: Path) -> None:
    assert [path for path in named_paths(page) if not exists(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_links_of_a_page_lead_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in LINK.findall(BLOCK.sub("", text_of(page))):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        if not target.exists() or (anchor and anchor not in headings(target.read_text())):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_file_has_the_names_that_a_page_says_it_has(page: Path) -> None:
    missing = [
        (name, path)
        for names, path in NAMED_IN.findall(text_of(page).replace("\n", " "))
        for name in CODE.findall(names)
        if not (REPOSITORY / path).exists() or not re.search(rf"\b{name}\b", text_of(Path(path)))
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_targets_that_a_page_names_are_in_the_makefile(page: Path) -> None:
    makefile = text_of(Path("Makefile"))
    text = text_of(page)
    code = [*CODE.findall(BLOCK.sub("", text)), *BLOCK.findall(text)]
    targets = {target for piece in code for target in re.findall(r"(?:^|\n|\.\.\. )make ([a-z-]+)", piece)}
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


def test_pages_name_many_paths_and_every_folder_has_a_row_in_the_readme_and_in_the_architecture() -> None:
    assert len({path for page in PAGES for path in named_paths(page)}) > 100
    for page in (Path("README.md"), Path("docs/contributing/architecture.md")):
        rows = set(re.findall(r"^\| `(\w+)/", text_of(page), re.MULTILINE))
        assert {folder for folder in FOLDERS if tracked(folder)} - rows == set()


def tracked(folder: str) -> bool:
    """Return whether a folder has files of the repository, not only what Python left in it."""
    return any(path.suffix != ".pyc" for path in (REPOSITORY / folder).rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("canary/", True),
        ("canary/run/<name>.py", True),
        ("canary/nowhere/<name>.py", False),
        ("canary/nothing.py", False),
        ("Makefile", True),
        ("NOTHING.md", False),
    ],
)
def test_a_path_is_looked_for_as_far_as_it_is_closed(path: str, expected: bool) -> None:  # noqa: FBT001
    assert is_path(path)
    assert exists(path) is expected


@pytest.mark.parametrize(
    "word", ["apps/v1", "serin.dev/request", "build/demo.json", "--slack-url", "configmap/name", "serin.dev/"]
)
def test_what_only_looks_like_a_path_is_none(word: str) -> None:
    assert not is_path(word)


LONGEST = 250
# A ledger and the examples of a command are looked into, not read; what is generated is as long as the code has to say.
NOT_READ = ("docs/compatibility.md", "docs/reference/", "docs/guide.md", "docs/cli.md")


def test_a_page_can_be_read_in_one_go() -> None:
    long = {str(page): len(text_of(page).splitlines()) for page in PAGES if page.parts[0] == "docs"}
    assert {page: lines for page, lines in long.items() if lines > LONGEST and not page.startswith(NOT_READ)} == {}


def test_every_page_is_led_to_from_the_index() -> None:
    reached, waiting = {Path("docs/README.md")}, [Path("docs/README.md")]
    while waiting:
        page = waiting.pop()
        links = (link.partition("#")[0] for link in LINK.findall(BLOCK.sub("", text_of(page))))
        for link in links:
            found = Path(os.path.normpath(page.parent / link))
            if found in PAGES and found not in reached:
                reached.add(found)
                waiting.append(found)
    decisions = {page for page in PAGES if page.parent == Path("docs/decisions")}
    assert set(PAGES) - decisions - reached == {Path("README.md")}
