"""Verdicts, and what a call says when it cannot do what it was asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

KeyKind = Literal["opaque", "opaque_signing", "signed", "access_token", "imported"]
Freshness = Literal["stateless", "fresh", "stale"]
PartKind = Literal["chunk", "page"]


class ClavigerError(Exception):
    """Why something was not done: a stable code and a message, without any part of a secret."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Limit:
    """How often something may be done; whoever serves the request enforces it."""

    name: str
    max: int
    per_seconds: int


@dataclass(frozen=True)
class NeededPart:
    """A part of the keyring without which there is no verdict."""

    part: PartKind
    index: int
    hash: bytes
    # Offset and length in the bundle, if the keyring came as one.
    in_bundle: tuple[int, int] | None


@dataclass(frozen=True)
class Verified:
    """The key is good for the request. What only a keyring can know is None without one."""

    verified: Literal[True] = field(default=True, init=False)
    key_id: str
    kind: KeyKind
    prefix: str
    tenant: str | None
    owner: str | None
    external_id: str | None
    role: str | None
    permissions: tuple[str, ...] | None
    read_only: bool
    metadata: str | None
    limits: tuple[Limit, ...] | None
    issued_at: int | None
    expires_at: int | None
    freshness: Freshness
    epoch: int | None
    age: int | None
    revocation_checked: bool

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Denied:
    """The key is not good for the request, or that cannot be decided. In conditions it is false."""

    verified: Literal[False] = field(default=False, init=False)
    code: str
    # For logs; it is proved only if the class of the code is policy.
    key_id: str | None = None
    freshness: Freshness | None = None
    epoch: int | None = None
    age: int | None = None
    # What keyring_unavailable lacks, for insert_part; it does not show in JSON.
    needed: NeededPart | None = None

    def __bool__(self) -> bool:
        """A denial that somebody takes for an answer lets nobody in."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """All of it but what is needed, for JSON."""
        fields = asdict(self)
        del fields["needed"]
        return fields


Verdict = Verified | Denied


@dataclass(frozen=True)
class ParsedKey:
    """What a text says of itself, which proves nothing."""

    well_formed: Literal[True] = field(default=True, init=False)
    kind: str
    prefix: str
    key_id: str
    version: int | None
    read_only: bool | None
    issued_at: int | None
    expires_at: int | None


@dataclass(frozen=True)
class MalformedKey:
    """Where a text is of no format, and why."""

    well_formed: Literal[False] = field(default=False, init=False)
    part: str
    message: str
