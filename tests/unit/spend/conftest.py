from __future__ import annotations

from pathlib import Path

import pytest

import fastgw.spend
from fastgw.spend.catalog import PriceBook

BOOK_PATH = Path(fastgw.spend.__file__).parent / "data" / "prices.json"


@pytest.fixture(scope="session")
def book() -> PriceBook:
    """The compiled public price book; ``tools/build_prices.py`` makes it."""
    return PriceBook.load(BOOK_PATH.read_bytes())
