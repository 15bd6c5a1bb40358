"""Every package is pinned to files of known content, and an image installs nothing else."""

import re

from tests.support.cluster import REPOSITORY

PINNED = re.compile(r"[A-Za-z0-9_.-]+==\S+(?: ; [^\\\n]+)?(?: \\\n {4}--hash=sha256:[0-9a-f]{64})+")


def pins(path: str) -> list[str]:
    """Return the pins of a file; all that is not a comment must be one."""
    text = re.sub(r"(?m)^#.*\n", "", (REPOSITORY / path).read_text())
    found = PINNED.findall(text)
    assert "\n".join(found) == text.strip(), f"{path}: a line that is no version with its hashes"
    return found


def test_every_requirement_is_a_version_with_its_hashes() -> None:
    assert any(pin.startswith("cyclonedx-bom==") for pin in pins("requirements-sbom.txt"))
    assert len(pins("requirements.txt")) > 20
    assert len(pins("requirements-dev.txt")) > 20


def test_the_load_tester_installs_some_of_the_same_pins() -> None:
    assert {pin.split("==")[0] for pin in pins("loadtester/requirements.txt")} >= {"aiohttp", "aioprometheus"}
    assert set(pins("loadtester/requirements.txt")) <= set(pins("requirements.txt"))


def test_every_image_is_built_on_one_that_can_be_pinned_by_its_digest() -> None:
    """A tag may be another image tomorrow. A digest is the registry's to tell, so none is written by hand."""
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    named = dict(re.findall(r"(?m)^ARG ([A-Z]+_IMAGE)=(\S+)$", dockerfile))
    stages = re.findall(r"(?m)^FROM (?:--platform=\S+ )?(\S+) AS (\S+)$", dockerfile)
    assert {base for base, _ in stages} - {stage for _, stage in stages} == {f"${{{name}}}" for name in named}
    kept = REPOSITORY / "images.mk"
    for line in kept.read_text().splitlines() if kept.exists() else ():
        name, tag = re.fullmatch(r"PINNED \+= --build-arg (\w+)=(\S+)@sha256:[0-9a-f]{64}", line).groups()  # type: ignore[union-attr]
        assert named[name] == tag


def test_no_image_installs_a_package_without_its_hash() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    installs = [line for line in dockerfile.splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert all("--require-hashes -r requirements.txt" in line for line in installs)
