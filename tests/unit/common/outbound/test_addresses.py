"""Which addresses are public: every special one is found in every way of writing it, and no other."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.outbound.addresses import AddressPolicy, special

V4 = st.ip_addresses(v=4)
"""Hypothesis prefers special ones."""
V6 = st.ip_addresses(v=6) | st.integers(0x2000 << 112, (0x4000 << 112) - 1).map(IPv6Address)
IN_USE = ("::ffff:0:0", "64:ff9b::")
"""Prefixes under which addresses of IPv4 are reached today."""
NAT64 = IPv6Network("64:ff9b::/96")


def carrying(prefix: str, address: IPv4Address) -> IPv6Address:
    """``address`` in the last four bytes under ``prefix``."""
    return IPv6Address(int(IPv6Address(prefix)) | int(address))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "0.1.2.3",  # noqa: S104 - nothing is bound
        "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
        "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
        "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::2", "::7f00:1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "64:ff9b:1:a00:0:100::",
        "100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::",
        "2002:a00:1::1", "2002:a9fe:a9fe::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1",
        "fe80::1%1", "febf::1", "fec0::1", "ff02::1", "ffff::1", "4000::1",
    ],
)  # fmt: skip
def test_special_addresses_are_found(text: str) -> None:
    assert special(ip_address(text)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
        "168.63.129.15", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255",
        "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    ],
)  # fmt: skip
def test_public_addresses_pass(text: str) -> None:
    assert special(ip_address(text)) is None


@given(V4 | V6)
def test_what_passes_is_global_by_the_standard_library_too(address: IPv4Address | IPv6Address) -> None:
    if special(address) is None and getattr(address, "ipv4_mapped", None) is None and address not in NAT64:
        assert address.is_global
        assert not address.is_multicast


@given(V4)
def test_an_address_is_judged_the_same_however_it_is_carried(address: IPv4Address) -> None:
    for prefix in IN_USE:
        assert special(carrying(prefix, address)) == special(address)


@given(V4)
def test_what_carries_addresses_in_old_ways_never_passes(address: IPv4Address) -> None:
    assert special(carrying("::", address)) is not None
    assert special(IPv6Address(0x2002 << 112 | int(address) << 80 | 1)) is not None
    inverted = int(address) ^ 0xFFFF_FFFF
    assert special(IPv6Address(0x2001_0000 << 96 | int(address) << 64 | inverted)) is not None
    assert special(IPv6Address((0x64_FF9B_0001 << 80) | int(address))) is not None


@given(st.integers(0, 2**32 - 1))
def test_an_allowed_network_allows_what_is_in_it_and_nothing_else(number: int) -> None:
    policy, address = AddressPolicy(["10.1.0.0/16", "fd00:1::/32"]), IPv4Address(number)
    within = IPv4Address("10.1.0.0") <= address <= IPv4Address("10.1.255.255")
    assert (policy.objection(address) is None) == (within or special(address) is None)


def test_an_allowed_network_allows_its_addresses_however_they_are_carried() -> None:
    policy = AddressPolicy(["127.0.0.1/32", "fd00::/8"])
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "fd12::1"):
        assert policy.objection(ip_address(text)) is None
    for text in ("127.0.0.2", "::ffff:127.0.0.2", "::1", "fe80::1"):
        assert policy.objection(ip_address(text)) is not None


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "", "10.0.0.0/33"])
def test_what_is_no_network_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="CIDR"):
        AddressPolicy([text])
