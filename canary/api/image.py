"""Container images as people read them: repository, tag and digest."""

from typing import Final, NamedTuple

_DIGEST_CHARS: Final = 12
_FLAGGER: Final = "flagger"


class Image(NamedTuple):
    """`tag` and `digest` are "" where there is none; the digest keeps its algorithm: `sha256:...`."""

    repository: str
    tag: str
    digest: str

    @property
    def version(self) -> str:
        """Return the tag, else the start of the digest, else `latest`: what distinguishes images of a repository."""
        return self.tag or self.short_digest or "latest"

    @property
    def short_digest(self) -> str:
        """Return the first 12 characters of the digest, with its algorithm."""
        algorithm, _, content = self.digest.partition(":")
        return f"{algorithm}:{content[:_DIGEST_CHARS]}" if content else algorithm

    def __str__(self) -> str:
        """Return the whole name, but for the rest of the digest."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.short_digest}" if self.digest else "")


def parse_image(text: str) -> Image:
    """Read `registry:5000/owner/name:tag@sha256:...`; any text gives something."""
    untagged, _, digest = text.partition("@")
    folder, slash, last = untagged.rpartition("/")
    name, _, tag = last.partition(":")
    return Image(f"{folder}{slash}{name}", tag, digest)


def is_flaggers(text: str) -> bool:
    """Return whether an image is Flagger's: it is named `flagger`, in whatever registry."""
    return parse_image(text).repository.rpartition("/")[2] == _FLAGGER


def describe_image(old: str, new: str) -> str:
    """Describe a change: `6.0.0 -> 6.0.1` within a repository, with the repositories when they differ."""
    before, after = parse_image(old), parse_image(new)
    if before.repository != after.repository:
        return f"{before} -> {after}"
    if before.tag == after.tag and before.digest and after.digest:
        return f"{before.short_digest} -> {after.short_digest}"
    if before.version == after.version:
        # The same tag, pinned or no longer pinned: only the whole distinguishes the two.
        return f"{before} -> {after}"
    return f"{before.version} -> {after.version}"
