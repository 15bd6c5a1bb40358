"""Finding the one process that is to be killed."""

from pathlib import Path

from sandbox.demo.kill import beginning_with


def test_a_process_is_found_by_the_first_words_of_its_command(tmp_path: Path) -> None:
    commands = {
        "7": "python\0-m\0agent\0--port=8080\0",
        "8": "python\0-m\0agents\0",
        "9": "/bin/sh\0-c\0python -m agent\0",
        "self": "python\0-m\0agent\0",
    }
    for pid, command in commands.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_text(command)
    (tmp_path / "10").mkdir()
    assert list(beginning_with(["python", "-m", "agent"], tmp_path)) == [7]
