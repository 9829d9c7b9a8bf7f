"""No bill is higher than its ceiling, and what a sum buys is never more than it pays for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastgw.domain.usage import MAX_COUNT, Usage
from fastgw.spend.ceiling import Ceiling
from fastgw.spend.price import ActivePrice, Rate

RATES = st.integers(0, 100_000) | st.tuples(st.integers(0, 1000), st.just(((1000, 2000),)))
UNITS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
)


@st.composite
def prices(draw: st.DrawFn) -> ActivePrice:
    rates: dict[str, Rate] = {unit: draw(RATES) for unit in UNITS if draw(st.booleans())}
    return ActivePrice(rates, discount_millipercent=draw(st.sampled_from([0, 12_500, 100_000])))


@given(prices(), st.integers(0, 5000), st.integers(0, 5000), st.data())
def test_no_bill_is_higher_than_its_ceiling(
    price: ActivePrice, most_input: int, most_output: int, data: st.DataObject
) -> None:
    used_input, used_output = data.draw(st.integers(0, most_input)), data.draw(st.integers(0, most_output))
    read = data.draw(st.integers(0, used_input))
    write = data.draw(st.integers(0, used_input - read))
    write_5m = data.draw(st.integers(0, write))
    write_1h = data.draw(st.integers(0, write - write_5m))
    usage = Usage(
        used_input,
        used_output,
        read,
        write,
        write_5m,
        write_1h,
        data.draw(st.integers(0, used_output)),
        data.draw(st.integers(0, used_input)),
    )
    assert price.nano_usd(usage) <= price.ceiling(dearest=True, media=True).nano_usd(most_input, most_output)


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**9),
    st.integers(1, 10**6),
    st.integers(1, 10**9),
    st.data(),
)
def test_what_a_sum_buys(input_: int, output: int, fixed: int, ratio: int, divisor: int, data: st.DataObject) -> None:
    ceiling = Ceiling(input_, output, fixed, ratio, divisor)
    nano_usd, tokens = data.draw(st.integers(0, 10**12)), data.draw(st.integers(0, 10**6))
    buys = ceiling.affordable_output_tokens(nano_usd, tokens)
    if buys < 0:
        assert ceiling.nano_usd(tokens, 0) > nano_usd
    else:
        assert ceiling.nano_usd(tokens, buys) <= nano_usd
        assert buys == MAX_COUNT or ceiling.nano_usd(tokens, buys + 1) > nano_usd


def test_fresh_text_is_not_reserved_for_at_the_rate_of_anything_dearer() -> None:
    price = ActivePrice(
        {"input_tokens": 1000, "output_tokens": 2000, "cache_write_tokens": 9000, "input_audio_tokens": 50_000}
    )
    assert price.ceiling(dearest=False, media=False).nano_usd(10, 10) == 30
    assert price.ceiling(dearest=True, media=False).nano_usd(10, 10) == 110


def test_what_costs_nothing_buys_everything() -> None:
    assert ActivePrice({}).ceiling(dearest=True, media=True).affordable_output_tokens(0, 100) == MAX_COUNT
