from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import fastgw.spend
from fastgw._native.ledger_record import LedgerRecord
from fastgw.domain.errors import ConfigError
from fastgw.domain.usage import Usage, usage_of
from fastgw.spend.catalog import PriceBook
from fastgw.spend.config import Price, PriceRow, PriceTier, ProviderPricing, RegionRow, load_regions
from fastgw.spend.pricer import Pricer, TargetPrice, context_of

MTOK = Usage(1_000_000)
USD = 10**9
MIDYEAR = int(datetime(2026, 7, 1, tzinfo=UTC).timestamp()) * 10**9
DAY = 86_400 * 10**9
FREE = Price(input_usd_per_mtok=0, output_usd_per_mtok=0)


def row(usd: float | str, **more: object) -> PriceRow:
    return PriceRow(**{"provider": "mine", "models": ("*",), "input_usd_per_mtok": usd, **more})  # type: ignore[arg-type]


def test_the_book_prices_a_target_and_names_itself(book: PriceBook) -> None:
    pricer = Pricer(book, {"main": ProviderPricing()})
    target = pricer.for_target("main", "openai", "gpt-4o-mini-2024-07-18")
    assert target is not None
    assert target.cost(usage_of({"input_tokens": 1117, "output_tokens": 46, "cache_read_tokens": 1024}), MIDYEAR) == (
        118_350,
        f"{book.version}:openai/gpt-4o-mini",
    )
    assert target.sources() == ["https://developers.openai.com/api/docs/pricing"]


def test_what_nobody_priced_is_unpriced(book: PriceBook) -> None:
    pricer = Pricer(book, {"main": ProviderPricing(), "onprem": ProviderPricing(price=FREE)})
    assert pricer.for_target("main", "openai", "no-such-model") is None
    assert pricer.for_target("main", "no-such-provider", "gpt-4o") is None
    assert pricer.for_target("main", None, "gpt-4o") is None
    onprem = pricer.for_target("onprem", None, "llama")
    assert onprem is not None
    assert onprem.cost(MTOK, MIDYEAR) == (0, "config:providers.onprem.price")
    assert onprem.sources() == []


def test_rows_come_before_the_private_price_and_that_before_the_book(book: PriceBook) -> None:
    providers = {"mine": ProviderPricing(price=Price(input_usd_per_mtok=5)), "other": ProviderPricing()}
    pricer = Pricer(book, providers, [row(7, models=("gpt-4o*",)), row(8), row(9, provider="other", models=("x",))])

    def cost(provider: str, model: str) -> object:
        target = pricer.for_target(provider, "openai", model)
        return target and target.cost(MTOK, MIDYEAR)

    assert cost("mine", "GPT-4o-mini") == (7 * USD, "config:prices[0]")
    assert cost("mine", "o3") == (8 * USD, "config:prices[1]")
    assert cost("other", "gpt-4o-mini") == (150_000_000, f"{book.version}:openai/gpt-4o-mini")
    assert cost("other", "x") == (9 * USD, "config:prices[2]")
    only_private = Pricer(book, providers).for_target("mine", "openai", "gpt-4o-mini")
    assert only_private is not None
    assert only_private.cost(MTOK, MIDYEAR) == (5 * USD, "config:providers.mine.price")


def test_a_region_beats_a_date_and_a_later_date_an_earlier_one(book: PriceBook) -> None:
    rows = [
        row(1, from_date=date(2026, 1, 1)),
        row(2, from_date=date(2026, 3, 1)),
        row(3, from_date=date(2026, 3, 1)),
        row(4, region="eu", from_date=date(2026, 2, 1)),
        row(5),
    ]
    pricer = Pricer(book, {"mine": ProviderPricing()}, rows)

    def usd(region: str, *day: int) -> int | None:
        target = pricer.for_target("mine", None, "m", region)
        assert target is not None
        found = target.cost(MTOK, int(datetime(*day, tzinfo=UTC).timestamp()) * 10**9)  # type: ignore[misc]
        return found and found[0] // USD

    assert usd("us", 2025, 12, 31) == 5
    assert usd("us", 2026, 1, 1) == 1
    assert usd("us", 2026, 3, 1) == 2
    assert usd("eu", 2026, 1, 31) == 1
    assert usd("eu", 2026, 2, 1) == 4
    assert usd("eu", 2026, 3, 1) == 4


def test_a_kept_price_ends_in_the_second_the_next_begins(book: PriceBook) -> None:
    target = Pricer(book, {"mine": ProviderPricing()}, [row(2, from_date=date(2026, 7, 1))]).for_target(
        "mine", "openai", "gpt-4o-mini"
    )
    assert target is not None
    for _ in range(2):
        assert target.cost(MTOK, MIDYEAR - 1) == (150_000_000, f"{book.version}:openai/gpt-4o-mini")
        assert target.cost(MTOK, MIDYEAR) == (2 * USD, "config:prices[0]")


def test_a_price_that_has_yet_to_begin_leaves_the_call_unpriced(book: PriceBook) -> None:
    target = Pricer(book, {"mine": ProviderPricing()}, [row(2, from_date=date(2026, 7, 1))]).for_target(
        "mine", None, "m"
    )
    assert target is not None
    assert target.cost(MTOK, MIDYEAR - 1) is None
    assert target.cost(MTOK, MIDYEAR) == (2 * USD, "config:prices[0]")


def charged(target: TargetPrice, at_ns: int, usage: Usage, service_tier: str | None = None) -> tuple[int | None, str]:
    entry = LedgerRecord(1, "r", at_ns, "k")
    entry.estimate(usage.input_tokens, usage.output_tokens)
    entry.cached_input_tokens = usage.cache_read_tokens
    entry.other_usage = usage.other
    # A price that was there before must not survive.
    entry.charge(77, "old")
    target.charge(entry, service_tier, usage)
    return entry.cost_nano_usd, entry.price_version


def test_rows_of_the_ledger_are_charged_the_same(book: PriceBook) -> None:
    """Whether by the compiled price or the slow way: before and after it is compiled, in any order of time and tier."""
    target = Pricer(book, {"mine": ProviderPricing()}, [row(2, from_date=date(2026, 7, 1))]).for_target(
        "mine", "anthropic", "claude-sonnet-4-5"
    )
    assert target is not None
    usages = (MTOK, Usage(300_000, 5, 299_999), Usage(1, other={"web_searches": 2}), Usage(2**40), Usage())
    for at_ns in (MIDYEAR, MIDYEAR - 1, MIDYEAR - 1, MIDYEAR, MIDYEAR):
        for usage in usages:
            for tier in (None, "batch", "nobody's"):
                assert charged(target, at_ns, usage, tier) == target.cost(usage, at_ns, tier)


def test_a_row_that_no_price_holds_for_has_no_cost(book: PriceBook) -> None:
    target = Pricer(book, {"mine": ProviderPricing()}, [row(2, from_date=date(2026, 7, 1))]).for_target(
        "mine", None, "m"
    )
    assert target is not None
    assert charged(target, MIDYEAR, MTOK) == (2 * USD, "config:prices[0]")
    assert charged(target, MIDYEAR - 1, MTOK) == (None, "")


def test_a_row_of_which_nothing_more_is_known_is_charged_by_its_two_counts(book: PriceBook) -> None:
    target = Pricer(book, {"mine": ProviderPricing()}, [row(2, output_usd_per_mtok=3)]).for_target("mine", None, "m")
    assert target is not None
    for _ in range(2):
        entry = LedgerRecord(1, "r", MIDYEAR, "k")
        entry.estimate(10, 100)
        target.charge(entry, None)
        assert (entry.cost_nano_usd, entry.price_version) == (10 * 2000 + 100 * 3000, "config:prices[0]")


def test_rows_have_tiers(book: PriceBook) -> None:
    tiers = (PriceTier(above_input_tokens=1000, input_usd_per_mtok=2),)
    target = Pricer(book, {"mine": ProviderPricing()}, [row(1, tiers=tiers)]).for_target("mine", None, "m")
    assert target is not None
    assert target.cost(Usage(1000), 0) == (1000 * 1000, "config:prices[0]")
    assert target.cost(Usage(1001), 0) == (1001 * 2000, "config:prices[0]")


def test_a_discount_is_off_everything_and_told(book: PriceBook) -> None:
    pricer = Pricer(
        book,
        {
            "main": ProviderPricing(discount_percent="12.5"),
            "mine": ProviderPricing(price=Price(input_usd_per_mtok="0.000001"), discount_percent=50),
            "gift": ProviderPricing(discount_percent=100),
        },
    )
    main, mine, gift = (
        pricer.for_target("main", "openai", "gpt-4o-mini"),
        pricer.for_target("mine", None, "m"),
        pricer.for_target("gift", "openai", "gpt-4o-mini"),
    )
    assert main is not None
    assert mine is not None
    assert gift is not None
    assert main.cost(Usage(3), MIDYEAR) == (394, f"{book.version}:openai/gpt-4o-mini;discount=12.500%")
    assert mine.cost(Usage(999), 0) == (0, "config:providers.mine.price;discount=50.000%")
    assert mine.cost(Usage(1000), 0) == (1, "config:providers.mine.price;discount=50.000%")
    assert gift.cost(MTOK, MIDYEAR) == (0, f"{book.version}:openai/gpt-4o-mini;discount=100.000%")


def test_service_tiers_have_their_own_prices_side_by_side(book: PriceBook) -> None:
    pricer = Pricer(book, {"main": ProviderPricing()})
    target = pricer.for_target("main", "openai", "gpt-5.4")
    assert target is not None
    at = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp()) * 10**9
    costs = {tier: target.cost(MTOK, at, tier) for tier in (None, "flex", "batch", "nobody's", "flex")}
    standard, flex, batch = costs[None], costs["flex"], costs["batch"]
    assert standard is not None
    assert flex is not None
    assert batch is not None
    assert flex[0] * 2 == batch[0] * 2 == standard[0]
    assert costs["nobody's"] == standard
    assert flex[1].endswith(";service_tier=flex")
    assert batch[1].endswith(";processing=batch")
    assert len(target._active) == 3


def test_the_words_of_an_answer_become_a_context() -> None:
    assert context_of(None, "") == {}
    assert context_of("priority", "eu") == {"service_tier": "priority", "route": "eu"}
    assert context_of("batch", "") == {"service_tier": "batch", "processing": "batch"}
    assert context_of("fast", "") == {"service_tier": "fast", "speed": "fast"}


def test_an_aggregators_route_is_the_region(book: PriceBook) -> None:
    pricer = Pricer(book, {"router": ProviderPricing()})
    routed = [
        model.id
        for model in (book.resolve("openrouter", ""), book._models["openrouter"])[1].rows
        if b'"route"' in bytes(model.variants)
    ]
    assert routed
    plain, european = (pricer.for_target("router", "openrouter", routed[0], region) for region in ("", "mistral/eu"))
    assert plain is not None
    assert european is not None
    usage = Usage(1_000_000, 1_000_000)
    plain_cost, european_cost = plain.cost(usage, MIDYEAR + 150 * DAY), european.cost(usage, MIDYEAR + 150 * DAY)
    assert plain_cost is not None
    assert european_cost is not None
    assert european_cost[0] > plain_cost[0]
    assert european_cost[1].endswith(";route=mistral/eu")


def test_shipped_regions_raise_token_rates_only(book: PriceBook) -> None:
    regions = load_regions((Path(fastgw.spend.__file__).parent / "data" / "regions.toml").read_bytes())
    pricer = Pricer(book, {"main": ProviderPricing()}, regions=regions)
    usage = usage_of({"input_tokens": 1_000_000, "web_searches": 1})
    for source, model, region, factor in [
        ("anthropic", "claude-opus-4-8", "us", 1100),
        ("anthropic", "claude-opus-4-8", "us-east", 1000),
        ("anthropic", "claude-opus-4-5", "us", 1000),
        ("openai", "gpt-5.4", "eu", 1100),
        ("openai", "gpt-4o", "eu", 1000),
        ("azure", "gpt-5.4", "eu", 1000),
    ]:
        plain, regional = pricer.for_target("main", source, model), pricer.for_target("main", source, model, region)
        assert plain is not None
        assert regional is not None
        (base, _), (tokens, _) = plain.cost(MTOK, MIDYEAR) or (0, ""), regional.cost(MTOK, MIDYEAR) or (0, "")
        assert tokens * 1000 == base * factor
        (both, version), (plain_both, _) = (
            regional.cost(usage, MIDYEAR) or (0, ""),
            plain.cost(usage, MIDYEAR) or (0, ""),
        )
        assert both - tokens == plain_both - base
        assert (f"={region}*{factor}/1000" in version) == (factor != 1000)


def test_an_uplift_of_no_price_is_no_price(book: PriceBook) -> None:
    regions = load_regions((Path(fastgw.spend.__file__).parent / "data" / "regions.toml").read_bytes())
    pricer = Pricer(book, {"main": ProviderPricing()}, regions=regions)
    assert pricer.for_target("main", "together", "no-such-model", "us") is None


def test_a_region_may_have_rates_of_its_own(book: PriceBook) -> None:
    region = RegionRow(
        provider="aws",
        models=("house-model",),
        regions=("eu-west-1",),
        source="https://example.org/prices",
        checked=date(2026, 11, 1),
        price=Price(input_usd_per_mtok=3),
    )
    pricer = Pricer(book, {"b": ProviderPricing()}, regions=[region])
    assert pricer.for_target("b", "bedrock", "house-model", "us-east-1") is None
    target = pricer.for_target("b", "bedrock", "house-model", "eu-west-1")
    assert target is not None
    assert target.cost(MTOK, MIDYEAR) == (3 * USD, "config:regions[0]")
    assert target.sources() == ["https://example.org/prices"]


@pytest.mark.parametrize(
    ("providers", "rows", "path"),
    [
        ({}, [row(1)], "prices[0].provider"),
        ({"mine": ProviderPricing()}, [row(1), row("0.1234567")], "prices[1].input_usd_per_mtok"),
        ({"mine": ProviderPricing(discount_percent=100.5)}, [], "providers.mine.discount_percent"),
        ({"mine": ProviderPricing(price=Price())}, [], "providers.mine.price"),
    ],
)
def test_a_configuration_that_cannot_be_charged_is_refused_whole(
    book: PriceBook, providers: dict[str, ProviderPricing], rows: list[PriceRow], path: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        Pricer(book, providers, rows)
    assert refused.value.path == path


@pytest.mark.parametrize("tiers", [(), (PriceTier(above_input_tokens=500, input_usd_per_mtok="40"),)])
@pytest.mark.parametrize("counts", [(1000, 7, 0, 0), (1000, 7, 600, 0), (1000, 70, 1000, 60), (400, 3, 100, 0)])
def test_a_row_is_charged_by_its_own_counts(
    book: PriceBook, tiers: tuple[PriceTier, ...], counts: tuple[int, int, int, int]
) -> None:
    input_tokens, output_tokens, cached, reasoning = counts
    rates = {"output_usd_per_mtok": "3.5", "cached_input_usd_per_mtok": "0.75", "reasoning_usd_per_mtok": "9"}
    target = Pricer(book, {"mine": ProviderPricing()}, [row(20, tiers=tiers, **rates)]).for_target("mine", None, "m")
    assert target is not None
    record = LedgerRecord(1, "r", MIDYEAR, "k", "", "", "m", "mine/m", "mine", "", "openai", "chat", False)
    record.input_tokens, record.output_tokens = input_tokens, output_tokens
    record.cached_input_tokens, record.reasoning_tokens = cached, reasoning
    for _ in range(2):  # the first time the price is compiled, the second time it is there
        target.charge(record, None)
        usage = Usage(input_tokens, output_tokens, cached, 0, 0, 0, reasoning)
        assert (record.cost_nano_usd, record.price_version) == target.cost(usage, MIDYEAR)
