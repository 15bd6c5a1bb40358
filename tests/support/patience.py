"""How long tests wait: no machine stands still for so long, and a wait for what never happens still ends."""

from typing import Final

PATIENCE_S: Final = 60.0
"""For what must happen: it only ends a test that would wait for ever."""

AGES_S: Final = 3600.0
"""For what must not happen by itself in a test."""
