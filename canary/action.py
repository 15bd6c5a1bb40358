"""What a decision may do to the world. Each can be repeated; the next observation shows what came of it."""

from dataclasses import dataclass

from canary.observation import Part


@dataclass(frozen=True, slots=True)
class ApplyPart:
    """Create a generated object, or set what is ours on it."""

    part: Part


@dataclass(frozen=True, slots=True)
class SetWeights:
    """Patch the route from the weights last seen (percent) to the wanted ones, on behalf of a numbered move."""

    primary_weight: int
    canary_weight: int
    move: int


@dataclass(frozen=True, slots=True)
class ScaleTarget:
    """Set the target's replicas."""

    replicas: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Give the primary the template of a revision: an analysed one or, for a new primary, the one it begins with."""

    revision: str


Action = ApplyPart | SetWeights | ScaleTarget | Promote
