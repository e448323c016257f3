"""Which IP addresses are public, so that a server may send requests to them on behalf of a client. Pure.

From the special-purpose registries of IANA (https://www.iana.org/assignments/iana-ipv4-special-registry and
iana-ipv6-special-registry). IPv6 addresses that carry one of IPv4 are judged by it where they are in use today (IPv4-mapped,
NAT64), and refused where they are history (IPv4-compatible, 6to4, Teredo). What is listed here is refused although a library
might call it global; all of IPv6 outside 2000::/3 is refused, because nothing else is assigned to hosts of the internet.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL_V4: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "of this host"),
    ("10.0.0.0/8", "of a private network"),
    ("100.64.0.0/10", "of a provider's private network"),  # CGNAT; 100.100.100.200 is a metadata service
    ("127.0.0.0/8", "of this host"),
    ("168.63.129.16/32", "of a metadata service"),  # Azure's, in public address space
    ("169.254.0.0/16", "of the local link"),  # 169.254.169.254 is the metadata service of most clouds
    ("172.16.0.0/12", "of a private network"),
    ("192.0.0.0/24", "reserved for protocols"),
    ("192.0.2.0/24", "reserved for documentation"),
    ("192.88.99.0/24", "of a relay"),
    ("192.168.0.0/16", "of a private network"),
    ("198.18.0.0/15", "reserved for benchmarks"),
    ("198.51.100.0/24", "reserved for documentation"),
    ("203.0.113.0/24", "reserved for documentation"),
    ("224.0.0.0/4", "of a multicast group"),
    ("240.0.0.0/4", "reserved"),
)
_SPECIAL_V6: tuple[tuple[str, str], ...] = (
    ("::/128", "of this host"),
    ("::1/128", "of this host"),
    ("64:ff9b:1::/48", "of a private network"),  # NAT64 of local use
    ("fc00::/7", "of a private network"),  # fd00:ec2::254 and fd20:ce::254 are metadata services
    ("fe80::/10", "of the local link"),
    ("fec0::/10", "of a private network"),
    ("ff00::/8", "of a multicast group"),
    ("2001::/23", "reserved for protocols"),  # Teredo, benchmarks, ORCHID
    ("2001:db8::/32", "reserved for documentation"),
    ("2002::/16", "of a relay"),  # 6to4
    ("3fff::/20", "reserved for documentation"),
)
_SPECIAL: tuple[tuple[Network, str], ...] = tuple((ip_network(net), why) for net, why in (*_SPECIAL_V4, *_SPECIAL_V6))
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def carried(address: Address) -> Address:
    """The address of IPv4 that ``address`` stands for, or ``address`` itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def special(address: Address) -> str | None:
    """Why ``address`` is not public, as in "an address of the local link"; ``None`` if it is."""
    address = carried(address)
    for network, why in _SPECIAL:
        if address in network:
            return why
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "reserved"
    return None


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation.

    Raises:
        ValueError: one is not; the message names the remedy.
    """
    found = []
    for text in texts:
        try:
            found.append(ip_network(text))
        except ValueError as error:
            raise ValueError(f"{text!r} is not a network: write it in CIDR notation, such as 10.1.0.0/16") from error
    return tuple(found)


class AddressPolicy:
    """Public addresses, and those of the ``allowed`` networks, whatever they are: who allows a network takes care of what it
    has, a metadata service for example."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = networks(allowed)

    def objection(self, address: Address) -> str | None:
        """Why ``address`` may not be connected to; ``None`` if it may."""
        why = special(address)
        if why is None or any(each in network for network in self._allowed for each in (address, carried(address))):
            return None
        return why
