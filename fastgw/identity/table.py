"""The virtual keys of a snapshot, by the digest of their secrets.

Invariant: the table never changes and holds no secret, only SHA-256 digests; a look-up touches memory alone. Digests
of 192-bit random keys need no salt, and a dict look-up by digest tells nothing about the secret by its timing.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from fastgw.domain.errors import GatewayError
from fastgw.domain.subject import ModelGlobs, Subject
from fastgw.identity.config import KeyRow, TeamRow, UserRow
from fastgw.identity.secret import MAX_SECRET_BYTES, Presented, presented_secret

MEMO_ENTRIES: Final = 4096


class KeyTable:
    """Finds the subject of a presented secret. Costs one hash and one dict look-up.

    Credentials that were good are remembered as they stood in their headers, so that a known caller costs one look-up. Only good
    ones are: nobody fills the memo with guesses, and finding one tells nothing by its timing, for Python's hash of bytes is keyed.
    """

    __slots__ = ("_known", "_subjects")

    def __init__(self, keys: Iterable[KeyRow], users: Iterable[UserRow] = (), teams: Iterable[TeamRow] = ()) -> None:
        """Rows must have passed ``config/check``: of two keys with one secret the later would win."""
        users_by_name = {row.name: row for row in users}
        teams_by_name = {row.name: row for row in teams}
        globs: dict[tuple[str, ...], ModelGlobs] = {}
        self._subjects: dict[bytes, Subject] = {}
        self._known: dict[tuple[bytes | None, ...], Subject] = {}
        for row in keys:
            models = globs.setdefault(row.models, ModelGlobs(row.models))
            self._subjects[digest_of(row.secret.reveal().encode())] = _subject(
                row, users_by_name, teams_by_name, models
            )

    def find(self, secret: bytes) -> Subject | None:
        """The subject of a secret, ``None`` when nobody has it."""
        if len(secret) > MAX_SECRET_BYTES:
            return None
        return self._subjects.get(sha256(secret).digest())

    def identify(self, presented: Presented) -> Subject | GatewayError:
        """The subject of a request by the values of :data:`CREDENTIAL_HEADERS`. Refusals are returned, status 401."""
        known = self._known.get(presented)
        if known is not None:
            return known
        secret = presented_secret(presented)
        if isinstance(secret, GatewayError):
            return secret
        subject = self.find(secret)
        if subject is None:
            return GatewayError("unknown_key", "the key is not known to this gateway", status=401, source="client")
        if len(self._known) < MEMO_ENTRIES:
            self._known[presented] = subject
        return subject

    def named(self, name: str) -> Subject | None:
        """The subject of the key of this name. O(keys): for tools, not for calls."""
        return next((subject for subject in self._subjects.values() if subject.key == name), None)

    def __len__(self) -> int:
        return len(self._subjects)


def digest_of(secret: bytes) -> bytes:
    """How the table knows a secret: SHA-256, 32 bytes."""
    return sha256(secret).digest()


def _subject(row: KeyRow, users: dict[str, UserRow], teams: dict[str, TeamRow], models: ModelGlobs) -> Subject:
    user = users.get(row.user or "")
    team_name = row.team or (user.team if user is not None else None) or ""
    team = teams.get(team_name)
    metadata = {
        **(team.metadata if team is not None else {}),
        **(user.metadata if user is not None else {}),
        **row.metadata,
    }
    return Subject(key=row.name, user=row.user or "", team=team_name, metadata=metadata, models=models)
