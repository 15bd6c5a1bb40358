"""Volume files that change all at once: a `..data` link is swapped between two folders, as a kubelet does."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

_DATA = "..data"
_NEW_DATA = "..data_new"


@dataclass(frozen=True)
class VolumeFile:
    content: bytes
    mode: int


def write_atomically(folder: Path, files: dict[str, VolumeFile]) -> None:
    """Let `folder` hold `files` (by relative path) and nothing else; a reader sees the old set or the new one."""
    version = Path(tempfile.mkdtemp(prefix="..version_", dir=folder))
    version.chmod(0o755)
    for path, file in files.items():
        target = version / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode)
    data, new_data = folder / _DATA, folder / _NEW_DATA
    previous = os.readlink(data) if data.is_symlink() else ""  # noqa: PTH115  a name is wanted, not a Path
    new_data.unlink(missing_ok=True)
    new_data.symlink_to(version.name)
    new_data.rename(data)
    _link_names(folder, {path.partition("/")[0] for path in files})
    if previous:
        shutil.rmtree(folder / previous)


def _link_names(folder: Path, names: set[str]) -> None:
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{_DATA}/{name}")
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
