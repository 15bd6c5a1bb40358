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

# Of each chart: the name of its image.
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
        described = copy / "Chart.yaml"
        described.write_text(with_image(described.read_text(), f"{registry}/{image}@{digest}"))
        subprocess.run([helm, "package", str(copy), "--destination", str(into)], check=True)


def versions() -> dict[str, set[str]]:
    """Return for each file the versions that it says; of the changelog the newest alone."""
    found = {path: re.findall(pattern, (REPOSITORY / path).read_text()) for path, pattern in PLACES.items()}
    return {path: set(all_of[:1] if path == "CHANGELOG.md" else all_of) for path, all_of in found.items()}


def with_image(chart: str, image: str) -> str:
    """Return the text of a Chart.yaml that names the image that was built with it.

    It is not among the values: a tag or a repository that a user sets must take its place, whatever is published.

    Raises:
        ValueError: the chart has annotations already.
    """
    if "\nannotations:" in chart:
        raise ValueError("Chart.yaml: found annotations; allowed: none, they are written here")
    return f"{chart.rstrip()}\nannotations:\n  serin.dev/image: {image}\n"


if __name__ == "__main__":
    app(prog_name="release")
