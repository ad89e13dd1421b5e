"""Which addresses a download may reach: http and https only, and no private network unless the study allows it.

The check is made where it cannot be gone round: at each connection of the process, on the address itself, by an
audit hook of the interpreter (PEP 578). It so holds for redirects, for playlists and embedded pages, and for names
that resolve to something else the second time (DNS rebinding). Programs that would connect by themselves (ffmpeg,
curl, rtmpdump) are not started while it is active.

With a proxy from the environment the connection goes to the proxy, and the address behind it is out of sight: then
the host of each URL (of redirects too) is resolved here and checked; DNS rebinding remains possible.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from triptych.core.status import stop
from triptych.media.fetch_secrets import hide

#: Programs that a site's extractor may start: runtimes for the site's JavaScript, which yt-dlp runs without network.
SCRIPT_RUNTIMES = {"deno", "node", "bun", "qjs", "quickjs"}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: Reserved networks that some versions of Python call global.
_RESERVED = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "64:ff9b:1::/48", "fec0::/10", "3fff::/20")))
_ACTIVE: list[Guard] = []
_INSTALLED = threading.Lock()
_CONNECTING = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}


class AddressRefused(Exception):
    """A connection to an address that the study does not allow."""


def check_url(url: str) -> str:
    """The host of an http or https URL.

    Raises:
        Refused: `refused: not_http` for any other scheme, a plain path, or a URL that is damaged.
    """
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise stop("refused", "not_http", "The URL holds spaces or control characters; write them as %20 and the like.")
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname
        _ = parts.port  # out of range or no number: ValueError
    except ValueError as error:
        raise stop("refused", "not_http", f"The URL is damaged ({error}).") from error
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise stop("refused", "not_http", "Only http:// and https:// URLs are fetched; give local files as paths.")
    return host


def is_private(address: str) -> bool:
    """Whether a numeric address is not of the public internet, seen through IPv6 forms that carry an IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6:
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_private(str(inner))
    reserved = any(ip in network for network in _RESERVED)
    return not ip.is_global or ip.is_multicast or ip.is_reserved or reserved


class Guard:
    """While active (`with Guard(...)`), no connection of this process reaches an address that is not allowed.

    Several may be active at once, then all must allow a connection.

    Args:
        allow_private: allow private networks and this machine.
        allow: further addresses or networks (`10.1.0.0/16`) that are allowed, such as a mirror on the own network.

    Attributes:
        proxied: whether the environment names a proxy, so that only the hosts of URLs can be checked.
        refused: what was refused, in order.
    """

    def __init__(self, allow_private: bool = False, allow: Iterable[str] = ()) -> None:
        self.allow_private = allow_private
        self.networks = [ipaddress.ip_network(one) for one in allow]
        self.refused: list[str] = []
        proxies = urllib.request.getproxies()
        self.proxied = any(proxies.get(name) for name in ("http", "https", "all"))
        self._proxies = _endpoints(proxies) if self.proxied else set()

    def __enter__(self) -> Guard:
        with _INSTALLED:
            if not getattr(_hook, "installed", False):
                sys.addaudithook(_hook)  # for the life of the process; without an active guard it does nothing
                _hook.installed = True  # type: ignore[attr-defined]
            _ACTIVE.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _ACTIVE.remove(self)

    def allows(self, address: str) -> bool:
        """Whether this guard allows a numeric address."""
        if self.allow_private or not is_private(address):
            return True
        ip = ipaddress.ip_address(address.partition("%")[0])
        return any(ip in network for network in self.networks)

    def check_request(self, url: str) -> None:
        """Check the URL of a request or of a redirect before it is sent.

        Raises:
            AddressRefused: another scheme than http(s), a private address, or with a proxy a name that resolves to one.
        """
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme.lower() not in ("http", "https"):
            self._refuse(f"{parts.scheme}: addresses are not fetched ({hide(url)[:200]})")
        addresses = [host] if _is_numeric(host) else (_resolve(host) if self.proxied else [])
        for address in addresses:
            if not self.allows(address):
                self._refuse(f"{host} is an address of a private network or of this machine")

    def check_connection(self, address: Any) -> None:
        """Check the address of a socket that is about to connect.

        Raises:
            AddressRefused: a private address, or a name that was not resolved before.
        """
        host, port = str(address[0]), address[1]
        if (host, port) in self._proxies:
            return
        if not _is_numeric(host):
            self._refuse(f"a connection to {host!r} that was not resolved before")
        if not self.allows(host):
            self._refuse(f"{host} is an address of a private network or of this machine")

    def _refuse(self, what: str) -> None:
        what += "; a proxy is in use, so the host was checked by name" if self.proxied else ""
        self.refused.append(what)
        raise AddressRefused(what)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _ACTIVE:
        return
    if event in _CONNECTING:
        address = arguments[-1]
        if isinstance(address, tuple) and len(address) >= 2:
            for guard in list(_ACTIVE):
                guard.check_connection(address)
    elif event == "subprocess.Popen":
        program = Path(str(arguments[0] or arguments[1][0])).name.lower().removesuffix(".exe")
        if program not in SCRIPT_RUNTIMES:
            raise PermissionError(f"{program} is not started while a download is guarded: it would connect by itself")


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _resolve(host: str) -> list[str]:
    """Numeric addresses of a name; none when it is not known here (a proxy may know it)."""
    try:
        return sorted({entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError):
        return []


def _endpoints(proxies: dict[str, str]) -> set[tuple[str, int]]:
    """Addresses and ports of the environment's proxies: connections to them are allowed."""
    found: set[tuple[str, int]] = set()
    for name in ("http", "https", "all"):
        url = proxies.get(name)
        if not url:
            continue
        parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or (1080 if parts.scheme.startswith("socks") else 443 if parts.scheme == "https" else 80)
        host = parts.hostname or ""
        found.update((address, port) for address in ([host] if _is_numeric(host) else _resolve(host)))
    return found
