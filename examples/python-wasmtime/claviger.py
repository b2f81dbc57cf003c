"""Verifies API keys offline, in the WebAssembly module of Claviger. Whatever is in doubt is denied."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal

import wasmtime
from instance import Instance
from records import HARMLESS_CODES, MAX_U64, Facts, id_number
from verdict import (
    ClavigerError,
    Denied,
    Limit,
    MalformedKey,
    NeededPart,
    ParsedKey,
    Verdict,
    Verified,
)

__all__ = [
    "ClavigerError",
    "Denied",
    "IssuingSecret",
    "Limit",
    "MalformedKey",
    "Module",
    "NeededPart",
    "ParsedKey",
    "Verdict",
    "Verified",
    "Verifier",
    "parse_key",
]

EMBEDDED_MODULE = Path(__file__).resolve().parents[2] / "crates/host/module/claviger.wasm"

log = logging.getLogger("claviger")


class LeftOut(Enum):
    """Tells what was left out from a None that a program failed to look up."""

    LEFT_OUT = 0


class Module:
    """A compiled module, for any number of verifiers."""

    def __init__(self, wasm: bytes) -> None:
        config = wasmtime.Config()
        config.consume_fuel = True
        self._engine = wasmtime.Engine(config)
        try:
            self._module = wasmtime.Module(self._engine, wasm)
        except wasmtime.WasmtimeError as error:
            raise ClavigerError("invalid_module", "the bytes are no WebAssembly module") from error
        if self._module.imports:
            raise ClavigerError("invalid_module", "the module must have no imports")
        self.instantiate()

    @staticmethod
    @functools.cache
    def embedded() -> Module:
        """The module of this repository."""
        return Module(EMBEDDED_MODULE.read_bytes())

    def instantiate(self) -> Instance:
        """A new instance, whose ABI is one that this host speaks."""
        return Instance(self._engine, self._module)


@dataclass(frozen=True)
class IssuingSecret:
    """An issuing secret (`cvgis_…`) for the signed keys of one prefix."""

    prefix: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Secrets:
    """What a verifier without a keyring trusts."""

    issuing: tuple[IssuingSecret, ...] = field(repr=False)
    allow_keys_without_lifetime: bool

    def configure(self, instance: Instance) -> None:
        """Tells an instance."""
        instance.configure("begin", numbers=(int(self.allow_keys_without_lifetime),))
        for issuing in self.issuing:
            instance.configure("add_issuing_secret", issuing.prefix, issuing.secret)
        instance.configure("commit")


@dataclass(frozen=True)
class KeyringKeys:
    """What a verifier with a keyring trusts, and demands of every request."""

    keys: tuple[str, ...] = field(repr=False)
    keyring_id: int | None
    require_fresh: bool
    min_epoch: int
    max_age: int | None

    def configure(self, instance: Instance) -> None:
        """Tells an instance."""
        instance.configure("begin", numbers=(0,))
        for key in self.keys:
            instance.configure("add_keyring_key", key)
        if self.keyring_id is not None:
            instance.configure("keyring_id", numbers=(self.keyring_id,))
        flags = int(self.require_fresh) | int(self.max_age is not None) << 1
        instance.configure("require", numbers=(flags, self.min_epoch, self.max_age or 0))
        instance.configure("commit")


class Verifier:
    """Verifies keys in one instance of the module. Threads may share it: they take turns."""

    def __init__(self, trust: Secrets | KeyringKeys, module: Module | None) -> None:
        self._module = module or Module.embedded()
        self._trust: Secrets | KeyringKeys | None = trust
        self._keyring: tuple[bytes, int] | None = None
        # wasmtime gives up Python's own lock while it runs, and an instance is for one thread.
        self._lock = threading.Lock()
        self._instance: Instance | None = self._make()

    @classmethod
    def with_issuing_secrets(
        cls,
        issuing_secrets: Iterable[IssuingSecret],
        *,
        allow_keys_without_lifetime: bool = False,
        module: Module | None = None,
    ) -> Verifier:
        """A verifier without a keyring: it proves signed keys, and knows of no revocations."""
        return cls(Secrets(tuple(issuing_secrets), allow_keys_without_lifetime), module)

    @classmethod
    def with_keyring_keys(
        cls,
        keyring_keys: Iterable[str],
        *,
        keyring_id: str | None = None,
        require_fresh: bool = False,
        min_epoch: int = 0,
        max_age: int | None = None,
        module: Module | None = None,
    ) -> Verifier:
        """A verifier that takes keyrings made with one of these keys; until then it denies.

        The last four are demanded of the keyring and of what is known at every request.
        """
        keys = texts("keyring_keys", keyring_keys)
        pinned = None if keyring_id is None else id_number(keyring_id)
        required = (require_fresh, u64("min_epoch", min_epoch), optional_u64("max_age", max_age))
        return cls(KeyringKeys(keys, pinned, *required), module)

    def replace_keyring(
        self, keyring: bytes, now: int | None = None
    ) -> Literal["replaced", "unchanged"]:
        """Puts a bundle, or a root alone, in the place of the present keyring.

        Raises `ClavigerError` if it is refused; the present one then stays.
        """
        keyring, now = octets("keyring", keyring), clock(now)
        with self._lend() as instance:
            replaced, is_bundle = instance.replace_keyring(keyring, now)
            # From a bundle of the present keyring parts are read from now on.
            if replaced or is_bundle:
                self._keyring = (keyring, now)
        return "replaced" if replaced else "unchanged"

    def insert_part(self, part: NeededPart, content: bytes) -> None:
        """Inserts what a denial needed, where the keyring is a root alone."""
        content = octets("content", content)
        with self._lend() as instance:
            instance.insert_part(part, content)

    def verify_key(
        self,
        presented: str | bytes | None,
        now: int | None = None,
        *,
        tenant: str | LeftOut = LeftOut.LEFT_OUT,
        address: str | None = None,
        permissions: Iterable[str] = (),
        require_fresh: bool = False,
        min_epoch: int = 0,
        max_age: int | None = None,
    ) -> Verdict:
        """What the module says about a presented key; None is no key at all.

        If it says nothing, the key is denied as `verifier_fault`. Raises `TypeError` or
        `ValueError` for arguments of another type or range, whatever the key.
        """
        required = (require_fresh, u64("min_epoch", min_epoch), optional_u64("max_age", max_age))
        has_tenant = not isinstance(tenant, LeftOut)
        facts = Facts(
            clock(now),
            has_tenant,
            text("tenant", tenant) if not isinstance(tenant, LeftOut) else "",
            "" if address is None else text("address", address),
            texts("permissions", permissions),
            *required,
        )
        if isinstance(presented, str):
            # Half a character becomes what is no UTF-8, and so no key.
            presented = presented.encode("utf-8", "surrogatepass")
        key = b"" if presented is None else octets("presented", presented)
        try:
            with self._lend() as instance:
                return instance.verify_key(key, facts, self._keyring[0] if self._keyring else b"")
        except Exception as error:
            cause = type(error.__cause__ or error).__name__
            log.error("a key was denied because there is no verdict: %s (%s)", error, cause)
            return Denied("verifier_fault")

    def close(self) -> None:
        """Wipes what the instance holds. From then on every key is denied."""
        with self._lock:
            self._discard()
            self._trust, self._keyring = None, None

    def __enter__(self) -> Verifier:
        """A verifier that is closed at the end of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    @contextmanager
    def _lend(self) -> Iterator[Instance]:
        """Lends the instance; throws it away after an error that may have harmed it."""
        with self._lock:
            try:
                if self._instance is None:
                    self._instance = self._make()
                yield self._instance
            except BaseException as error:
                if not isinstance(error, ClavigerError) or error.code not in HARMLESS_CODES:
                    self._discard()
                raise

    def _make(self) -> Instance:
        if self._trust is None:
            raise ClavigerError("disposed", "the verifier is closed")
        instance = self._module.instantiate()
        try:
            self._trust.configure(instance)
            if self._keyring is not None:
                instance.replace_keyring(*self._keyring)
        except BaseException:
            instance.wipe_memory()
            raise
        return instance

    def _discard(self) -> None:
        instance, self._instance = self._instance, None
        if instance is not None:
            instance.wipe_memory()


def parse_key(key: str, module: Module | None = None) -> ParsedKey | MalformedKey:
    """What a key or secret of Claviger says of itself, which proves nothing."""
    instance = (module or Module.embedded()).instantiate()
    try:
        return instance.parse_key(text("key", key).encode("utf-8", "replace"))
    finally:
        instance.wipe_memory()


def clock(now: int | None) -> int:
    """Unix seconds; by default those of the system."""
    return int(time.time()) if now is None else u64("now", now)


def u64(name: str, number: int) -> int:
    """A number that the module can take; wasmtime would cut off the rest of another."""
    if not isinstance(number, int):
        raise TypeError(f"{name} must be an integer")
    if not 0 <= number <= MAX_U64:
        raise ValueError(f"{name} must be from 0 to {MAX_U64}")
    return number


def optional_u64(name: str, number: int | None) -> int | None:
    """The same, or nothing."""
    return None if number is None else u64(name, number)


def text(name: str, value: str) -> str:
    """A text, and not what a program failed to look up."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string")
    return value


def texts(name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Several texts; a single one would be taken for its characters."""
    if isinstance(values, str):
        raise TypeError(f"{name} must be several strings")
    return tuple(text(name, value) for value in values)


def octets(name: str, content: bytes) -> bytes:
    """Bytes that nobody changes."""
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise TypeError(f"{name} must be bytes")
    return bytes(content)
