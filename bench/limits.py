"""Limits that govern every call and refuse none: three budgets and three rate limits."""

from __future__ import annotations

LIMITS = """
[[budgets]]
id = "user-day"
limit_usd = 1000000
window = "day"
per = ["user"]
[[budgets]]
id = "team-month"
limit_usd = 1000000
window = "month"
per = ["team"]
[[budgets]]
id = "all"
limit_usd = 1000000
window = "lifetime"
[[rate_limits]]
id = "requests"
limit = 100000000
unit = "requests_per_minute"
per = ["key"]
[[rate_limits]]
id = "tokens"
limit = 10000000000
unit = "tokens_per_minute"
per = ["model"]
[[rate_limits]]
id = "slots"
limit = 1000
unit = "concurrent_requests"
"""
