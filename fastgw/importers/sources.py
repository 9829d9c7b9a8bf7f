"""From the texts of other gateways' configurations to the text of ours, and what could not be said.

Invariant: nothing of a source is dropped in silence; no secret of it is in what comes out; nothing is read or written here.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fastgw.domain.errors import ConfigError
from fastgw.importers.document import parse_documents
from fastgw.importers.draft import Draft
from fastgw.importers.findings import FILE_END, Finding
from fastgw.importers.litellm import import_litellm, is_litellm
from fastgw.importers.toml_text import document as toml_document
from fastgw.importers.truefoundry import import_truefoundry, is_truefoundry


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """``partial``: something was left out or changed."""

    toml: str
    findings: tuple[Finding, ...]
    partial: bool


def import_texts(files: Sequence[tuple[str, bytes]]) -> Imported:
    """One configuration from the files of one gateway, each with its name.

    Raises:
        ConfigError: a file cannot be read as what it should be, or they are of several gateways.
    """
    documents: list[tuple[str, object]] = []
    for name, data in files:
        prefix = name + FILE_END if len(files) > 1 else ""
        documents += [(f"{prefix}{path}", value) for path, value in _documents(name, data)]
    draft = Draft()
    values = [value for _, value in documents]
    if values and all(is_truefoundry(value) for value in values):
        import_truefoundry(documents, draft)
    elif values and all(is_litellm(value) for value in values):
        import_litellm(documents, draft)
    else:
        raise ConfigError(
            _strangest(documents),
            "expected manifests of TrueFoundry (with a `type`), or LiteLLM's config.yaml, or its lists of keys, teams or users",
        )
    findings = draft.findings
    comments = ["Made by `fastgw import`. Check it with `fastgw check`.", *(each.line for each in findings.all)]
    return Imported(
        toml=toml_document(comments, draft.sections()), findings=tuple(findings.all), partial=findings.partial
    )


def _documents(name: str, data: bytes) -> list[tuple[str, object]]:
    try:
        values = parse_documents(data)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error.path}" if error.path else name, error.problem) from None
    found: list[tuple[str, object]] = []
    for index, value in enumerate(values):
        path = f"document[{index}]" if len(values) > 1 else ""
        if isinstance(value, list) and value and all(is_truefoundry(each) for each in value):
            found += [(f"{path}[{place}]", each) for place, each in enumerate(value)]
        else:
            found.append((path, value))
    return found


def _strangest(documents: Sequence[tuple[str, object]]) -> str:
    for path, value in documents:
        if not is_truefoundry(value) and not is_litellm(value):
            return path.removesuffix(FILE_END)
    return ""
