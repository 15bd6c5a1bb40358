"""Where the measurements find and leave things."""

from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
BUILD: Final = REPOSITORY / "build"
TOOLS: Final = REPOSITORY / ".sandbox" / "bin"
