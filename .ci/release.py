"""What a release needs beside the tests: `make version-check VERSION=0.2.0` and `make charts-package`."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Annotated, Final

import typer

REPOSITORY: Final = Path(__file__).parent.parent

# Each file that says the version, and how it does. An image's name is ours if it begins with serin.
PLACES: Final = {
    "pyproject.toml": r'(?m)^version = "(.+)"$',
    "charts/serin/Chart.yaml": r"(?m)^(?:version|appVersion): (.+)$",
    "charts/loadtester/Chart.yaml": r"(?m)^(?:version|appVersion): (.+)$",
    "Makefile": r"--tag serin(?:-loadtester)?:(\S+)",
    "manifests/agent/deployment.yaml": r"image: serin:(\S+)",
    "manifests/webhook/deployment.yaml": r"image: serin:(\S+)",
    "manifests/webhook/authority.yaml": r"image: serin:(\S+)",
    "manifests/loadtester/deployment.yaml": r"image: serin-loadtester:(\S+)",
    "CHANGELOG.md": r"(?m)^## \[(\d\S*)\]",  # its newest heading
}

# Of each chart: the name of its image, and the line of its values.yaml that has it.
IMAGES: Final = {"serin": "serin", "loadtester": "serin-loadtester"}

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def check(version: str) -> None:
    """Fail if a file says another version, or none."""
    wrong = [f"{path}: found {found}; allowed: {version}" for path, found in versions().items() if found != {version}]
    if wrong:
        typer.echo("\n".join(wrong), err=True)
        raise typer.Exit(1)


@app.command()
def package(
    registry: Annotated[str, typer.Option(help="Host and path of the images, as in registry.example/team.")],
    digests: Annotated[Path, typer.Option(help="A folder with the digest of each image, in a file of its name.")],
    helm: Annotated[str, typer.Option(help="The program.")] = str(REPOSITORY / ".sandbox" / "bin" / "helm4"),
    into: Annotated[Path, typer.Option(help="Where the packages go.")] = REPOSITORY / "dist",
) -> None:
    """Package both charts with their images named by registry and digest: what was tested is what is pulled."""
    into.mkdir(exist_ok=True)
    for chart, image in IMAGES.items():
        digest = (digests / image).read_text().strip()
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise typer.BadParameter(f"{digests / image}: found {digest!r}; allowed: sha256: and 64 hexadecimal digits")
        copy = REPOSITORY / "build" / "charts" / chart
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(REPOSITORY / "charts" / chart, copy)
        values = copy / "values.yaml"
        values.write_text(with_image(values.read_text(), image, f"{registry}/{image}", digest))
        subprocess.run([helm, "package", str(copy), "--destination", str(into)], check=True)


def versions() -> dict[str, set[str]]:
    """Return for each file the versions that it says; of the changelog the newest alone."""
    found = {path: re.findall(pattern, (REPOSITORY / path).read_text()) for path, pattern in PLACES.items()}
    return {path: set(all_of[:1] if path == "CHANGELOG.md" else all_of) for path, all_of in found.items()}


def with_image(values: str, image: str, repository: str, digest: str) -> str:
    """Return the text of a values.yaml with another image; its comments stay.

    Raises:
        ValueError: the lines of the image are not there.
    """
    pattern = rf'(?m)^(?P<indent> +)repository: {image}$(?P<between>(?:\n(?P=indent).*)*?)\n(?P=indent)digest: ""$'
    text, count = re.subn(
        pattern, rf"\g<indent>repository: {repository}\g<between>\n\g<indent>digest: {digest}", values
    )
    if count != 1:
        raise ValueError(f"values.yaml: found {count} places with the image {image} and an empty digest; allowed: one")
    return text


if __name__ == "__main__":
    app(prog_name="release")
