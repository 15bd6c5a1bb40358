"""The admission webhook: marks revisions as they are applied, explains bad Canaries, and never stands in the way."""
