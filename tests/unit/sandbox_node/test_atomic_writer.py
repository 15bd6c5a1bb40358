"""Volume folders that change all at once."""

from pathlib import Path

from sandbox.node.atomic_writer import VolumeFile, write_atomically


def files(**contents: str) -> dict[str, VolumeFile]:
    return {name.replace("__", "/"): VolumeFile(text.encode(), 0o640) for name, text in contents.items()}


def test_files_are_links_into_one_version(tmp_path: Path) -> None:
    write_atomically(tmp_path, files(a="A", sub__b="B"))
    assert (tmp_path / "a").read_text() == "A"
    assert (tmp_path / "sub" / "b").read_text() == "B"
    assert (tmp_path / "a").readlink() == Path("..data/a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_new_version_replaces_all_files_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_atomically(tmp_path, files(a="A", gone="x"))
    write_atomically(tmp_path, files(a="A2", new="N"))
    names = {entry.name for entry in tmp_path.iterdir()}
    assert {name for name in names if not name.startswith("..")} == {"a", "new"}
    assert len([name for name in names if name.startswith("..version")]) == 1
    assert (tmp_path / "a").read_text() == "A2"
