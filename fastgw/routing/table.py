"""From the model name that a caller asks for to the target that serves it.

Order: a ``[[models]]`` name; ``provider/model`` with a configured provider; a name without a slash goes to the first
provider, in the order of the file, that serves the operation. A name with a slash whose first part is no provider is
refused rather than sent to the first one: it would carry a prompt to a company it was not meant for.

Invariant: the answer depends on the configuration and the two arguments alone. The table does not know what a caller
may use.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

from fastgw.domain.errors import GatewayError
from fastgw.domain.operation import DIALECT_OF, OPERATIONS, Operation
from fastgw.domain.target import Account, Target, target_of
from fastgw.domain.text import show
from fastgw.routing.config import MAX_ALIAS_CHARS, ModelRow

MEMO_ENTRIES: Final = 1024
"""Remembered names an operation. Names come from callers, so a full memo is emptied and fills again."""


@final
class AliasTable:
    """Resolves model names. A known name costs two dict look-ups."""

    __slots__ = ("_accounts", "_aliases", "_first", "_memo")

    def __init__(self, models: Iterable[ModelRow], accounts: Iterable[Account]) -> None:
        """``accounts`` in the order of the file.

        Raises:
            KeyError: a row names a provider that is not among the accounts (``config/check`` refuses it before).
        """
        self._accounts = {account.name: account for account in accounts}
        self._aliases = {row.name: self._configured(row.targets[0].target) for row in models}
        self._first: dict[Operation, Account | None] = {
            operation: next((account for account in self._accounts.values() if operation in account.operations), None)
            for operation in OPERATIONS
        }
        self._memo: dict[Operation, dict[str, Target]] = {operation: {} for operation in OPERATIONS}

    def resolve(self, alias: str, operation: Operation) -> Target | GatewayError:
        """The target for ``alias``. Refusals are returned: ``model_not_found`` 404, ``unsupported_operation`` 400."""
        memo = self._memo[operation]
        target = memo.get(alias)
        if target is not None:
            return target
        found = self._look_up(alias, operation)
        if isinstance(found, Target):
            if len(memo) >= MEMO_ENTRIES:
                memo.clear()
            memo[alias] = found
        return found

    def aliases(self) -> tuple[tuple[str, Target], ...]:
        """The ``[[models]]`` names and their targets, in the order of the file: what ``GET /v1/models`` lists."""
        return tuple(self._aliases.items())

    def _configured(self, name: str) -> Target:
        provider, _, model = name.partition("/")
        return target_of(self._accounts[provider], model)

    def _look_up(self, alias: str, operation: Operation) -> Target | GatewayError:
        target = self._aliases.get(alias)
        if target is None:
            prepared = self._derive(alias, operation)
            if isinstance(prepared, GatewayError):
                return prepared
            target = prepared
        if operation not in target.account.operations:
            return _unsupported(alias, target, operation)
        return target

    def _derive(self, alias: str, operation: Operation) -> Target | GatewayError:
        if not alias or len(alias) > MAX_ALIAS_CHARS or not alias.isprintable():
            return _not_found(alias, f"a model name has 1 to {MAX_ALIAS_CHARS} printable characters")
        provider, slash, model = alias.partition("/")
        if not slash:
            account = self._first[operation]
            if account is None:
                return _not_found(alias, f"no provider here speaks the {DIALECT_OF[operation]} dialect")
            return target_of(account, alias)
        account = self._accounts.get(provider)
        if account is None:
            return _not_found(alias, f"no provider is called `{show(provider)}`")
        if not model:
            return _not_found(alias, "the model's name is missing after the slash")
        return target_of(account, model)


def _not_found(alias: str, reason: str) -> GatewayError:
    message = f"the model `{show(alias)}` is not served here: {reason}"
    return GatewayError("model_not_found", message, status=404, source="client", param="model")


def _unsupported(alias: str, target: Target, operation: Operation) -> GatewayError:
    served = ", ".join(each for each in OPERATIONS if each in target.account.operations)
    message = (
        f"the model `{show(alias)}` is served by provider `{target.provider}` ({target.account.kind}), "
        f"which does not serve the operation `{operation}`; it serves {served}"
    )
    return GatewayError("unsupported_operation", message, status=400, source="client", param="model")
