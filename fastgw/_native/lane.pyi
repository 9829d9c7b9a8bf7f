"""A lane steps one coroutine, resumed directly by whoever has what it waits for."""

from collections.abc import Callable, Coroutine, Generator
from typing import Any, final

@final
class Wait:
    """A place for one sleeper. Awaiting it returns the value it is resolved with, or raises the error it is rejected with;
    at once when that has already happened. A second sleeper raises ``RuntimeError``.
    """

    def __new__(cls) -> Wait: ...
    def __await__(self) -> Generator[Any, None, Any]: ...
    def __iter__(self) -> Generator[Any, None, Any]: ...
    def __next__(self) -> Any: ...
    def resolve(self, value: object) -> None:
        """Wake the sleeper, now and from here, or keep the value for who comes."""

    def reject(self, error: BaseException) -> None:
        """The same with an error."""

@final
class Lane:
    """Runs one coroutine without a task. The coroutine awaits :class:`Wait` objects and asyncio futures, nothing that asks for the
    current task. What it raises goes to ``on_crash``, what it returns is dropped.
    """

    def __new__(cls, on_crash: Callable[[BaseException], object]) -> Lane: ...
    @property
    def done(self) -> bool:
        """Whether the coroutine has ended."""

    def start(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run until it first sleeps. ``RuntimeError`` on a lane that was used before."""

    def cancel(self, error: BaseException) -> None:
        """Throw ``error`` in: now if it sleeps, at its next sleep if it is the one who calls. A no-op when it is done."""
