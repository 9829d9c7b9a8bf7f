"""The row of a call while it is being made, and its bytes in the journal."""

from typing import final

@final
class RecordBuffer:
    """Room for one packed row, for the native modules; it grows to the largest and stays so."""

    def __new__(cls) -> RecordBuffer: ...

@final
class LedgerRecord:
    """``fastgw.domain.entry.LedgerEntry`` for the side that writes: the same names, meanings and defaults; what is read back is
    that.

    Numbers are int64, else ``OverflowError``; a text may hold anything but half of a surrogate pair. All attributes may be set:
    it is a row, and whoever holds the call writes it. It takes some 700 instructions to make and 1,000 to pack, where msgspec takes
    2,000 and 3,700 for the struct.
    """

    id: int
    request_id: str
    started_ns: int
    key: str
    user: str
    team: str
    alias: str
    target: str
    provider: str
    region: str
    dialect: str
    operation: str
    streaming: bool
    status: int
    error_code: str
    outcome: str
    usage_source: str
    attempts: int
    input_tokens: int
    cached_input_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    input_image_tokens: int
    output_image_tokens: int
    other_usage: dict[str, int] | None
    cost_nano_usd: int | None
    price_version: str
    latency_ns: int
    first_token_ns: int
    overhead_ns: int
    metadata: dict[str, str] | None
    fingerprint: int
    worker: int

    def __new__(
        cls,
        id: int,
        request_id: str,
        started_ns: int,
        key: str,
        user: str = "",
        team: str = "",
        alias: str = "",
        target: str = "",
        provider: str = "",
        region: str = "",
        dialect: str = "",
        operation: str = "",
        streaming: bool = False,
        metadata: dict[str, str] | None = None,
        fingerprint: int = 0,
        /,
    ) -> LedgerRecord:
        """What is known at admission: who calls, what is asked for, where it goes. Outcome unknown, nothing used."""

    def estimate(self, input_tokens: int, output_tokens: int) -> None:
        """The usage that is charged if nothing else is heard of the call."""

    def itemise(
        self,
        input_tokens: int,
        output_tokens: int,
        cached_input_tokens: int,
        cache_write_tokens: int,
        cache_write_1h_tokens: int,
        reasoning_tokens: int,
        input_audio_tokens: int,
        output_audio_tokens: int,
        input_image_tokens: int,
        output_image_tokens: int,
        other_usage: dict[str, int] | None,
        /,
    ) -> None:
        """What was used. Cache writes that are not for 1 hour are counted as for 5 minutes, which is what most of them are."""

    def charge(self, cost_nano_usd: int | None, price_version: str, /) -> None:
        """What it costs and by which price; None and an empty name when no price is known."""

    def settle(self, status: int, usage_source: str, latency_ns: int, first_token_ns: int, overhead_ns: int) -> None:
        """How it ended."""

    def encode(self) -> bytes:
        """The payload of its journal record: a MessagePack array of the fields in their order, as msgspec writes the struct.

        Raises ``UnicodeEncodeError`` for half of a surrogate pair, ``TypeError`` for None where a text belongs or for a map of
        anything but texts to texts or numbers, ``ValueError`` for more than 1 GiB.
        """
