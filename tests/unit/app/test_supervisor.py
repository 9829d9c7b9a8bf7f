"""Who is started, told, stopped and buried when: a real supervisor over processes that only report what they are told."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adversity.gateway import children_of, has_ended, wait_until
from tests.unit.app.settings_text import PROVIDER_AND_KEY
from tests.wire.processes import Process

CONFIG = (
    """
[server]
listen = "127.0.0.1:0"
workers = 2
{server}
"""
    + PROVIDER_AND_KEY
)

SCRIPT = """
import logging, os, resource, signal, sys, time
from pathlib import Path
import msgspec
from fastgw.app import supervisor
from fastgw._native.counter_map import CounterMap
from fastgw.app.launch import Inheritance, Source, WORKER_ROWS, listen
from fastgw.telemetry.clock import monotonic_ns
from fastgw.telemetry.stats_page import StatsPage

mode, path = sys.argv[1], Path(sys.argv[2])
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def follow(name, control):
    "Report what comes until told to stop, as every child does."
    while (messages := control.receive(20)) is not None:
        for message in messages:
            say(name, "told", *message)
            if "stop" in message and mode != "stubborn":
                if name.startswith("worker"):
                    time.sleep(0.05)  # were the bookkeeper not made to wait, it would be first
                say(name, "ends")
                return 0
    say(name, "alone")
    return 0

def bookkeeper(inheritance, control, slot):
    if mode == "broken":
        control.send(failed="the database is gone")
        return 1
    say("bookkeeper starts", os.getpid(), [sock.fileno() >= 0 for sock in inheritance.listening])
    control.send(ready=True, id_base_ns=(1000 << 52) - time.monotonic_ns())
    return follow("bookkeeper", control)

def worker(inheritance, control, slot):
    row = inheritance.stats.row(WORKER_ROWS + slot)
    say("worker", slot, "starts", os.getpid(), [sock.fileno() >= 0 for sock in inheritance.listening],
        1000 << 52 <= inheritance.id_base_ns + monotonic_ns() < (1000 << 52) + 60 * 10**9,
        row.get("ready"), row.get("journal_lost"))
    if mode == "broken-later" and path.with_suffix(".flag").exists():
        control.send(failed="no such luck")
        return 1
    row.put("ready", 1)
    row.put("journal_buffered", 3)
    control.send(ready=True)
    return follow(f"worker {slot}", control)

def extra(inheritance, control, slot):
    control.send(ready=True)
    return follow("extra", control)

text = path.read_text()
source = Source(path, text, {"K": "sk-" + "k" * 40}, path.parent)
settings = source.settings(text)
if mode == "stubborn":
    settings = msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, drain_s=-4.9))
inheritance = Inheritance(source, settings, text, listen(settings, 2), StatsPage(WORKER_ROWS + 2), CounterMap(64, 2, 1))

def on_ready():
    say("ready", inheritance.stats.total("ready"))
    if mode == "no descriptors":
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 4096))

family = supervisor.Supervisor(inheritance, bookkeeper, worker, {"extra": extra})
code = family.run(on_ready)
say("refused reloads", inheritance.stats.total("reloads_refused"))
sys.exit(code)
"""


@contextlib.contextmanager
def supervised(folder: Path, mode: str = "plain") -> Iterator[Process]:
    path = folder / "fastgw.toml"
    path.write_text(CONFIG.format(server=""))
    process = Process([sys.executable, "-c", SCRIPT, mode, str(path)])
    try:
        yield process
    finally:
        process.end()


def pid_of(process: Process, name: str, after: int = 0) -> int:
    """The process that says it starts as ``name``, and is not ``after``."""
    return int(process.wait_for(rf"{name} starts (?!{after} )(\d+)").group(1))


def test_the_bookkeeper_is_first_and_its_news_reach_the_workers(tmp_path: Path) -> None:
    with supervised(tmp_path) as process:
        process.wait_for("ready 2")
        output = process.output
        assert output.startswith("bookkeeper starts")
        # Each holds the listening socket it serves and no other; ids start above the last one of an earlier run.
        assert re.search(r"bookkeeper starts \d+ \[False, False\]", output)
        assert re.search(r"worker 0 starts \d+ \[True, False\] True", output)
        assert re.search(r"worker 1 starts \d+ \[False, True\] True", output)
        assert len(children_of(process.pid)) == 4


@pytest.mark.parametrize("to_all", [False, True], ids=["to the supervisor", "to the group"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_bookkeeper_outlives_the_workers(tmp_path: Path, number: signal.Signals, to_all: bool) -> None:
    with supervised(tmp_path) as process:
        process.wait_for("ready 2")
        if to_all:
            os.killpg(process.pid, number)
        else:
            process.signal(number)
        assert process.wait() == 0
        process.wait_for("refused reloads")
        told = re.findall(r"^(worker \d|bookkeeper|extra) (told stop|ends)$", process.output, re.MULTILINE)
        assert sorted(told[:4]) == [(f"worker {slot}", what) for slot in (0, 1) for what in ("ends", "told stop")]
        assert told[4:] == [(name, what) for name in ("bookkeeper", "extra") for what in ("told stop", "ends")]


def test_who_dies_is_started_again_and_its_gauges_are_taken_back(tmp_path: Path) -> None:
    with supervised(tmp_path) as process:
        process.wait_for("ready 2")
        killed = pid_of(process, "worker 1")
        os.kill(killed, signal.SIGKILL)
        process.wait_for(r"worker 1 ended \(killed by SIGKILL\); starting it again")
        # Not ready until it says so; what waited in the memory of the dead is counted as lost.
        process.wait_for(rf"worker 1 starts (?!{killed} )\d+ \[False, True\] True 0 3")
        bookkeeper = pid_of(process, "bookkeeper")
        os.kill(bookkeeper, signal.SIGKILL)
        pid_of(process, "bookkeeper", after=bookkeeper)
        assert not has_ended(pid_of(process, "worker 0"))
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


def test_who_cannot_be_started_again_says_why_and_is_tried_again(tmp_path: Path) -> None:
    with supervised(tmp_path, "broken-later") as process:
        process.wait_for("ready 2")
        flag = tmp_path / "fastgw.flag"
        flag.touch()
        os.kill(pid_of(process, "worker 0"), signal.SIGKILL)
        process.wait_for(r"worker 0 ended \(exit code 1\): no such luck; starting it again")
        flag.unlink()
        wait_until(lambda: len(children_of(process.pid)) == 4, "the worker is there again")
        assert not has_ended(process.pid)


def test_a_supervisor_that_cannot_fork_goes_on(tmp_path: Path) -> None:
    with supervised(tmp_path, "no descriptors") as process:
        process.wait_for("ready 2")
        os.kill(pid_of(process, "worker 0"), signal.SIGKILL)
        process.wait_for("worker 0 cannot be started: Too many open files")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        process.wait_for("worker 1 ends")


def test_a_start_that_fails_ends_with_the_reason(tmp_path: Path) -> None:
    with supervised(tmp_path, "broken") as process:
        assert process.wait() == 1
        process.wait_for("fastgw: the database is gone\n")
        process.wait_for("extra ends")
        assert "worker" not in process.output


def test_nobody_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    with supervised(tmp_path) as process:
        process.wait_for("ready 2")
        children = children_of(process.pid)
        process.signal(signal.SIGKILL)
        wait_until(lambda: all(has_ended(pid) for pid in children), "children end with their supervisor")
        for name in ("worker 0", "worker 1", "bookkeeper", "extra"):
            assert process.wait_for(f"{name} alone")


def test_who_does_not_stop_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, "stubborn") as process:
        process.wait_for("ready 2")
        children = children_of(process.pid)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        process.wait_for("extra did not stop in time; killing it")
        assert process.output.count("did not stop in time; killing it") == 4
        assert all(has_ended(pid) for pid in children)


def test_a_changed_file_and_a_signal_reach_every_child(tmp_path: Path) -> None:
    with supervised(tmp_path) as process:
        process.wait_for("ready 2")
        (tmp_path / "fastgw.toml").write_text(CONFIG.format(server="drain_s = 1"))
        for name in ("worker 0", "worker 1", "bookkeeper", "extra"):
            process.wait_for(f"{name} told reload")
        process.signal(signal.SIGHUP)  # asked for: told again although nothing changed
        process.wait_for(r"(?s)worker 0 told reload.*worker 0 told reload")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        process.wait_for("refused reloads 0")


@pytest.mark.parametrize(
    ("change", "reason"),
    [("listen = 3", "TOML"), ("max_headers = 1", r"server\.max_headers"), ("drain = 1", r"server\.drain")],
)
def test_a_bad_file_is_refused_whole(tmp_path: Path, change: str, reason: str) -> None:
    path = tmp_path / "fastgw.toml"
    with supervised(tmp_path) as process:
        process.wait_for("ready 2")
        path.write_text(CONFIG.format(server=change))
        process.wait_for(rf"configuration refused, the old one serves on: .*{reason}")
        assert "told reload" not in process.output
        path.unlink()  # as an editor does for a moment
        path.write_text(CONFIG.format(server="drain_s = 2"))
        process.wait_for("worker 1 told reload")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        process.wait_for(r"refused reloads [12]")


def test_what_only_a_restart_can_change_is_refused(tmp_path: Path) -> None:
    with supervised(tmp_path) as process:
        process.wait_for("ready 2")
        (tmp_path / "fastgw.toml").write_text(CONFIG.format(server="").replace("workers = 2", "workers = 3"))
        process.wait_for(r"configuration refused, the old one serves on: .*server\.workers")
        assert "told reload" not in process.output
