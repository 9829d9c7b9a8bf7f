"""The header lines that the gateway adds to an answer."""

from typing import Final

UNPRICED: Final = -1
"""In place of a cost: nobody knows the price."""
UNTOLD: Final = -2
"""In place of a cost: the line is left out."""

def answer_lines(request_id: str, model_line: bytes, cost_nano_usd: int, attempts: int, overhead_us: int) -> bytes:
    """``x-request-id``, the line with the model (as it is, with its CRLF), ``x-fastgw-cost-usd`` as an exact decimal,
    ``x-fastgw-attempts`` and ``x-fastgw-overhead-us``, each line with its CRLF.

    ``request_id`` is printable ASCII: the caller has checked it. The numbers are int64.
    """
