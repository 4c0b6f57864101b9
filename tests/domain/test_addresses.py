"""Which addresses count as one client."""

import pytest

from transom.domain.addresses import group_address


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("2001:db8:1:3::9", "2001:db8:1:3::"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_a_client_of_ipv6_is_a_network(address: str, client: str) -> None:
    assert group_address(address) == client
