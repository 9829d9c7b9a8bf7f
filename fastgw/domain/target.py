"""Where a call goes: a provider account, and one model of it.

Invariant: a :class:`Target`'s name is ``<account name>/<upstream model>``. What is needed to open a connection
(address, credential) is not here: it belongs to ``providers`` and is found by the account's name.
"""

from __future__ import annotations

import msgspec

from fastgw.domain.operation import Operation


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One configured provider account, as much of it as routing needs.

    ``kind`` is the vendor whose rules apply (``openai``, ``anthropic``); ``operations`` are the ones it serves;
    ``region`` is free text from the configuration, empty when not said.
    """

    name: str
    kind: str
    operations: frozenset[Operation]
    region: str = ""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A model of an account.

    ``model`` is the upstream name, ``model_json`` the same as a JSON string with its quotes, ready to be spliced into
    a body.
    """

    name: str
    model: str
    model_json: bytes
    account: Account

    @property
    def provider(self) -> str:
        """The account's name, as in ``[providers.NAME]``."""
        return self.account.name

    @property
    def region(self) -> str:
        """The account's region."""
        return self.account.region


def target_of(account: Account, model: str) -> Target:
    """The target for an upstream model name, which may itself contain slashes.

    Raises:
        UnicodeEncodeError: ``model`` holds a lone surrogate, which no JSON text in UTF-8 can carry.
    """
    return Target(name=f"{account.name}/{model}", model=model, model_json=msgspec.json.encode(model), account=account)
