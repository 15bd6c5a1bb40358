"""The guide shows what is installed: its objects are those of the examples, and its paths exist."""

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[3]
GUIDE = (REPOSITORY / "docs/guide.md").read_text()
EXAMPLES = REPOSITORY / "manifests/examples"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("name", ["podinfo-virtualservice.yaml", "podinfo-canary.yaml", "not-found-percentage.yaml"])
def test_the_guides_objects_are_the_examples(name: str) -> None:
    shown = [yaml.safe_load(block) for block in blocks("yaml")]
    assert yaml.safe_load((EXAMPLES / name).read_text()) in shown
    assert f"kubectl apply -f manifests/examples/{name}" in GUIDE


def test_the_guides_paths_and_targets_exist() -> None:
    commands = "\n".join(blocks("bash"))
    paths = re.findall(r"(?<=-k )\S+|(?<=-f )manifests\S+", commands)
    assert len(paths) >= 6
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []
    makefile = (REPOSITORY / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in re.findall(r"make (\w+)", commands))
