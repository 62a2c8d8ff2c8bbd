"""Evaluates nftables rules for every packet at once, and finds the conditions of translations.

Input: a `Ruleset`. Output: `Translations`.
Rule: conditions on destination address, destination port and transport protocol are followed through registers, sets,
maps and jumps; every other condition is taken to match, and so is the negation of a condition.
A register holds four bytes; the old register n is the four registers from 4 * (n - 1) on.
Source: linux/netfilter/nf_tables.h, https://wiki.nftables.org/wiki-nftables/index.php/Portal:DeveloperDocs/nftables_internals
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cloison.linux import xtables
from cloison.linux.nftables import NFT_SET_EVAL, Chain, Data, Element, Expression, Ruleset, Set
from cloison.linux.translation import (
    BITS,
    NFPROTO,
    VERSIONS,
    Conditions,
    Interval,
    Intervals,
    Target,
    Translation,
    Translations,
    every,
)

MAX_STEPS: Final = 50_000
"""Expressions to evaluate in one namespace; a larger set of rules counts as not understood."""
MAX_ELEMENTS: Final = 4096
"""Elements of a set to evaluate; a larger set matches every packet, and a larger map is not understood."""
FAMILY_VERSIONS: Final = {2: frozenset({4}), 10: frozenset({6})}
NF_INET_LOCAL_OUT: Final = 3
NFT_JUMP, NFT_GOTO = -3, -4
NFT_CMP_EQ, NFT_CMP_LT, NFT_CMP_LTE, NFT_CMP_GT, NFT_CMP_GTE = 0, 2, 3, 4, 5
NFT_LOOKUP_F_INV: Final = 1
NFT_NAT_DNAT: Final = 1
NFT_PAYLOAD_LL_HEADER, NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER, META = 0, 1, 2, -1
"""Bases of a payload; META stands for an expression `meta`, whose key counts as the offset."""
NFT_META_PROTOCOL, NFT_META_NFPROTO, NFT_META_L4PROTO = 1, 15, 16
ETHERTYPES: Final = {0x0800: 4, 0x86DD: 6}
MAX_LENGTH: Final = 16
"""Bytes that an unknown value may take."""
REGISTER_32: Final = 8
"""NFT_REG32_00, the first register by its new number."""
OTHER_EXPRESSIONS: Final = frozenset({
    "byteorder", "counter", "connlimit", "ct", "dynset", "exthdr", "fib", "flow_offload", "hash", "last", "limit",
    "log", "masq", "notrack", "numgen", "objref", "osf", "queue", "quota", "reject", "rt", "secmark", "socket",
    "synproxy", "tunnel", "xfrm",
})  # fmt: skip
"""Expressions that translate no destination; where they load a register, its content is unknown."""
DESTINATION_REGISTERS: Final = {"byteorder": 2, "ct": 1, "exthdr": 1, "fib": 1, "hash": 2, "numgen": 1, "osf": 1,
                                "rt": 1, "socket": 2, "tunnel": 2, "xfrm": 1}  # fmt: skip
"""The attribute with the register that an expression loads."""
TRANSLATING: Final = frozenset({"nat", "redir", "tproxy", "fwd", "dup", "target"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a register holds: `length` bytes at `offset` of a header, under a mask."""

    base: int
    offset: int
    length: int
    mask: bytes = b""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a header has a field: `version` is 0 for both versions of IP."""

    base: int
    version: int
    offset: int
    size: int
    name: str


PLACES: Final = (
    Place(META, 0, NFT_META_NFPROTO, 1, "nfproto"),
    Place(META, 0, NFT_META_PROTOCOL, 2, "ethertype"),
    Place(NFT_PAYLOAD_LL_HEADER, 0, 12, 2, "ethertype"),
    Place(META, 0, NFT_META_L4PROTO, 1, "protocol"),
    Place(NFT_PAYLOAD_NETWORK_HEADER, 4, 9, 1, "protocol"),
    Place(NFT_PAYLOAD_NETWORK_HEADER, 4, 16, 4, "address"),
    Place(NFT_PAYLOAD_NETWORK_HEADER, 6, 6, 1, "protocol"),
    Place(NFT_PAYLOAD_NETWORK_HEADER, 6, 24, 16, "address"),
    Place(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, 2, "port"),
)


@dataclass(frozen=True, slots=True)
class State:
    """The packets that may be at an expression, and what the registers hold; a register without a value is unknown."""

    conditions: Conditions
    registers: dict[int, bytes | Loaded] = field(default_factory=dict)

    def loaded(self, register: int, value: bytes | Loaded | None) -> State:
        """Return the state with a value in a register and in the following ones; None is an unknown value."""
        at = _index(register)
        length = MAX_LENGTH if value is None else value.length if isinstance(value, Loaded) else len(value)
        held = {n: kept for n, kept in self.registers.items() if not at <= n < at + (length + 3) // 4}
        if isinstance(value, Loaded):
            held[at] = value
        elif value is not None:
            held |= {at + number // 4: value[number : number + 4] for number in range(0, len(value), 4)}
        return State(self.conditions, held)

    def constant(self, register: int, length: int) -> bytes | None:
        """Return so many bytes of a register and the following ones, None where they are not constant."""
        at = _index(register)
        words = [self.registers.get(at + number) for number in range((length + 3) // 4)]
        found = b"".join(word for word in words if isinstance(word, bytes))
        return found[:length] if len(found) >= length and all(isinstance(word, bytes) for word in words) else None


def _index(register: int) -> int:
    return register - REGISTER_32 if register >= REGISTER_32 else 4 * (register - 1)


def translations(ruleset: Ruleset) -> Translations:
    """Return the translations of a namespace's rules. Raises OSError when a set cannot be read."""
    evaluator = Evaluator(ruleset)
    for chain in ruleset.chains:
        if chain.hook is not None and evaluator.may_translate(chain):
            evaluator.evaluate(chain)
    return evaluator.result


class Evaluator:
    """Evaluates the chains of a ruleset; `result` grows with every chain."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.result = Translations()
        self._ruleset = ruleset
        self._chains = {(chain.family, chain.table, chain.name): chain for chain in ruleset.chains}
        self._sets: dict[tuple[int, str, str], Set] = {}
        self._steps = 0
        self._is_output = False
        self._tables = {(c.family, c.table) for c in ruleset.chains if any(map(_translates, _expressions(c)))}

    def may_translate(self, chain: Chain) -> bool:
        """Whether the table of a chain has an expression that may translate."""
        return (chain.family, chain.table) in self._tables

    def evaluate(self, chain: Chain) -> None:
        """Evaluate a base chain."""
        conditions = Conditions(FAMILY_VERSIONS.get(chain.family, VERSIONS))
        self._steps, self._is_output = 0, chain.hook == NF_INET_LOCAL_OUT
        try:
            self._chain(chain, conditions)
        except xtables.NotUnderstood as error:
            self._not_understood(chain, str(error))

    def _chain(self, chain: Chain, conditions: Conditions) -> None:
        for rule in chain.rules:
            states = [State(conditions)]
            for expression in rule:
                states = [after for state in states for after in self._step(chain, expression, state)]
                self._steps += len(states)
                if self._steps > MAX_STEPS:
                    raise xtables.NotUnderstood(f"more than {MAX_STEPS} conditions")

    def _step(self, chain: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Yield the states after an expression; none if no packet passes it."""
        reader = READERS.get(expression.name)
        if reader:
            yield from reader(self, chain, expression, state)
        elif expression.name in DESTINATION_REGISTERS:
            register = expression.number(DESTINATION_REGISTERS[expression.name])
            yield state.loaded(register, None) if register else state
        else:
            if expression.name not in OTHER_EXPRESSIONS:
                self._not_understood(chain, f"the expression {expression.name}")
            yield state

    def _not_understood(self, chain: Chain, what: str) -> None:
        sentence = f"the chain {chain.sentence} has {what}, which may redirect packets and is not understood"
        if sentence not in self.result.not_understood:
            self.result.not_understood.append(sentence)

    def immediate(self, chain: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Load a constant, or follow a jump."""
        register, data = expression.number(1), expression.data(2)
        yield from self._stored(chain, register, data, state)

    def _stored(self, chain: Chain, register: int, data: Data, state: State) -> Iterator[State]:
        if data.verdict in (NFT_JUMP, NFT_GOTO):
            target = self._chains.get((chain.family, chain.table, data.chain))
            if target is None:  # the rules changed between two dumps
                raise xtables.NotUnderstood(f"a jump to the chain {data.chain}, which is gone")
            self._chain(target, state.conditions)
        yield state if data.verdict is not None else state.loaded(register, data.value)

    def meta(self, _: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Load metadata of the packet; one that is written is no condition."""
        register, key = expression.number(1), expression.number(2)
        length = next((place.size for place in PLACES if (place.base, place.offset) == (META, key)), 0)
        yield state.loaded(register, Loaded(META, key, length) if length else None) if register else state

    def payload(self, chain: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Load bytes of a header; a rule that writes a destination is not understood."""
        at = Loaded(expression.number(2), expression.number(3), expression.number(4))
        if expression.number(1):
            yield state.loaded(expression.number(1), at)
            return
        if at.base == NFT_PAYLOAD_LL_HEADER or any(
            overlap(place, at) for place in PLACES if place.base == at.base and place.name != "protocol"
        ):
            self._not_understood(chain, "a rule that writes into the packet's destination")
        yield state

    def bitwise(self, _: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Put a mask on a register."""
        held = state.registers.get(_index(expression.number(1)))
        mask, xor = expression.data(4).value, expression.data(5).value
        is_mask = isinstance(held, Loaded) and mask and not expression.number(6) and not any(xor)
        masked = Loaded(held.base, held.offset, held.length, mask) if is_mask and isinstance(held, Loaded) else None
        yield state.loaded(expression.number(2), masked)

    def compare(self, _: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Narrow the conditions to a constant."""
        bounds = _bounds(expression.number(2), expression.data(3).value)
        yield from self._narrowed(state, expression.number(1), [bounds] if bounds else [])

    def range_(self, _: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Narrow the conditions to an interval."""
        bounds = Element(expression.data(3).value, expression.data(4).value)
        elements = [bounds] if expression.number(2) == NFT_CMP_EQ else []
        yield from self._narrowed(state, expression.number(1), elements)

    def lookup(self, chain: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Narrow the conditions to the elements of a set, or follow each element of a map."""
        held = self._set(chain, expression.text(1))
        register, is_map = expression.number(2), 3 in expression.attributes  # noqa: PLR2004  # NFTA_LOOKUP_DREG
        is_large = len(held.elements) > MAX_ELEMENTS
        if not is_map:
            is_open = is_large or held.flags & NFT_SET_EVAL or expression.number(5) & NFT_LOOKUP_F_INV
            yield from [state] if is_open else self._of_set(state, register, held.elements)
            return
        if is_large:
            self._not_understood(chain, f"the map {expression.text(1)} with {len(held.elements)} elements")
            return
        for element in held.elements:
            for narrowed in self._narrowed(state, register, [element] if element.low else []):
                yield from self._stored(chain, expression.number(3), element.data, narrowed)

    def _set(self, chain: Chain, name: str) -> Set:
        key = chain.family, chain.table, name
        if key not in self._sets:
            self._sets[key] = self._ruleset.set_of(*key)
        return self._sets[key]

    def _of_set(self, state: State, register: int, elements: Iterable[Element]) -> Iterator[State]:
        held = [*elements]
        if held:
            yield from self._narrowed(state, register, [] if any(not e.low for e in held) else held)

    def _narrowed(self, state: State, register: int, elements: list[Element]) -> Iterator[State]:
        """Yield the state whose packets have one of the values in a register; without values, the state itself."""
        at, conditions = _index(register), state.conditions
        length = len(elements[0].low) if elements else 0
        for number in range(0, length, 4):
            held = state.registers.get(at + number // 4)
            if isinstance(held, Loaded):
                parts = [
                    (e.low[number : number + held.length], e.high[number : number + held.length]) for e in elements
                ]
                after = restricted(conditions, held, parts)
                if after is None:
                    return
                conditions = after
        yield State(conditions, state.registers)

    def nat(self, chain: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Record a translation of the destination; a translation of the source is none."""
        if expression.number(1) == NFT_NAT_DNAT:
            versions = [NFPROTO[family]] if (family := expression.number(2)) in NFPROTO else VERSIONS
            conditions = state.conditions.with_versions(versions)
            bits = BITS[min(versions)]
            addresses = _interval(state, expression, (3, 4), bits) if 3 in expression.attributes else None  # noqa: PLR2004
            ports = _interval(state, expression, (5, 6), 16) if 5 in expression.attributes else None  # noqa: PLR2004
            self._record(chain, conditions, Target(addresses, ports))
        yield state

    def redirect(self, chain: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Record a redirect to the namespace itself."""
        ports = _interval(state, expression, (1, 2), 16) if 1 in expression.attributes else None
        self._record(chain, state.conditions, Target(None, ports, is_local=True))
        yield state

    def tproxy(self, chain: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Record a redirect to a socket of the namespace."""
        ports = _interval(state, expression, (3, 3), 16) if 3 in expression.attributes else None  # noqa: PLR2004
        self._record(chain, state.conditions, Target(None, ports, is_local=True))
        yield state

    def _record(self, chain: Chain, conditions: Conditions | None, target: Target) -> None:
        if conditions:
            self.result.found.append(Translation(conditions, target, chain.sentence, is_output=self._is_output))

    def match(self, _: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Narrow the conditions to those of a match of iptables-nft."""
        name, revision = expression.text(1), expression.number(2)
        conditions = xtables.narrowed(state.conditions, name, revision, expression.attributes[3])
        if conditions:
            yield State(conditions, state.registers)

    def target(self, chain: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Record the translation of a target of iptables-nft."""
        version = min(state.conditions.versions)
        try:
            info = expression.attributes.get(3, b"")
            found = xtables.target(expression.text(1), expression.number(2), info, version)
        except xtables.NotUnderstood as error:
            self._not_understood(chain, str(error))
        else:
            if found:
                self._record(chain, state.conditions, found)
        yield state

    def forward(self, chain: Chain, expression: Expression, state: State) -> Iterator[State]:
        """Report an expression that sends packets to an interface, past the rules of the host."""
        self._not_understood(chain, f"the expression {expression.name}")
        yield state


READERS: Final = {
    "immediate": Evaluator.immediate,
    "meta": Evaluator.meta,
    "payload": Evaluator.payload,
    "bitwise": Evaluator.bitwise,
    "cmp": Evaluator.compare,
    "range": Evaluator.range_,
    "lookup": Evaluator.lookup,
    "nat": Evaluator.nat,
    "redir": Evaluator.redirect,
    "tproxy": Evaluator.tproxy,
    "match": Evaluator.match,
    "target": Evaluator.target,
    "fwd": Evaluator.forward,
    "dup": Evaluator.forward,
}


def _bounds(operator: int, value: bytes) -> Element | None:
    """Return the values that a comparison with a constant leaves, None where it leaves no interval."""
    low, high = b"\0" * len(value), b"\xff" * len(value)
    if operator in (NFT_CMP_LT, NFT_CMP_LTE):  # taken to include the constant
        return Element(low, value)
    if operator in (NFT_CMP_GT, NFT_CMP_GTE):
        return Element(value, high)
    return Element(value, value) if operator == NFT_CMP_EQ else None


def _expressions(chain: Chain) -> Iterator[Expression]:
    return (expression for rule in chain.rules for expression in rule)


def _translates(expression: Expression) -> bool:
    """Whether an expression may translate a destination; one that is not known may."""
    if expression.name == "payload":
        return not expression.number(1)
    known = expression.name in READERS or expression.name in OTHER_EXPRESSIONS
    return expression.name in TRANSLATING or not known


def _interval(state: State, expression: Expression, kinds: tuple[int, int], bits: int) -> Interval:
    """Return the numbers in two registers, the first and the last one; every number where they are not constant."""
    low = state.constant(expression.number(kinds[0]), bits // 8)
    high = state.constant(expression.number(kinds[1]) or expression.number(kinds[0]), bits // 8)
    if low is None or high is None:
        return every(bits)[0]
    return int.from_bytes(low, "big"), int.from_bytes(high, "big")


def overlap(place: Place, held: Loaded) -> tuple[int, int] | None:
    """Return the first byte and the byte behind the last of a field in a register, None if it has no first byte."""
    if held.base != place.base or not held.offset <= place.offset < held.offset + held.length:
        return None
    return place.offset - held.offset, min(place.offset + place.size, held.offset + held.length) - held.offset


def restricted(conditions: Conditions, held: Loaded, parts: list[tuple[bytes, bytes]]) -> Conditions | None:
    """Return the conditions of packets with one of the values in a register, None if there is none."""
    result: Conditions | None = conditions
    for place in PLACES:
        part = overlap(place, held)
        if result is None or part is None or (place.version and result.versions != {place.version}):
            continue
        found = [_field(place, held, part, low, high) for low, high in parts]
        intervals = tuple(interval for interval in found if interval)
        if len(intervals) == len(parts):
            result = _applied(result, place.name, intervals)
    return result


def _field(place: Place, held: Loaded, part: tuple[int, int], low: bytes, high: bytes) -> Interval | None:
    """Return the values of a field, None where they are no interval."""
    start, end = part
    if low != high and (start, end) != (0, held.length):
        return None
    mask = int.from_bytes((held.mask or b"\xff" * held.length)[start:end].ljust(place.size, b"\0"), "big")
    rest = (1 << 8 * place.size) - 1 - mask
    if rest & (rest + 1) or (held.mask and low != high):
        return None  # the mask is no prefix
    first = int.from_bytes(low[start:end].ljust(place.size, b"\0"), "big")
    last = int.from_bytes(high[start:end].ljust(place.size, b"\0"), "big") | rest
    return first, last


def _applied(conditions: Conditions, name: str, intervals: Intervals) -> Conditions | None:
    if name in ("nfproto", "ethertype"):
        numbers = NFPROTO if name == "nfproto" else ETHERTYPES
        return conditions.with_versions(
            [version for number, version in numbers.items() if any(low <= number <= high for low, high in intervals)]
        )
    narrow = {
        "protocol": conditions.with_protocols,
        "address": conditions.with_addresses,
        "port": conditions.with_ports,
    }
    return narrow[name](intervals)
