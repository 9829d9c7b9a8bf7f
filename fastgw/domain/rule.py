"""What rules have in common: whom they speak of, what they count for, and what they do.

Fields of ``when`` are ANDed, their lists ORed, an absent one matches all; ``not_`` variants negate. Patterns are globs.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fastgw.domain.operation import Dialect, Operation

MAX_PER: int = 4
Mode = Literal["enforce", "audit", "soft"]
Pattern = Annotated[str, Meta(min_length=1, max_length=256)]
Patterns = Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=1000)]
Subjects = Annotated[
    tuple[
        Annotated[
            str,
            Meta(
                pattern=r"^(user|team|key|virtualaccount):.+\Z",
                max_length=256,
                description="user:NAME, team:NAME or key:NAME",
            ),
        ],
        ...,
    ],
    Meta(min_length=1, max_length=1000),
]
Tags = Annotated[dict[Annotated[str, Meta(min_length=1, max_length=128)], Pattern | Patterns], Meta(max_length=32)]
Hours = Annotated[
    tuple[
        Annotated[
            str,
            Meta(
                pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z",
                description="HH:MM-HH:MM, which may run over midnight",
            ),
        ],
        ...,
    ],
    Meta(min_length=1, max_length=24),
]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Per = Annotated[
    str,
    Meta(
        pattern=r"^(user|team|key|virtualaccount|model|metadata\..{1,128})\Z",
        description="user, team, key, model or metadata.NAME",
    ),
]


class When(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which calls a rule speaks of. ``models`` match the name that is asked for or the target's; ``hours`` and ``weekdays`` are of
    the moment at which the call came, in the server's time zone; a span of hours includes its first minute and not its last."""

    subjects: Subjects | None = None
    not_subjects: Subjects | None = None
    models: Patterns | None = None
    not_models: Patterns | None = None
    providers: Patterns | None = None
    not_providers: Patterns | None = None
    regions: Patterns | None = None
    not_regions: Patterns | None = None
    dialects: tuple[Dialect, ...] | None = None
    not_dialects: tuple[Dialect, ...] | None = None
    operations: tuple[Operation, ...] | None = None
    not_operations: tuple[Operation, ...] | None = None
    metadata: Tags = {}
    not_metadata: Tags = {}
    hours: Hours | None = None
    not_hours: Hours | None = None
    weekdays: tuple[Weekday, ...] | None = None
    not_weekdays: tuple[Weekday, ...] | None = None


class RuleRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every limit is besides its numbers. Inside a ``group`` the first rule that matches governs and the others only count; a
    rule without a group is a group of its own. ``per``: one counter for each combination of these; none is one for all."""

    id: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z", description="a name of letters, digits and _.:-")
    ]
    group: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    when: When = When()
    per: Annotated[tuple[Per, ...], Meta(max_length=MAX_PER)] = ()
    mode: Mode = "enforce"
