"""What a decision may do to the world. Each can be repeated; the next observation shows what came of it."""

from dataclasses import dataclass

from canary.observation import Part


@dataclass(frozen=True, slots=True)
class ApplyPart:
    """Create a generated object, or set what is ours on it."""

    part: Part


@dataclass(frozen=True, slots=True)
class SetWeights:
    """Patch the route from the weights last seen (percent) to the wanted ones."""

    primary_weight: int
    canary_weight: int


@dataclass(frozen=True, slots=True)
class ScaleTarget:
    """Set the target's replicas."""

    replicas: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Give the primary the template of an analysed revision."""

    revision: str


Action = ApplyPart | SetWeights | ScaleTarget | Promote
