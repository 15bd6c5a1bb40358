"""Pod addresses."""

from sandbox.node.network import Addresses


def test_a_freed_address_is_not_the_next_one() -> None:
    addresses = Addresses()
    first = addresses.take()
    addresses.free(first)
    assert addresses.take() != first


def test_addresses_start_again_at_the_end_of_the_range_without_those_in_use() -> None:
    addresses = Addresses()
    kept = addresses.take()
    others = [addresses.take() for _ in range(255 * 256 - 3)]
    assert len({kept, *others}) == len(others) + 1
    addresses.free(others[0])
    assert addresses.take() == others[0]
