"""Where the measurements find and leave things."""

from pathlib import Path
from typing import Final

from sandbox.paths import bin_dir

REPOSITORY: Final = Path(__file__).resolve().parent.parent
BUILD: Final = REPOSITORY / "build"
TOOLS: Final = bin_dir()
