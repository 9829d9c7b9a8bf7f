"""The configurations the contenders get."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bench.contenders import KEY, Upstream, fastgw_config, nginx_config
from bench.payloads import CASES, Case
from bench.spawn import LOAD_CORE, Child


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    child = Child(["true"], LOAD_CORE, tmp_path / "log")
    child.end()
    return Upstream(child, 9000, 9001, tmp_path / "cert.pem")


def test_fastgw_config(upstream: Upstream, tmp_path: Path) -> None:
    plain = tomllib.loads(fastgw_config(tmp_path, 1, 2, upstream, tls=False))
    secure = tomllib.loads(fastgw_config(tmp_path, 1, 2, upstream, tls=True))
    assert plain["providers"]["up"]["base_url"] == "http://127.0.0.1:9000/v1"
    assert "ca_file" not in plain["providers"]["up"]
    assert secure["providers"]["up"]["base_url"] == "https://127.0.0.1:9001/v1"
    assert secure["providers"]["up"]["ca_file"] == str(upstream.certificate)
    assert plain["keys"] == [{"name": "bench", "secret": "env:BENCH_KEY"}]
    assert plain["server"]["listen"] == "127.0.0.1:1"
    assert KEY not in fastgw_config(tmp_path, 1, 2, upstream, tls=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nginx_buffers_answers_but_not_streams(case: Case, upstream: Upstream, tmp_path: Path) -> None:
    config = nginx_config(tmp_path, 8080, upstream, case)
    assert f"proxy_buffering {'off' if case.streamed else 'on'};" in config
    assert f"server 127.0.0.1:{9001 if case.tls else 9000};" in config
    assert f"proxy_pass {'https' if case.tls else 'http'}://provider;" in config
