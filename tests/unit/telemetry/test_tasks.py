"""A background task is kept alive, ends when it is told to, and does not fail in silence."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from fastgw.telemetry import tasks


async def _fail() -> None:
    await asyncio.sleep(0)
    raise ValueError("no such luck")


def test_a_task_that_nobody_holds_is_not_collected() -> None:
    async def main() -> str:
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            gates.append(weakref.ref(gate))  # only the task's own frame keeps the gate, and nothing but spawn the task
            await gate
            done.set_result("done")

        gates: list[weakref.ref[asyncio.Future[None]]] = []
        tasks.spawn(work(), "held")  # type: ignore[unused-awaitable]  # the point of the test
        await asyncio.sleep(0)
        gc.collect()
        gate = gates[0]()
        assert gate is not None
        gate.set_result(None)
        return await done

    assert asyncio.run(main()) == "done"


def test_a_failure_is_logged_with_the_tasks_name(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        task = tasks.spawn(_fail(), "unlucky")
        await asyncio.wait([task])
        await asyncio.sleep(0)

    asyncio.run(main())
    (record,) = caplog.records
    assert record.getMessage() == "task unlucky failed"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "no such luck"


def test_the_failure_of_an_awaited_task_is_its_awaiters(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="no such luck"):
            await tasks.spawn(_fail(), "unlucky", awaited=True)

    asyncio.run(main())
    assert caplog.records == []


def test_stop_waits_until_the_tasks_have_ended(caplog: pytest.LogCaptureFixture) -> None:
    ended = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    async def main() -> None:
        found = [tasks.spawn(work(name), name) for name in "ab"]
        await asyncio.sleep(0)
        await tasks.stop(*found)
        assert sorted(ended) == ["a", "b"]
        assert not tasks._running

    asyncio.run(main())
    assert caplog.records == []
