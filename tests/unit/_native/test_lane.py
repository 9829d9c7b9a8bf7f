"""A lane steps its coroutine from inside whoever wakes it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from fastgw._native.errors import ClientGone
from fastgw._native.lane import Lane, Wait


class Runner:
    """A lane, what its coroutine reported, and what crashed it."""

    def __init__(self, function: Callable[[list[Any]], Any]) -> None:
        self.said: list[Any] = []
        self.crashes: list[BaseException] = []
        self.lane = Lane(self.crashes.append)
        self.lane.start(function(self.said))


def test_runs_at_once_until_it_sleeps() -> None:
    wait = Wait()

    async def work(said: list[Any]) -> None:
        said.append("begins")
        said.append(await wait)
        said.append(await wait)

    runner = Runner(work)
    assert runner.said == ["begins"]
    wait.resolve((1, 2))
    assert runner.said == ["begins", (1, 2)]
    assert not runner.lane.done
    wait.resolve(None)
    assert runner.said == ["begins", (1, 2), None]
    assert runner.lane.done
    wait.resolve("nobody listens")
    assert runner.crashes == []


@pytest.mark.parametrize("value", [None, (), (1, 2), StopIteration(3), ValueError("a value"), b""])
def test_any_value_arrives_as_it_is(value: object) -> None:
    wait = Wait()
    wait.resolve(value)

    async def work(said: list[Any]) -> None:
        said.append(await wait)

    assert Runner(work).said == [value]


def test_what_came_before_is_there_once() -> None:
    wait = Wait()
    wait.resolve("early")

    async def work(said: list[Any]) -> None:
        said.append(await wait)
        said.append(await wait)

    runner = Runner(work)
    assert runner.said == ["early"]
    wait.reject(KeyError("late"))
    assert [type(crash) for crash in runner.crashes] == [KeyError]


def test_a_rejected_wait_raises_and_is_clean_again() -> None:
    wait = Wait()

    async def work(said: list[Any]) -> None:
        try:
            await wait
        except KeyError:
            said.append("caught")
        said.append(await wait)

    runner = Runner(work)
    wait.reject(KeyError())
    assert runner.said == ["caught"]
    wait.resolve("then")
    assert runner.said == ["caught", "then"]


def test_two_lanes_cannot_sleep_on_one_wait() -> None:
    wait = Wait()

    async def work(said: list[Any]) -> None:
        said.append(await wait)

    first, second = Runner(work), Runner(work)
    assert isinstance(second.crashes[0], RuntimeError)
    wait.resolve("for the first")
    assert first.said == ["for the first"]


def run_in_loop(scenario: Callable[[asyncio.AbstractEventLoop], Any]) -> None:
    async def main() -> None:
        async with asyncio.timeout(10):
            await scenario(asyncio.get_running_loop())

    asyncio.run(main())


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_sleeps_on_futures_and_tasks() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        future = loop.create_future()
        failing = loop.create_future()

        async def task() -> str:
            await asyncio.sleep(0)
            return "task"

        async def work(said: list[Any]) -> None:
            said.append(await future)
            said.append(await future)
            try:
                await failing
            except KeyError:
                said.append("failed")
            said.append(await asyncio.ensure_future(task()))

        runner = Runner(work)
        future.set_result("future")
        assert runner.said == []
        await turn()
        assert runner.said == ["future", "future"]
        failing.set_exception(KeyError())
        await turn()
        await turn()
        assert runner.said == ["future", "future", "failed", "task"]
        assert runner.lane.done

    run_in_loop(scenario)


def test_cancelled_on_a_future_that_comes_all_the_same() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        for resolved_first in (False, True):
            future = loop.create_future()
            after = Wait()

            async def work(said: list[Any], future: asyncio.Future[str] = future, after: Wait = after) -> None:
                try:
                    await future
                except ClientGone:
                    said.append("gone")
                said.append(await after)

            runner = Runner(work)
            if resolved_first:
                future.set_result("too late: its callback is already on its way")
            runner.lane.cancel(ClientGone())
            assert runner.said == ["gone"]
            if not resolved_first:
                future.set_result("too late")
            await turn()
            assert runner.said == ["gone"], "the future must not step a lane that sleeps elsewhere"
            after.resolve("after")
            assert runner.said == ["gone", "after"]

    run_in_loop(scenario)


def test_cancelled_on_a_wait() -> None:
    wait, after = Wait(), Wait()

    async def work(said: list[Any]) -> None:
        try:
            await wait
        finally:
            said.append("cleaning")
            said.append(await after)

    runner = Runner(work)
    error = ClientGone()
    runner.lane.cancel(error)
    assert runner.said == ["cleaning"]
    wait.resolve("too late")
    assert runner.said == ["cleaning"]
    after.resolve("cleaned")
    assert runner.said == ["cleaning", "cleaned"]
    assert runner.crashes == [error]
    runner.lane.cancel(error)
    assert runner.crashes == [error]


@pytest.mark.parametrize("sleeps", [True, False])
def test_cancelled_from_inside_it_is_thrown_in_at_the_next_sleep(sleeps: bool) -> None:
    wait = Wait()
    lanes: list[Lane] = []
    said: list[str] = []
    crashes: list[BaseException] = []

    async def work() -> None:
        await wait
        lanes[0].cancel(ClientGone())
        said.append("goes on")
        if sleeps:
            try:
                await wait
            except ClientGone:
                said.append("gone")
                wait.resolve("own")
                said.append(await wait)

    lanes.append(Lane(crashes.append))
    lanes[0].start(work())
    wait.resolve(None)
    assert said == (["goes on", "gone", "own"] if sleeps else ["goes on"])
    assert lanes[0].done
    assert crashes == []


def test_cancelled_from_inside_before_a_future() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        future = loop.create_future()
        lanes: list[Lane] = []
        said: list[str] = []

        async def work() -> None:
            lanes[0].cancel(ClientGone())
            try:
                await future
            except ClientGone:
                said.append("gone")

        lanes.append(Lane(print))
        lanes[0].start(work())
        assert said == ["gone"]
        future.set_result(None)
        await turn()
        assert said == ["gone"]

    run_in_loop(scenario)


@pytest.mark.parametrize("error", [KeyError("x"), ClientGone(), StopAsyncIteration(), GeneratorExit()])
def test_what_escapes_goes_to_on_crash_once(error: BaseException) -> None:
    async def work(said: list[Any]) -> None:
        raise error

    runner = Runner(work)
    assert runner.crashes == [error]
    assert runner.lane.done


def test_only_waits_and_futures() -> None:
    async def work(said: list[Any]) -> None:
        try:
            await asyncio.sleep(0)
        except TypeError as error:
            said.append(str(error))

    assert Runner(work).said == ["a lane awaits native waits and asyncio futures, got NoneType"]


def test_a_lane_is_used_once() -> None:
    wait = Wait()

    async def work(said: list[Any]) -> None:
        await wait

    runner = Runner(work)
    coroutine = work([])
    for _ in range(2):
        with pytest.raises(RuntimeError, match="one coroutine"):
            runner.lane.start(coroutine)
        wait.resolve(None)
    coroutine.close()


def test_ended_it_holds_nothing() -> None:
    """A finished lane does not keep what it called or what called it: no cycle a request."""

    class Owner:
        lane: Lane

        def crashed(self, error: BaseException) -> None:
            raise AssertionError from error

    async def work(owner: Owner) -> None:
        pass

    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            owner = Owner()
            owner.lane = Lane(owner.crashed)
            owner.lane.start(work(owner))
        assert sum(type(found) is Owner for found in gc.get_objects()) == 1
    finally:
        gc.enable()
