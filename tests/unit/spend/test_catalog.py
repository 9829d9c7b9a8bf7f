from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import genai_prices
import pytest
from genai_prices.data import providers

import fastgw.spend
from fastgw.domain.errors import ConfigError
from fastgw.domain.usage import UNITS
from fastgw.spend.catalog import REMEMBERED_NAMES, PriceBook

ROOT = Path(__file__).resolve().parents[3]
BOOK = Path(fastgw.spend.__file__).parent / "data" / "prices.json"


def small_book() -> PriceBook:
    def model(name: str, rate: int, **more: object) -> dict[str, object]:
        return {"id": name, "match": ["prefix", name], "periods": [{"rates": {"input_tokens": rate}}], **more}

    file = {
        "version": "test/1",
        "providers": [
            {"id": "shop", "match": ["contains", "mall"], "fallbacks": ["maker", "gone"], "models": [model("tea", 1)]},
            {
                "id": "maker",
                "source": "https://maker.example/prices",
                "models": [
                    model(
                        "tea", 2, variants=[{"when": {"processing": "batch"}, "period": {"rates": {"input_tokens": 1}}}]
                    ),
                    model("cup-2025-12-11", 3, source="https://maker.example/cup", dated="2026-01-31"),
                    model(
                        "pot", 4, variants=[{"when": {"processing": "batch"}, "period": {"rates": {"input_tokens": 1}}}]
                    ),
                ],
            },
        ],
    }
    return PriceBook.load(json.dumps(file).encode())


def test_own_models_come_before_those_of_others() -> None:
    book = small_book()
    for provider, name, label in [
        ("shop", "tea-1", "test/1:shop/tea"),
        ("maker", "TEA-1", "test/1:maker/tea"),
        ("shop", "pot", "test/1:maker/pot"),
        (" The-MALL ", "tea", "test/1:shop/tea"),
        ("maker", "cup-20251211", "test/1:maker/cup-2025-12-11"),
    ]:
        price = book.resolve(provider, name)
        assert price is not None
        assert price.label == label


def test_what_nobody_lists_has_no_price() -> None:
    book = small_book()
    for provider, name in [("shop", "coffee"), ("nobody", "tea"), ("maker", "tea" * 1000), ("", "")]:
        assert book.resolve(provider, name) is None


def test_variants_are_the_makers_own() -> None:
    book = small_book()
    direct, through_another = book.resolve("maker", "pot"), book.resolve("shop", "pot")
    assert direct is not None
    assert through_another is not None
    assert len(direct.variants) == 1
    assert through_another.variants == ()


def test_rows_tell_where_they_were_read() -> None:
    book = small_book()
    cup, pot = book.resolve("maker", "cup-2025-12-11"), book.resolve("maker", "pot")
    assert cup is not None
    assert pot is not None
    assert (cup.source, str(cup.dated)) == ("https://maker.example/cup", "2026-01-31")
    assert (pot.source, pot.dated) == ("https://maker.example/prices", None)


def test_remembered_names_are_bounded() -> None:
    book = small_book()
    first = book.resolve("maker", "tea")
    assert book.resolve("maker", "tea") is first
    for number in range(REMEMBERED_NAMES + 10):
        book.resolve("maker", f"invented-{number}")
    assert len(book._resolved) == REMEMBERED_NAMES
    assert book.resolve("maker", "tea") == first


@pytest.mark.parametrize("data", [b"", b"{}", b'{"version":"x","providers":[{"id":1}]}', b"\xff"])
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match="price book"):
        PriceBook.load(data)


def test_the_shipped_book_has_every_model_and_a_source_for_it(book: PriceBook) -> None:
    assert book.version == f"genai-prices/{genai_prices.__version__}"
    assert BOOK.stat().st_size < 3_000_000
    for provider in providers:
        book.resolve(provider.id, "")
        rows = book._models[provider.id].rows
        assert [row.id for row in rows] == [model.id for model in provider.models]
        for row in rows:
            price = book._price(book._providers[provider.id], row, own=True)
            assert price.source.startswith("https://"), (provider.id, row.id)
            assert price.periods
            for period in (*price.periods, *(variant.period for variant in price.variants)):
                assert period.rates.keys() <= set(UNITS)


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    output = tmp_path / "made" / "prices.json"
    command = [sys.executable, str(ROOT / "tools" / "build_prices.py"), "--output", str(output)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert output.read_bytes() == BOOK.read_bytes()
    rounded = [line for line in done.stdout.splitlines() if line.startswith("rounded")]
    assert 0 < len(rounded) <= 28
    assert all("openrouter/" in line or "huggingface_together/" in line for line in rounded)
