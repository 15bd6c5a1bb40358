"""The page's files are where the program is: in the wheel and in the image, and each is sent."""

import re
import tomllib

from agent.page import server
from tests.support.cluster import REPOSITORY

STATIC = REPOSITORY / "agent" / "page" / "static"
FILES = {path.name for path in STATIC.iterdir()}


def test_the_wheel_and_the_image_have_all_files() -> None:
    packaged = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert {path.name for pattern in packaged["agent.page"] for path in STATIC.parent.glob(pattern)} == FILES
    assert "COPY agent /app/agent" in (REPOSITORY / "Dockerfile").read_text()


def test_each_file_is_sent_and_small() -> None:
    assert set(server._TYPES) == FILES
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < 64 * 1024


def test_no_file_names_another_place_or_puts_text_in_as_html() -> None:
    for path in STATIC.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        for word in (
            "http:",
            "https:",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "style=",
        ):
            assert word not in text, (path.name, word)


def test_each_colour_that_is_used_is_one() -> None:
    text = (STATIC / "page.css").read_text()
    assert set(re.findall(r"var\((--[a-z-]+)\)", text)) <= set(re.findall(r"(--[a-z-]+):", text))
