"""Addresses: what is fetched, what is private, what is shown."""

import ipaddress

import pytest
from fuzz.damage import words
from fuzz.target import target
from hypothesis import strategies as st

from triptych.core.cells import row_faults
from triptych.core.status import Refused
from triptych.media.hosts import AddressRefused, Guard, check_url, is_private
from triptych.report.links import linkable, safe_source

HOSTS = st.sampled_from(
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "10.0.0.7",
        "169.254.169.254",
        "localhost",
        "[fe80::1%25eth0]",
        "[64:ff9b::a00:1]",
        "host.example",
        "user:pw@host.example",
        "host.example:99999",
        "[",
        "ⅼocalhost",
    ]
)
SCHEMES = st.sampled_from(
    ["http://", "https://", "HTTPS://", "file://", "data:", "ftp://", "javascript:", "//", "http:/", "h\x01ttp://"]
)


@target(share=3, scheme=SCHEMES, host=HOSTS | words, path=words)
def test_a_url_is_http_and_checked_or_refused(folder, scheme, host, path):
    url = f"{scheme}{host}/{path}"
    shown = safe_source(url)
    assert "user:pw" not in shown or not url.lower().startswith(("http://", "https://"))
    link = linkable(url)
    assert link is None or link.lower().startswith("http")
    faults = []
    row_faults(2, {"id": "a", "source": url}, faults)
    try:
        found = check_url(url)
    except Refused as refused:
        assert refused.outcome.reason == "not_http"
        return
    assert url.lower().startswith("http") and found
    try:
        Guard().check_request(url)
    except AddressRefused as error:
        assert str(error)
    else:
        with_number = found.partition("%")[0]
        try:
            address = ipaddress.ip_address(with_number)
        except ValueError:
            return  # a name: it is checked where it connects
        assert address.is_global


@target(share=2, address=st.ip_addresses())
def test_no_address_of_a_private_network_is_public(folder, address):
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert is_private(str(address))
    if address.version == 4:
        mapped = ipaddress.ip_address(f"::ffff:{address}")
        assert is_private(str(mapped)) == is_private(str(address))
        assert is_private(f"64:ff9b::{address}") == is_private(str(address))


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "100.64.0.1", "198.18.0.1", "192.0.0.8", "255.255.255.255", "::", "fc00::1"]
)
def test_shared_and_reserved_addresses_are_private(address):
    assert is_private(address)
