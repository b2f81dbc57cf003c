"""The numbers and records of the ABI, as `crates/wasm-module/ABI.md` has them."""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass

from verdict import (
    ClavigerError,
    Denied,
    Freshness,
    KeyKind,
    Limit,
    MalformedKey,
    NeededPart,
    ParsedKey,
    PartKind,
    Verdict,
    Verified,
)

KINDS: dict[int, KeyKind] = {
    1: "opaque",
    2: "opaque_signing",
    3: "signed",
    4: "access_token",
    9: "imported",
}
SECRET_KINDS = {5: "issuing_secret", 6: "integration_secret", 7: "keyring_key", 8: "master_key"}
FRESHNESS: dict[int, Freshness] = {1: "stateless", 2: "fresh", 3: "stale"}
PARTS: dict[int, PartKind] = {1: "chunk", 2: "page"}

DENIAL_CODES = {
    1: "missing",
    2: "malformed",
    3: "bad_checksum",
    4: "wrong_prefix",
    5: "unknown_key",
    6: "bad_secret",
    7: "bad_signature",
    8: "signature_expired",
    9: "signature_from_future",
    10: "component_missing",
    11: "digest_mismatch",
    12: "replayed",
    32: "revoked",
    33: "disabled",
    35: "not_yet_valid",
    36: "expired",
    37: "lifetime_required",
    38: "wrong_tenant",
    39: "ip_not_allowed",
    40: "insufficient_permission",
    64: "pool_exhausted",
    65: "verifier_fault",
    66: "not_configured",
    67: "keyring_unavailable",
    68: "keyring_expired",
    69: "keyring_stale",
    70: "keyring_invalid",
    71: "replay_unavailable",
}

STATUSES = {
    -1: ("invalid_options", "a length goes beyond the input, or a text is not UTF-8"),
    -2: ("invalid_options", "a number or flag has no meaning"),
    -3: ("invalid_prefix", "the text is not a key prefix"),
    -4: ("invalid_secret", "the text is a secret of another purpose"),
    -5: ("invalid_time", "a key cannot hold this time"),
    -6: ("invalid_options", "no configuration was begun"),
    -7: (
        "invalid_options",
        "there are no secrets, too many of them, or two that a key cannot tell apart",
    ),
}
MALFORMED = range(-256, -512, -1)
TEXT_PARTS = ("text", "prefix", "id", "claims", "version", "secret", "checksum")
PROBLEMS = (
    "is empty",
    "is too short or too long for its format; part of it may have been cut off",
    "has no underscore where its format has one",
    "has no known letter (k, h, s, t or x) before its secret",
    "is not one that this format can have",
    "starts with cvg, which API keys may not",
    "has a character outside 0-9, A-Z and a-z",
    "is a larger number than it can be",
    "have a flag that this version does not know",
    "does not fit the text; a character was mistyped or lost",
)

KEYRING = range(-1024, -1280, -1)
# With what the two details say.
KEYRING_ERRORS = {
    1: ("not_a_keyring", "the bytes are no keyring: expected a root or a bundle"),
    2: ("unsupported_version", "the keyring has format version {0}; this verifier reads version 1"),
    3: ("truncated", "the keyring is cut off; fetch it again"),
    4: ("oversized", "the keyring goes on behind its end, or is too large to be one"),
    5: ("unknown_keyring_key", "the verifier does not have the key that the keyring was made with"),
    6: ("wrong_keyring", "the verifier serves another keyring"),
    7: ("wrong_mac", "the keyring is not what its keyring key authenticated"),
    8: ("invalid_keyring", "the keyring breaks a rule of its format; its publisher is at fault"),
    9: ("issued_in_future", "issued at {0}, more than 300 seconds ahead of this clock ({1})"),
    10: ("older_epoch", "the keyring has epoch {1}; this verifier accepts {0} and later"),
    11: ("same_epoch_other_content", "the verifier has another keyring of epoch {0}"),
    12: ("wrong_hash", "the part does not have the hash that the root names"),
    13: ("no_such_part", "the root names no such part"),
    14: ("no_keyring", "the verifier has no keyring, or has issuing secrets and takes none"),
}
KEYRING_CODES = frozenset(code for code, _ in KEYRING_ERRORS.values())
# After these an instance is as good as before.
HARMLESS_CODES = KEYRING_CODES | {"context_too_long"}

# Little-endian, as all numbers.
VERDICT = struct.Struct("<6BH3Q32s2Q2IQ32s")
POLICY = struct.Struct("<6B5HQ")
NETWORK_LEN = 17
LIMIT = struct.Struct("<QI")
CONTEXT = struct.Struct("<BBHIQQQ")
PARSED = struct.Struct("<4B4x3Q")
DETAILS = struct.Struct("<2Q")

READ_ONLY, HAS_ISSUED_AT, HAS_EXPIRES_AT, HAS_KEY_ID, HAS_POLICY, IN_BUNDLE = 1, 2, 4, 8, 16, 32
POLICY_FLAGS = 31

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LEN = 11
MAX_U64 = (1 << 64) - 1
LONGEST_ADDRESS = 64


def no_verdict() -> ClavigerError:
    """For whatever the module never writes."""
    return ClavigerError("verifier_fault", "the module's answer is none")


def context_too_long() -> ClavigerError:
    """For what does not fit into the input beside a key. The caller may cause it, so it costs no instance."""
    return ClavigerError("context_too_long", "tenant and permissions are too long")


def require_zero(*numbers: int) -> None:
    """What a record does not have is zero."""
    if any(numbers):
        raise no_verdict()


@dataclass
class Record:
    """The record of a verdict, field by field."""

    code: int
    kind: int
    flags: int
    freshness: int
    prefix_len: int
    part: int
    policy_len: int
    key_id: int
    issued_at: int
    expires_at: int
    prefix: bytes
    epoch: int
    age: int
    index: int
    length: int
    offset: int
    hash: bytes

    def verdict(self, policy: bytes | None) -> Verdict:
        """The verdict, with the bytes of the policy that belongs to it."""
        unset = {
            HAS_ISSUED_AT: self.issued_at,
            HAS_EXPIRES_AT: self.expires_at,
            HAS_KEY_ID: self.key_id,
            HAS_POLICY: self.policy_len,
            IN_BUNDLE: self.length | self.offset,
        }
        require_zero(*(number for flag, number in unset.items() if not self.flags & flag))
        return self._denied() if self.code else self._verified(policy)

    def _denied(self) -> Denied:
        require_zero(
            self.flags & ~(HAS_KEY_ID | IN_BUNDLE), self.kind, self.prefix_len, any(self.prefix)
        )
        needed = None
        if self.part:
            place = (self.offset, self.length) if self.flags & IN_BUNDLE else None
            needed = NeededPart(PARTS[self.part], self.index, self.hash, place)
        else:
            require_zero(self.flags & IN_BUNDLE, self.index, any(self.hash))
        return Denied(DENIAL_CODES[self.code], self._key_id(), *self._knowledge(), needed)

    def _verified(self, policy: bytes | None) -> Verified:
        freshness, epoch, age = self._knowledge()
        key_id, checked = self._key_id(), freshness != "stateless"
        # Whoever has a keyring knows whose the key is, and nobody else does.
        if freshness is None or key_id is None or checked != (policy is not None):
            raise no_verdict()
        if not 1 <= self.prefix_len <= 32:
            raise no_verdict()
        own = READ_ONLY | HAS_ISSUED_AT | HAS_EXPIRES_AT | HAS_KEY_ID | HAS_POLICY
        require_zero(self.flags & ~own, 0 if checked else self.index)
        require_zero(self.part, any(self.hash), any(self.prefix[self.prefix_len :]))
        terms = read_policy(policy) if policy is not None else Policy()
        return Verified(
            key_id=key_id,
            kind=KINDS[self.kind],
            prefix=self.prefix[: self.prefix_len].decode("ascii"),
            tenant=terms.tenant,
            owner=terms.owner,
            external_id=terms.external_id,
            role=terms.role,
            permissions=terms.permissions,
            read_only=bool(self.flags & READ_ONLY),
            metadata=terms.metadata,
            limits=terms.limits,
            issued_at=self.issued_at if self.flags & HAS_ISSUED_AT else None,
            expires_at=self.expires_at if self.flags & HAS_EXPIRES_AT else None,
            freshness=freshness,
            epoch=epoch,
            age=age,
            revocation_checked=checked,
        )

    def _key_id(self) -> str | None:
        return id_text(self.key_id) if self.flags & HAS_KEY_ID else None

    def _knowledge(self) -> tuple[Freshness | None, int | None, int | None]:
        """Freshness, epoch and age."""
        freshness = FRESHNESS[self.freshness] if self.freshness else None
        if freshness in ("fresh", "stale"):
            return freshness, self.epoch, self.age
        require_zero(self.epoch, self.age)
        return freshness, None, None


@dataclass(frozen=True)
class Policy:
    """What a verdict takes from the policy of a key."""

    tenant: str | None = None
    owner: str | None = None
    external_id: str | None = None
    role: str | None = None
    metadata: str | None = None
    permissions: tuple[str, ...] | None = None
    limits: tuple[Limit, ...] | None = None


def read_policy(policy: bytes) -> Policy:
    """Reads a policy; what is left over or missing makes it none."""
    flags, *lengths, networks, permissions_len, limits_len, zero, _ = POLICY.unpack_from(policy)
    require_zero(flags & ~POLICY_FLAGS, zero)
    at = POLICY.size + networks * NETWORK_LEN

    def take(length: int) -> bytes:
        nonlocal at
        at += length
        if at > len(policy):
            raise no_verdict()
        return policy[at - length : at]

    def counted() -> str:
        return take(take(1)[0]).decode()

    _, tenant, owner, external_id, role, metadata = (take(length).decode() for length in lengths)
    end_of_permissions = at + permissions_len
    permissions = []
    while at < end_of_permissions:
        permissions.append(counted())
    require_zero(at - end_of_permissions)
    end = at + limits_len
    limits = []
    while at < end:
        limits.append(Limit(counted(), *LIMIT.unpack(take(LIMIT.size))))
    require_zero(at - end, at - len(policy))
    texts = (external_id or None, role or None, metadata or None)
    return Policy(tenant, owner, *texts, tuple(permissions), tuple(limits))


@dataclass(frozen=True)
class Facts:
    """What is known of a request beside the key, and what it needs."""

    now: int
    has_tenant: bool
    tenant: str
    address: str
    permissions: tuple[str, ...]
    require_fresh: bool
    min_epoch: int
    max_age: int | None

    def record(self) -> bytes:
        """The context record; nothing if there is only the time to say."""
        if self == Facts(self.now, False, "", "", (), False, 0, None):
            return b""
        tenant, address = utf8(self.tenant), utf8(self.address)
        # What cannot be an address is one that is not known.
        address = address if len(address) <= LONGEST_ADDRESS else b""
        permissions = [utf8(permission) for permission in self.permissions]
        if any(len(text) > 0xFFFF for text in (tenant, *permissions)):
            raise context_too_long()
        given = (self.has_tenant, address != b"", self.require_fresh, self.max_age is not None)
        flags = sum(1 << bit for bit, is_given in enumerate(given) if is_given)
        lengths = (len(address), len(tenant), len(permissions))
        head = CONTEXT.pack(flags, *lengths, self.now, self.min_epoch, self.max_age or 0)
        counted = (struct.pack("<H", len(permission)) + permission for permission in permissions)
        return b"".join((head, tenant, address, *counted))


def read_parsed(record: bytes, text: bytes) -> ParsedKey:
    """Reads what `claviger_parse_key` says of a text."""
    kind, prefix_len, version, flags, key_id, issued_at, expires_at = PARSED.unpack(record)
    has_version, has_claims, read_only, expires = (bool(flags & 1 << bit) for bit in range(4))
    if has_claims:
        # The version of an issuing secret is in the claims that it proves: their first eight bits.
        start = prefix_len + ID_LEN + 2
        version = id_number(text[start : start + ID_LEN].decode("ascii")) >> 56
    return ParsedKey(
        kind={**KINDS, **SECRET_KINDS}[kind],
        prefix=text[:prefix_len].decode("ascii"),
        key_id=id_text(key_id),
        version=version if has_version or has_claims else None,
        read_only=read_only if has_claims else None,
        issued_at=issued_at if has_claims else None,
        expires_at=expires_at if expires else None,
    )


def malformed(status: int) -> MalformedKey:
    """What a status among `MALFORMED` says."""
    part, problem = divmod(MALFORMED.index(status), 16)
    if part >= len(TEXT_PARTS) or problem >= len(PROBLEMS):
        raise no_verdict()
    return MalformedKey(TEXT_PARTS[part], f"the {TEXT_PARTS[part]} {PROBLEMS[problem]}")


def error_of(status: int, details: bytes) -> ClavigerError:
    """What a negative status says, with the first bytes of the output."""
    if status in KEYRING and KEYRING.index(status) in KEYRING_ERRORS:
        code, message = KEYRING_ERRORS[KEYRING.index(status)]
        return ClavigerError(code, message.format(*DETAILS.unpack(details)))
    if status in MALFORMED:
        return ClavigerError("invalid_secret", malformed(status).message)
    unknown = ("verifier_fault", f"the module returned the unknown status {status}")
    return ClavigerError(*STATUSES.get(status, unknown))


def id_text(number: int) -> str:
    """A public id: 64 bits in base62."""
    digits = ""
    for _ in range(ID_LEN):
        number, digit = divmod(number, 62)
        digits = DIGITS[digit] + digits
    return digits


def id_number(text: str) -> int:
    """The other way round."""
    digits = [DIGITS.find(character) for character in text]
    number = functools.reduce(lambda number, digit: number * 62 + digit, digits, 0)
    if len(digits) != ID_LEN or -1 in digits or number > MAX_U64:
        raise ClavigerError("invalid_options", "the text is not an id")
    return number


def utf8(text: str) -> bytes:
    """UTF-8; nothing for half a character, because nothing is no tenant and no permission."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return b""
