"""One instance of the module: the host's side of the ABI in `crates/wasm-module/ABI.md`."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import wasmtime
from records import (
    KEYRING_CODES,
    KEYRING_ERRORS,
    MALFORMED,
    PARSED,
    VERDICT,
    Facts,
    Record,
    context_too_long,
    error_of,
    malformed,
    no_verdict,
    read_parsed,
)
from verdict import ClavigerError, Denied, MalformedKey, NeededPart, ParsedKey, Verdict

ABI_VERSION = 4
BUNDLE_PREAMBLE_LEN = 24
PART_CAPACITY = 64 << 20
# What one call may do before it is stopped, and one instance may hold: far above what a keyring needs.
FUEL = 1_000_000_000
MEMORY_LIMIT = 512 << 20
# More parts than one verdict can need, and more bytes than any key has.
MOST_PARTS = 8
ROOM_FOR_KEY = 1024


class Instance:
    """An instance. After an error that is not among `HARMLESS_CODES` it must not be used again."""

    def __init__(self, engine: wasmtime.Engine, module: wasmtime.Module) -> None:
        self._store = wasmtime.Store(engine)
        limits = {"instances": 1, "memories": 1, "tables": 1, "table_elements": 1024}
        self._store.set_limits(memory_size=MEMORY_LIMIT, **limits)
        try:
            instance = wasmtime.Instance(self._store, module, [])
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise ClavigerError("verifier_fault", "an instance could not be made") from error
        self._exports = instance.exports(self._store)
        memory = self._exports.get("memory")
        if not isinstance(memory, wasmtime.Memory):
            raise ClavigerError("invalid_module", "the module has no memory")
        self._memory = memory
        version = self._call("abi_version")
        if version != ABI_VERSION:
            raise ClavigerError(
                "invalid_module", f"the ABI has version {version}, not {ABI_VERSION}"
            )
        self._input = self._call("input")
        self._input_capacity = self._call("input_capacity")
        self._output = self._call("output")

    def configure(self, name: str, *texts: str, numbers: tuple[int, ...] = ()) -> None:
        """Calls `claviger_verifier_<name>` with texts in the input, which the module wipes."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        self._write(*encoded)
        self._do(f"verifier_{name}", *(len(text) for text in encoded), *numbers)

    def replace_keyring(self, keyring: bytes, now: int) -> tuple[bool, bool]:
        """Whether it took the place of the present one, and whether it is a bundle."""
        head, bundle_len = keyring, 0
        self._write(keyring[:BUNDLE_PREAMBLE_LEN])
        try:
            head = keyring[: self._do("bundle_head_len", len(keyring))]
            bundle_len = len(keyring)
        except ClavigerError as error:
            # The module tells a root from anything else when it opens it.
            if error.code != "not_a_keyring":
                raise
        status = self._do("keyring_replace", self._write_part(head), bundle_len, now)
        return status == 0, bundle_len != 0

    def insert_part(self, part: NeededPart, content: bytes) -> None:
        """Gives the module a part, which it checks."""
        kind = 1 if part.part == "chunk" else 2
        self._do("keyring_insert", kind, part.index, self._write_part(content))

    def verify_key(self, presented: bytes, facts: Facts, bundle: bytes) -> Verdict:
        """The verdict, after it got the parts of the bundle that it needs; then wipes the key."""
        verdict = self._ask(presented, facts)
        for _ in range(MOST_PARTS):
            if not isinstance(verdict, Denied) or verdict.needed is None:
                break
            needed = verdict.needed
            if needed.in_bundle is None:
                break
            offset, length = needed.in_bundle
            try:
                self.insert_part(needed, bundle[offset : offset + length])
            except ClavigerError as error:
                if error.code not in KEYRING_CODES:
                    raise
                verdict = replace(verdict, code="keyring_invalid", needed=None)
                break
            verdict = self._ask(presented, facts)
        self._do("wipe")
        return verdict

    def parse_key(self, text: bytes) -> ParsedKey | MalformedKey:
        """Reads a text of any format; what is longer than the input is too long in its beginning."""
        text = text[: self._input_capacity]
        self._write(text)
        status = signed(self._call("parse_key", len(text)))
        if status in MALFORMED:
            return malformed(status)
        if status != PARSED.size:
            raise self._error(status)
        return read_parsed(self._read(self._output, PARSED.size), text)

    def wipe_memory(self) -> None:
        """Overwrites all that the instance holds, which is of no use then."""
        ctypes.memset(self._memory.data_ptr(self._store), 0, self._memory.data_len(self._store))

    def _ask(self, presented: bytes, facts: Facts) -> Verdict:
        context = facts.record()
        if len(context) > self._input_capacity - ROOM_FOR_KEY:
            raise context_too_long()
        if len(presented) + len(context) > self._input_capacity:
            # It is denied by its length, so there is nothing to copy.
            code = self._call("verify_key", 0xFFFF_FFFF, facts.now)
        elif context:
            self._write(presented, context)
            code = self._call("verify_key_in_context", len(presented), len(context))
        else:
            self._write(presented)
            code = self._call("verify_key", len(presented), facts.now)
        return self._verdict(code)

    def _verdict(self, code: int) -> Verdict:
        record = Record(*VERDICT.unpack(self._read(self._output, VERDICT.size)))
        # The returned code and the record say the same, or neither is believed.
        if record.code != code:
            raise no_verdict()
        policy = None
        if record.policy_len:
            address = int.from_bytes(self._read(self._output + VERDICT.size, 4), "little")
            policy = self._read(address, record.policy_len)
        return record.verdict(policy)

    def _call(self, name: str, *arguments: int) -> int:
        """Calls `claviger_<name>`; the result is read as unsigned."""
        function = self._exports.get(f"claviger_{name}")
        if not isinstance(function, wasmtime.Func):
            raise ClavigerError("invalid_module", f"the module has no function claviger_{name}")
        try:
            self._store.set_fuel(FUEL)
            result = function(self._store, *arguments)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise ClavigerError("verifier_fault", "the module trapped or was stopped") from error
        if not isinstance(result, int):
            raise no_verdict()
        return result & 0xFFFF_FFFF

    def _do(self, name: str, *arguments: int) -> int:
        """Calls a function that returns a status; raises what a negative one means."""
        status = signed(self._call(name, *arguments))
        if status < 0:
            raise self._error(status)
        return status

    def _error(self, status: int) -> ClavigerError:
        return error_of(status, self._read(self._output, 16))

    def _write(self, *texts: bytes) -> None:
        """Writes into the input buffer, one text behind the other."""
        joined = b"".join(texts)
        if len(joined) > self._input_capacity:
            raise ClavigerError("invalid_options", "a text is longer than any can be")
        self._memory.write(self._store, joined, self._input)

    def _write_part(self, content: bytes) -> int:
        """Writes into the part buffer, and returns the length."""
        if len(content) > PART_CAPACITY:
            raise ClavigerError(*KEYRING_ERRORS[4])
        address = self._call("part_buffer", len(content))
        if address == 0:
            raise ClavigerError("no_memory", "an instance has no memory left for the keyring")
        self._memory.write(self._store, content, address)
        return len(content)

    def _read(self, address: int, length: int) -> bytes:
        content = bytes(self._memory.read(self._store, address, address + length))
        if len(content) != length:
            raise no_verdict()
        return content


def signed(number: int) -> int:
    """A status of a result that was read as unsigned."""
    return number - (1 << 32) if number >> 31 else number
