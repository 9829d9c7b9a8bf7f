"""Starts what is compared: nginx, the aiohttp proxy and fastgw, each fresh for a case, on the contender's core.

Each gets the same upstream, keep-alive on both sides, and a configuration its own maintainers would call good: nobody
is compared with a handicapped nginx. fastgw runs as users run it: key check, metering, prices, journal and ledger on.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from bench.limits import LIMITS
from bench.payloads import Case
from bench.spawn import CONTENDER_CORE, LOAD_CORE, Child, free_port, run_on_core

KEY = "sk-fastgw-bench-0123456789abcdef0123456789abcdef"
UPSTREAM_KEY = "sk-upstream-bench-0123456789"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
KEEP_ALIVE_CONNECTIONS = 512


class Upstream(NamedTuple):
    """Where the mock provider listens, on loopback; ``certificate`` is its own, in PEM."""

    child: Child
    port: int
    tls_port: int
    certificate: Path


class Contender(NamedTuple):
    """A running contender: its process tree's root and the port that takes requests."""

    name: str
    child: Child
    port: int


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and localhost, valid two days. Gives the paths of certificate and key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    argv = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    argv += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    run_on_core([*argv, "-keyout", str(key), "-out", str(certificate)], timeout_s=30)
    return certificate, key


def start_upstream(folder: Path, pace_ms: int) -> Upstream:
    """Start the mock provider on the load's core."""
    certificate, key = make_certificate(folder)
    port, tls_port = free_port(), free_port()
    argv = [sys.executable, "-m", "bench.upstream", "--port", str(port), "--tls-port", str(tls_port)]
    argv += ["--certificate", str(certificate), "--key", str(key), "--pace-ms", str(pace_ms)]
    child = Child(argv, LOAD_CORE, folder / "upstream.log")
    child.wait_listening(port)
    child.wait_listening(tls_port)
    return Upstream(child, port, tls_port, certificate)


def nginx_config(folder: Path, port: int, upstream: Upstream, case: Case) -> str:
    """One worker, no access log, bodies in memory (20 KB would go to disk by default), TLS verified and resumed.

    Answers are buffered as by default, but not streams, which must arrive as they are made.
    """
    scheme, target = ("https", upstream.tls_port) if case.tls else ("http", upstream.port)
    user = "user root;" if os.geteuid() == 0 else ""
    temp_paths = "\n".join(
        f"    {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
{temp_paths}
    keepalive_requests 100000000;
    client_body_buffer_size 64k;
    upstream provider {{
        server 127.0.0.1:{target};
        keepalive {KEEP_ALIVE_CONNECTIONS};
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass {scheme}://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "Bearer {UPSTREAM_KEY}";
            proxy_buffering {"off" if case.streamed else "on"};
            proxy_buffers 8 16k;
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
            proxy_ssl_session_reuse on;
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
            proxy_ssl_trusted_certificate {upstream.certificate};
        }}
    }}
}}
"""


def start_nginx(folder: Path, upstream: Upstream, case: Case) -> Contender:
    """Start nginx with a prefix of its own: it touches nothing of an nginx that the machine may run."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(nginx_config(folder, port, upstream, case))
    child = Child([NGINX, "-p", str(folder), "-e", "stderr", "-c", str(config)], CONTENDER_CORE, folder / "nginx.log")
    return Contender("nginx", child, port)


def start_aiohttp(folder: Path, upstream: Upstream, case: Case) -> Contender:
    """Start the plain aiohttp proxy."""
    port = free_port()
    argv = [sys.executable, "-m", "bench.aiohttp_proxy", "--port", str(port)]
    if case.tls:
        argv += ["--upstream", f"https://127.0.0.1:{upstream.tls_port}", "--ca", str(upstream.certificate)]
    else:
        argv += ["--upstream", f"http://127.0.0.1:{upstream.port}"]
    return Contender("aiohttp", Child(argv, CONTENDER_CORE, folder / "aiohttp.log"), port)


def fastgw_config(folder: Path, port: int, admin_port: int, upstream: Upstream, *, tls: bool) -> str:
    """One provider, one key, the ledger in ``folder``; everything else as it comes."""
    base_url = f"https://127.0.0.1:{upstream.tls_port}/v1" if tls else f"http://127.0.0.1:{upstream.port}/v1"
    ca_file = f'ca_file = "{upstream.certificate}"' if tls else ""
    return f"""
[server]
listen = "127.0.0.1:{port}"

[admin]
listen = "127.0.0.1:{admin_port}"

[ledger]
url = "sqlite:{folder}/ledger.db"

[providers.up]
kind = "openai"
base_url = "{base_url}"
api_key = "env:UP_KEY"
{ca_file}

[[keys]]
name = "bench"
secret = "env:BENCH_KEY"
"""


def start_fastgw(folder: Path, upstream: Upstream, case: Case) -> Contender:
    """Start the gateway with one worker."""
    return launch_fastgw(folder, upstream, tls=case.tls)


def start_limited_fastgw(folder: Path, upstream: Upstream, case: Case) -> Contender:
    """The same, with limits that govern every call."""
    return launch_fastgw(folder, upstream, tls=case.tls, limits=LIMITS, name="fastgw-limited")


def launch_fastgw(folder: Path, upstream: Upstream, *, tls: bool, limits: str = "", name: str = "fastgw") -> Contender:
    """Start the gateway with one worker, without waiting for it."""
    port = free_port()
    config = folder / "fastgw.toml"
    config.write_text(fastgw_config(folder, port, free_port(), upstream, tls=tls) + limits)
    argv = [sys.executable, "-m", "fastgw", "serve", "--config", str(config), "--workers", "1"]
    environment = {"UP_KEY": UPSTREAM_KEY, "BENCH_KEY": KEY}
    return Contender(name, Child(argv, CONTENDER_CORE, folder / "fastgw.log", environment), port)


STARTERS: dict[str, Callable[[Path, Upstream, Case], Contender]] = {
    "nginx": start_nginx,
    "aiohttp": start_aiohttp,
    "fastgw": start_fastgw,
    "fastgw-limited": start_limited_fastgw,
}
COMPARED: Final = ("nginx", "aiohttp", "fastgw")
"""Those that are started unless others are asked for."""


def start(name: str, folder: Path, upstream: Upstream, case: Case) -> Contender:
    """Start one contender in a folder of its own under ``folder`` and wait until it accepts."""
    own = folder / f"{case.name}-{name}"
    own.mkdir()
    contender = STARTERS[name](own, upstream, case)
    contender.child.wait_listening(contender.port)
    return contender


def missing_tools(names: list[str]) -> list[str]:
    """What has to be installed before ``names`` can be compared, as sentences that say how."""
    packages = [package for tool, package in (("wrk", "wrk"), ("openssl", "openssl")) if shutil.which(tool) is None]
    if "nginx" in names and not Path(NGINX).exists():
        packages.append("nginx-light")
    found = [f"apt-get install --no-install-recommends {' '.join(packages)}"] if packages else []
    if "fastgw" in names and importlib.util.find_spec("fastgw.__main__") is None:
        found.append("fastgw has no command yet: leave it out with --contenders nginx,aiohttp")
    return found
