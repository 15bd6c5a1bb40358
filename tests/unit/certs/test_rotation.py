"""Rotation: at every moment each client, who may be behind, accepts what each replica, who may be behind, serves."""

from dataclasses import dataclass, field, replace

import pytest
from cryptography import x509
from cryptography.x509.verification import VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.authority import service_names
from certs.leaf import Leaf
from certs.material import Material
from certs.rotation import Lifetimes, rotate
from tests.unit.certs.test_authority import verify

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0
NAMES = service_names("serin-webhook", "gloo-system")
LIFETIMES = Lifetimes()


def at(stored: Material, now_s: float, *, is_published: bool = True) -> Material:
    return rotate(stored, names=NAMES, now_s=now_s, lifetimes=LIFETIMES, is_published=is_published)


FIRST = at(Material(), NOW_S)


def with_new_authority() -> Material:
    return at(FIRST, NOW_S + 244 * DAY_S - 1)


def test_the_first_start_makes_everything() -> None:
    assert FIRST.leaf is not None
    assert FIRST.is_leaf_of_newest
    assert len(FIRST.authorities) == 1
    verify(FIRST.leaf, *FIRST.authorities, at_s=NOW_S)


def test_nothing_is_due_until_two_thirds_of_a_leaf() -> None:
    assert at(FIRST, NOW_S + 60 * DAY_S - 1) == FIRST
    renewed = at(FIRST, NOW_S + 60 * DAY_S)
    assert renewed.authorities == FIRST.authorities
    assert renewed.leaf is not None
    assert renewed.leaf.expires_at_s == NOW_S + 150 * DAY_S


def test_a_new_authority_is_told_of_before_its_leaf_is_served() -> None:
    start_s = NOW_S + 243.5 * DAY_S
    served = replace(FIRST, leaf=None)
    served = at(served, NOW_S + 200 * DAY_S)  # an authority of day 0 and a leaf of day 200
    told = at(served, start_s)
    assert told.authorities[1:] == served.authorities
    assert told.leaf == served.leaf
    assert told.authority_key != served.authority_key
    assert at(told, start_s + DAY_S, is_published=False) == told

    counted = at(told, start_s + 10)
    assert counted == replace(told, published_at_s=start_s + 10)
    assert at(counted, start_s + 10 + LIFETIMES.overlap_s - 1) == counted
    switched = at(counted, start_s + 10 + LIFETIMES.overlap_s)
    assert switched.authorities == told.authorities
    assert switched.is_leaf_of_newest
    assert switched.published_at_s is None


def test_the_old_authority_stays_until_it_has_expired() -> None:
    start_s = NOW_S + 243.5 * DAY_S
    stored = at(at(at(replace(FIRST, leaf=None), start_s), start_s), start_s + 7200)
    assert len(at(stored, NOW_S + 365 * DAY_S - 1).authorities) == 2
    assert at(stored, NOW_S + 365 * DAY_S).authorities == stored.authorities[:1]


def test_without_its_key_an_authority_is_replaced_with_overlap() -> None:
    rotated = at(replace(FIRST, authority_key=None), NOW_S + 1)
    assert rotated.authorities[1:] == FIRST.authorities
    assert (rotated.leaf, rotated.published_at_s) == (FIRST.leaf, None)


def test_without_a_leaf_there_is_no_waiting() -> None:
    rotated = at(replace(FIRST, leaf=None, authority_key=None), NOW_S + 1, is_published=False)
    assert rotated.is_leaf_of_newest
    assert len(rotated.authorities) == 2


def test_a_publication_from_the_future_is_counted_anew() -> None:
    told = at(replace(FIRST, authority_key=None), NOW_S)
    assert at(replace(told, published_at_s=NOW_S + 1e9), NOW_S) == replace(told, published_at_s=NOW_S)
    assert at(replace(told, published_at_s=NOW_S + 1e9), NOW_S, is_published=False) == told


def test_a_leaf_gets_names_that_it_lacks_and_keeps_those_it_has_too_many() -> None:
    """An authority can't sign for names that it was not made for: another one is told of first."""
    more = FIRST
    for now_s in (NOW_S, NOW_S + 1, NOW_S + 3601):
        more = rotate(more, names={*NAMES, "more"}, now_s=now_s, lifetimes=LIFETIMES, is_published=True)
        assert len(more.authorities) == 2
        assert (more.leaf == FIRST.leaf) == (now_s < NOW_S + 3601)
    assert more.leaf is not None
    assert more.leaf.names == {*NAMES, "more"}
    verify(more.leaf, *more.authorities, at_s=NOW_S + 3601)
    assert at(more, NOW_S + 3601) == more, "or two versions of the webhook would take turns"


@pytest.mark.parametrize(
    ("authority_s", "leaf_s", "overlap_s"), [(90, 31, 1), (90, 30, 10), (90, 0, 0), (90, 30, -1), (0, 0, 0)]
)
def test_lifetimes_that_leave_no_time_are_refused(authority_s: float, leaf_s: float, overlap_s: float) -> None:
    with pytest.raises(ValueError, match="allowed is"):
        Lifetimes(authority_s=authority_s, leaf_s=leaf_s, overlap_s=overlap_s)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-2000 * DAY_S, 2000 * DAY_S), max_size=8))
def test_after_any_jump_of_the_clock_there_is_a_leaf_that_is_good_now_and_nothing_more_to_do(
    jumps: list[float],
) -> None:
    stored, now_s = FIRST, NOW_S
    for jump_s in jumps:
        now_s = max(0.0, now_s + jump_s)
        stored = at(at(stored, now_s), now_s)
        assert stored.leaf is not None
        verify(stored.leaf, *stored.authorities, at_s=now_s)
        assert at(stored, now_s) == stored


@dataclass
class Replica:
    """Knows the Secret as it was when it last looked, and serves a leaf of it."""

    version: int = 0
    known: Material = field(default_factory=Material)
    served: Leaf | None = None
    looked_at_s: float = NOW_S


@dataclass
class World:
    """One Secret, the bundle in the configurations with its past, and two replicas."""

    now_s: float = NOW_S
    version: int = 0
    secret: Material = field(default_factory=Material)
    bundles: list[tuple[float, tuple[x509.Certificate, ...]]] = field(default_factory=list)
    replicas: tuple[Replica, Replica] = field(default_factory=lambda: (Replica(), Replica()))

    def look(self, replica: Replica) -> None:
        replica.version, replica.known, replica.looked_at_s = self.version, self.secret, self.now_s

    def act(self, replica: Replica) -> None:
        """One pass of the keeper; one who lost the race has looked again, and does nothing more."""
        is_published = bool(self.bundles) and self.bundles[-1][1] == replica.known.authorities
        wanted = at(replica.known, self.now_s, is_published=is_published)
        if wanted != replica.known:
            if replica.version != self.version:
                self.look(replica)
                return
            self.version, self.secret = self.version + 1, wanted
            self.look(replica)
        if replica.version == self.version and (not self.bundles or self.bundles[-1][1] != wanted.authorities):
            self.bundles.append((self.now_s, wanted.authorities))
        replica.served = wanted.leaf

    def trusted(self) -> list[tuple[x509.Certificate, ...]]:
        """What an API server may believe: what was written last before the overlap began, or anything since."""
        since = self.now_s - LIFETIMES.overlap_s
        before = [bundle for at_s, bundle in self.bundles if at_s <= since][-1:]
        return before + [bundle for at_s, bundle in self.bundles if at_s > since]

    def check(self) -> None:
        for replica in self.replicas:
            if replica.served is None:
                continue
            for bundle in self.trusted():
                try:
                    verify(replica.served, *bundle, at_s=self.now_s)
                except VerificationError as error:
                    day = (self.now_s - NOW_S) / DAY_S
                    raise AssertionError(f"on day {day:.3f}, with {len(bundle)} authorities: {error}") from error


MOVES = st.tuples(
    st.one_of(st.floats(0, 7200), st.floats(0, 20 * DAY_S)),
    st.sampled_from([(0, True), (1, True), (0, False), (1, False)]),
)


@settings(max_examples=12, deadline=None)
@given(st.lists(MOVES, min_size=2, max_size=10))
def test_for_three_years_every_client_accepts_every_replica(moves: list[tuple[float, tuple[int, bool]]]) -> None:
    """The moves are repeated, with some quiet days between, until the years are over.

    No replica looks away for longer than the last third of a leaf.
    """
    world = World()
    for replica in world.replicas:
        world.look(replica)
        world.act(replica)
    authorities = {world.secret.authorities[0]}
    while world.now_s < NOW_S + 3 * 365 * DAY_S:
        for jump_s, (index, is_looking) in [*moves, (10 * DAY_S, (0, True))]:
            world.now_s += jump_s
            for replica in world.replicas:
                if world.now_s - replica.looked_at_s > 5 * DAY_S:
                    world.look(replica)
                    world.act(replica)
            acting = world.replicas[index]
            if is_looking:
                world.look(acting)
            world.act(acting)
            world.check()
            authorities.add(world.secret.authorities[0])
    assert len(authorities) >= 4, "three years see several"
