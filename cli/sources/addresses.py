"""Addresses that proxies and controllers report."""

from ipaddress import AddressValueError, IPv4Address, IPv4Network


def is_in(address: str, network: IPv4Network) -> bool:
    """Return whether a text is an address of a network; an address of IPv6 is not."""
    try:
        return IPv4Address(address) in network
    except AddressValueError:
        return False
