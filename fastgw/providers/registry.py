"""The vendors that are known, and the making of endpoints from configuration.

Invariant: whatever a configuration says, an endpoint has a plain host, a port and printable header lines, or a
:class:`ConfigError` names the field. Messages never repeat a URL, which could carry a password.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, urlsplit

from fastgw.domain.errors import ConfigError
from fastgw.domain.target import Account
from fastgw.providers.anthropic import ANTHROPIC
from fastgw.providers.base import (
    CREDENTIAL_HEADERS,
    REQUEST_HEADERS_DROPPED,
    REQUEST_PREFIXES_DROPPED,
    RESPONSE_HEADERS_DROPPED,
    ProviderEndpoint,
    Scheme,
    Vendor,
)
from fastgw.providers.config import Kind, ProviderConfig
from fastgw.providers.openai import OPENAI

VENDORS: Final[Mapping[Kind, Vendor]] = MappingProxyType({"openai": OPENAI, "anthropic": ANTHROPIC})

_DEFAULT_PORTS: Final[Mapping[Scheme, int]] = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}", re.ASCII)
_URL_TEXT: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)
_OWN_HEADERS: Final = frozenset((*REQUEST_HEADERS_DROPPED, b"content-type"))


def account_of(name: str, config: ProviderConfig) -> Account:
    """What routing needs to know of ``[providers.<name>]``."""
    vendor = VENDORS[config.kind]
    return Account(name=name, kind=config.kind, operations=frozenset(vendor.paths), region=config.region)


def build_endpoint(name: str, config: ProviderConfig) -> ProviderEndpoint:
    """How to call ``[providers.<name>]``.

    Raises:
        ConfigError: the base URL or a fixed header cannot be used, or the vendor's own address is called without a
            credential.
    """
    path = f"providers.{name}"
    vendor = VENDORS[config.kind]
    if config.api_key is None and config.base_url is None:
        raise ConfigError(f"{path}.api_key", f"expected a credential for {vendor.default_base_url}, got none")
    url = _split(f"{path}.base_url", vendor.default_base_url if config.base_url is None else config.base_url)
    scheme: Scheme = "https" if url.scheme == "https" else "http"
    host = url.hostname or ""
    port = url.port or _DEFAULT_PORTS[scheme]
    prefix = url.path.rstrip("/")
    extra = _extra_headers(f"{path}.headers", config.headers, vendor)
    return ProviderEndpoint(
        account=account_of(name, config),
        dialect=vendor.dialect,
        scheme=scheme,
        host=host,
        port=port,
        host_header=_host_header(host, port, scheme),
        paths={operation: (prefix + relative).encode("ascii") for operation, relative in vendor.paths.items()},
        auth_header=vendor.auth_header,
        auth_prefix=vendor.auth_prefix,
        credential=config.api_key,
        extra_header_lines=b"".join(key + b": " + value + b"\r\n" for key, value in extra.items()),
        default_headers=tuple((key, value) for key, value in vendor.default_headers if key not in extra),
        request_headers_dropped=frozenset((*REQUEST_HEADERS_DROPPED, *vendor.request_headers_dropped, *extra)),
        response_headers_dropped=frozenset((*RESPONSE_HEADERS_DROPPED, *vendor.response_headers_dropped)),
    )


def _split(path: str, text: str) -> SplitResult:
    expected = "expected http:// or https:// with a host, an optional port and an optional path"
    if _URL_TEXT.fullmatch(text) is None:
        raise ConfigError(path, f"{expected}; got blanks or characters outside ASCII")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ConfigError(path, f"{expected}; got a malformed host or port") from None
    if url.scheme not in _DEFAULT_PORTS or not url.hostname or port == 0:
        raise ConfigError(path, expected)
    if "@" in url.netloc:
        raise ConfigError(path, f"{expected}; got a user name or password in it (not shown); use api_key")
    if "?" in text or "#" in text:
        raise ConfigError(path, f"{expected}; got a query or fragment")
    if any(part in {".", ".."} for part in url.path.split("/")) or "//" in url.path:
        raise ConfigError(path, f"{expected}; got a path with empty or dotted parts")
    _check_host(path, url.hostname)
    return url


def _check_host(path: str, host: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if _HOST.fullmatch(host) is None:
            raise ConfigError(path, "expected a host name of letters, digits, dots and dashes") from None
        return
    if address.is_link_local:
        raise ConfigError(path, "expected an address that is not link-local: cloud metadata services live there")


def _host_header(host: str, port: int, scheme: Scheme) -> bytes:
    shown = f"[{host}]" if ":" in host else host
    return (shown if port == _DEFAULT_PORTS[scheme] else f"{shown}:{port}").encode("ascii")


def _extra_headers(path: str, headers: Mapping[str, str], vendor: Vendor) -> dict[bytes, bytes]:
    extra: dict[bytes, bytes] = {}
    for name, value in headers.items():
        key = name.lower().encode("ascii")
        if key in CREDENTIAL_HEADERS or key == vendor.auth_header:
            raise ConfigError(f"{path}.{name}", "expected no credential here (its value is not shown); use api_key")
        if key in _OWN_HEADERS or key.startswith(REQUEST_PREFIXES_DROPPED):
            raise ConfigError(
                f"{path}.{name}", "expected a header that the gateway does not write itself or keep to itself"
            )
        if key in extra:
            raise ConfigError(f"{path}.{name}", "expected each header once; it is there in another spelling")
        extra[key] = value.encode("ascii")
    return extra
