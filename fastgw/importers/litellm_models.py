"""LiteLLM's ``model_list``: deployments become providers and the names that applications ask for, with their prices and limits.

Source: https://docs.litellm.ai/docs/proxy/configs (read in November 2026).

Invariant: a credential is written as a reference, never as itself; a deployment that fastgw cannot call is among the findings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from fastgw.importers.draft import Draft, literal
from fastgw.importers.findings import Hidden
from fastgw.importers.litellm_limits import Scope, import_budget, import_count
from fastgw.importers.quantity import Number, decimal_of, toml_number
from fastgw.importers.table import Table
from fastgw.importers.toml_text import Value

KINDS: Final[Mapping[str, str]] = {
    "openai": "openai",
    "text-completion-openai": "openai",
    "custom_openai": "openai",
    "openai_like": "openai",
    "hosted_vllm": "openai",
    "litellm_proxy": "openai",
    "lm_studio": "openai",
    "llamafile": "openai",
    "anthropic": "anthropic",
}
"""LiteLLM's names of providers that speak a dialect of ours."""
DEFAULT_ENV: Final[Mapping[str, str]] = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
ENV_PREFIX: Final = "os.environ/"

_OWN_SERVERS: Final = frozenset(KINDS) - {"openai", "text-completion-openai", "anthropic"}
_NAMED: Final = (
    (re.compile(r"(gpt-|chatgpt-|o[134](-|$)|text-embedding-|davinci|babbage)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
)
_ENV: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_RATES: Final[Mapping[str, str]] = {
    "input_cost_per_token": "input_usd_per_mtok",
    "output_cost_per_token": "output_usd_per_mtok",
    "cache_read_input_token_cost": "cached_input_usd_per_mtok",
    "cache_creation_input_token_cost": "cache_write_5m_usd_per_mtok",
}
_MILLION: Final = Decimal(1_000_000)
_COUNTS: Final[Mapping[str, str]] = {
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "max_parallel_requests": "concurrent_requests",
}
_HINTS: Final[Mapping[str, str]] = {
    "timeout": "set the timeouts of [providers.NAME]",
    "stream_timeout": "set the timeouts of [providers.NAME]",
    "organization": "set `headers` of [providers.NAME]",
    "fallbacks": "a [[models]] row has one target",
    "weight": "a [[models]] row has one target",
}
_SAID_ELSEWHERE: Final = ("id", "db_model", "created_at", "created_by", "updated_at", "updated_by", "mode")


class Deployments:
    """Reads deployments one by one; those with the same account share a provider."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._providers: dict[tuple[str, str, str, str], str] = {}
        self._names: dict[str, str] = {}
        for name in DEFAULT_ENV.values():
            draft.keep_env(name)

    @property
    def names(self) -> list[str]:
        """The names that applications may ask for."""
        return list(self._names)

    def reserve(self, entry: Table) -> None:
        """Keep the variable that a deployment names from being made up for another one. Comes before all :meth:`add`."""
        parameters = entry.members.get("litellm_params")
        said = parameters.get("api_key") if isinstance(parameters, dict) else None
        if isinstance(said, str) and said.startswith(ENV_PREFIX):
            self._draft.keep_env(said.removeprefix(ENV_PREFIX))

    def add(self, entry: Table) -> None:
        """One element of ``model_list``."""
        parameters = entry.table("litellm_params")
        alias, model = entry.text("model_name"), parameters.text("model")
        if alias is None or model is None:
            self._draft.findings.left_out(
                entry.path, None, "expected model_name and litellm_params.model", "correct it"
            )
            return
        if alias in self._names:
            self._draft.findings.left_out(
                entry.path,
                alias,
                f"`{self._names[alias]}` has this name, and a name has one target",
                "give it a name of its own",
            )
            return
        target = self._target(parameters, model)
        if target is None:
            return
        provider, upstream = target
        if "*" in alias or "*" in upstream:
            if alias != f"{provider}/*" or upstream != "*":
                self._draft.findings.left_out(
                    entry.at("model_name"), alias, "a name stands for one model", f"ask for `{provider}/MODEL`"
                )
                return
        elif not self._draft.add("models", entry.path, _model_row(alias, provider, upstream)):
            return
        self._names[alias] = entry.path
        self._limits(entry, parameters, alias, (provider, upstream))

    def _limits(self, entry: Table, parameters: Table, alias: str, target: tuple[str, str]) -> None:
        information = entry.table("model_info")
        self._price(parameters, information, target)
        pattern = alias if alias.endswith("/*") else literal(alias)
        scope = Scope(name=f"model-{alias}", when={"models": [pattern]})
        for source in (parameters, entry):
            for name, unit in _COUNTS.items():
                if source.get(name) is not None:
                    import_count(source.at(name), source.get(name), unit, scope, self._draft)
        import_budget(parameters, scope, self._draft)
        information.skip(_SAID_ELSEWHERE)
        for table in (parameters, information, entry):
            table.finish(_HINTS)

    def _target(self, parameters: Table, model: str) -> tuple[str, str] | None:
        findings = self._draft.findings
        said = parameters.text("custom_llm_provider")
        prefix, slash, rest = model.partition("/")
        vendor, upstream = (said, model) if said is not None else (prefix, rest)
        if said is not None and prefix == said and slash:
            upstream = rest
        if said is None and not slash:
            vendor = next((kind for pattern, kind in _NAMED if pattern.match(model)), "")
            upstream = model
        kind = KINDS.get(vendor)
        if kind is None or not upstream:
            findings.left_out(
                parameters.at("model"),
                model,
                f"fastgw calls {' and '.join(sorted(set(KINDS.values())))} and servers that speak their dialects",
                "a server that speaks one of them can be written as a provider with a base_url",
            )
            return None
        provider = self._provider(parameters, kind, vendor)
        return None if provider is None else (provider, upstream)

    def _provider(self, parameters: Table, kind: str, vendor: str) -> str | None:
        base_url = parameters.text("api_base") or parameters.text("base_url")
        if base_url is not None and base_url.startswith(ENV_PREFIX):
            self._draft.findings.left_out(
                parameters.at("api_base"), base_url, "an address is written out, not referred to", "write the provider"
            )
            return None
        if base_url is None and vendor in _OWN_SERVERS:
            self._draft.findings.left_out(
                parameters.at("api_base"), None, f"`{vendor}` needs the address of the server", "write the provider"
            )
            return None
        if base_url is not None and kind == "anthropic":
            base_url = base_url.rstrip("/").removesuffix("/messages").removesuffix("/v1")
        region = parameters.text("region_name") or ""
        said = parameters.text("api_key")
        account = (kind, base_url or "", region, said or "")
        known = self._providers.get(account)
        if known is not None:
            return known
        name = self._draft.new_provider(kind)
        row: dict[str, Value] = {"kind": kind}
        reference = self._credential(parameters, said, name, kind if base_url is None else None)
        if reference is not None:
            row["api_key"] = reference
        row.update({"base_url": base_url} if base_url is not None else {})
        row.update({"region": region} if region else {})
        if not self._draft.add_provider(parameters.path, name, row):
            return None
        self._providers[account] = name
        return name

    def _credential(self, parameters: Table, said: str | None, provider: str, vendor: str | None) -> str | None:
        if said is None:
            if vendor is not None:
                return f"env:{DEFAULT_ENV[vendor]}"
            self._draft.findings.to_do(
                parameters.at("api_key"), None, "none is said, so none is sent", "set it if the server wants one"
            )
            return None
        name = said.removeprefix(ENV_PREFIX)
        if said.startswith(ENV_PREFIX) and _ENV.fullmatch(name):
            return f"env:{name}"
        made_up = self._draft.new_env(f"{provider}_API_KEY")
        self._draft.findings.to_do(
            parameters.at("api_key"), Hidden(said), "secrets are not written", f"set the environment variable {made_up}"
        )
        return f"env:{made_up}"

    def _price(self, parameters: Table, information: Table, target: tuple[str, str]) -> None:
        rates: dict[str, Number] = {}
        for name, ours in _RATES.items():
            value = parameters.get(name)
            other = information.get(name)
            rate = decimal_of(other if value is None else value)
            if rate is not None and rate >= 0:
                rates[ours] = toml_number(rate * _MILLION)
            elif value is not None or other is not None:
                self._draft.findings.left_out(
                    parameters.at(name), None, "expected a price of a token in USD", "write [[prices]] by hand"
                )
        if rates:
            row: dict[str, Value] = {"provider": target[0], "models": [literal(target[1])], **rates}
            if row not in self._draft.rows["prices"]:
                self._draft.add("prices", parameters.path, row)


def _model_row(alias: str, provider: str, upstream: str) -> dict[str, Value]:
    return {"name": alias, "targets": [{"target": f"{provider}/{upstream}"}]}
