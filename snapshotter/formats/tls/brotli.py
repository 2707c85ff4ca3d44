"""
Decompress a Brotli stream (RFC 7932), the compression of server certificates (RFC 8879).

This decoder is our own code, so that a verifier needs no library for it: the check of a server's
signature must give the same result on every machine, also in twenty years. It is made for short
streams from untrusted servers: the size of the output is limited, and so is the work, because a
stream of a few bits can ask for long tables again and again. It is far too slow for bodies;
`formats/http/content_coding.py` decodes those with a library.

The static dictionary (appendix A of the RFC) is in the same folder, as the RFC prints it.
"""

from functools import cache
from pathlib import Path

from snapshotter.value_class import dataclass

_DICTIONARY = Path(__file__).with_name("brotli_dictionary.bin")
# For each length of a word: the logarithm of how many there are, and where they begin.
_WORD_BITS = (0, 0, 0, 0, 10, 10, 11, 11, 10, 10, 10, 10, 10, 9, 9, 8, 7, 7, 8, 7, 7, 6, 6, 5, 5)
_WORDS_AT = tuple(
    sum(length << bits for length, bits in enumerate(_WORD_BITS[:end]) if bits)
    for end in range(len(_WORD_BITS))
)

# (base, extra bits) of each code; sections 5 and 6.
_INSERT = (
    *((base, 0) for base in range(6)),
    *((6, 1), (8, 1), (10, 2), (14, 2), (18, 3), (26, 3), (34, 4), (50, 4), (66, 5), (98, 5)),
    *((130, 6), (194, 7), (322, 8), (578, 9), (1090, 10), (2114, 12), (6210, 14), (22594, 24)),
)
_COPY = (
    *((base, 0) for base in range(2, 10)),
    *((10, 1), (12, 1), (14, 2), (18, 2), (22, 3), (30, 3), (38, 4), (54, 4), (70, 5), (102, 5)),
    *((134, 6), (198, 7), (326, 8), (582, 9), (1094, 10), (2118, 24)),
)
_BLOCK = (
    *((1, 2), (5, 2), (9, 2), (13, 2), (17, 3), (25, 3), (33, 3), (41, 3), (49, 4), (65, 4)),
    *((81, 4), (97, 4), (113, 5), (145, 5), (177, 5), (209, 5), (241, 6), (305, 6), (369, 7)),
    *((497, 8), (753, 9), (1265, 10), (2289, 11), (4337, 12), (8433, 13), (16625, 24)),
)
# First insert and copy code of each cell of 64 insert-and-copy symbols; section 5.
_CELLS = (
    *((0, 0), (0, 8), (0, 0), (0, 8), (8, 0), (8, 8), (0, 16), (16, 0), (8, 16), (16, 8), (16, 16)),
)
_IMPLICIT = 128  # symbols below it take the last distance
_NO_SWITCH = 1 << 24

_LENGTH_ORDER = (1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15)
# By the next four bits: the length of a code length's code, and how many of them it takes.
_LENGTH_CODE = (
    *((0, 2), (4, 2), (3, 2), (2, 3), (0, 2), (4, 2), (3, 2), (1, 4)),
    *((0, 2), (4, 2), (3, 2), (2, 3), (0, 2), (4, 2), (3, 2), (5, 4)),
)
_MAX_CODE = 15  # bits
_BLOCK_STEPS = 100  # what a meta-block takes by itself

# Distance codes 1 to 15 by the last distances: which one, and what is added; section 4.
_SHORT = (
    *((0, 0), (1, 0), (2, 0), (3, 0), (0, -1), (0, 1), (0, -2), (0, 2), (0, -3), (0, 3)),
    *((1, -1), (1, 1), (1, -2), (1, 2), (1, -3), (1, 3)),
)

# Section 7.1.
_UTF8_1 = bytes(
    (
        *(0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 0, 0, 4, 0, 0, *[0] * 16),
        *(8, 12, 16, 12, 12, 20, 12, 16, 24, 28, 12, 12, 32, 12, 36, 12),
        *(44, 44, 44, 44, 44, 44, 44, 44, 44, 44, 32, 32, 24, 40, 28, 12),
        *(12, 48, 52, 52, 52, 48, 52, 52, 52, 48, 52, 52, 52, 52, 52, 48),
        *(52, 52, 52, 52, 52, 48, 52, 52, 52, 52, 52, 24, 12, 28, 12, 12),
        *(12, 56, 60, 60, 60, 56, 60, 60, 60, 56, 60, 60, 60, 60, 60, 56),
        *(60, 60, 60, 60, 60, 56, 60, 60, 60, 60, 60, 24, 12, 28, 12, 0),
        *([0, 1] * 32),
        *([2, 3] * 32),
    )
)
_UTF8_2 = bytes(
    (
        *([0] * 33 + [1] * 15 + [2] * 10 + [1] * 7 + [2] * 26 + [1] * 6 + [3] * 26 + [1] * 4),
        *([0] * 97 + [2] * 32),
    )
)
_SIGNED = bytes((0, *[1] * 15, *[2] * 48, *[3] * 64, *[4] * 64, *[5] * 48, *[6] * 15, 7))

# Appendix B: what stands before the word, what is done to it, and what stands behind it. "=":
# nothing; "u", "U": its first character or all of them in upper case; "+n", "-n": it loses its
# first or last n bytes.
_TRANSFORMS: tuple[tuple[bytes, str, bytes], ...] = (
    (b"", "=", b""),
    (b"", "=", b" "),
    (b" ", "=", b" "),
    (b"", "+1", b""),
    (b"", "u", b" "),
    (b"", "=", b" the "),
    (b" ", "=", b""),
    (b"s ", "=", b" "),
    (b"", "=", b" of "),
    (b"", "u", b""),
    (b"", "=", b" and "),
    (b"", "+2", b""),
    (b"", "-1", b""),
    (b", ", "=", b" "),
    (b"", "=", b", "),
    (b" ", "u", b" "),
    (b"", "=", b" in "),
    (b"", "=", b" to "),
    (b"e ", "=", b" "),
    (b"", "=", b'"'),
    (b"", "=", b"."),
    (b"", "=", b'">'),
    (b"", "=", b"\n"),
    (b"", "-3", b""),
    (b"", "=", b"]"),
    (b"", "=", b" for "),
    (b"", "+3", b""),
    (b"", "-2", b""),
    (b"", "=", b" a "),
    (b"", "=", b" that "),
    (b" ", "u", b""),
    (b"", "=", b". "),
    (b".", "=", b""),
    (b" ", "=", b", "),
    (b"", "+4", b""),
    (b"", "=", b" with "),
    (b"", "=", b"'"),
    (b"", "=", b" from "),
    (b"", "=", b" by "),
    (b"", "+5", b""),
    (b"", "+6", b""),
    (b" the ", "=", b""),
    (b"", "-4", b""),
    (b"", "=", b". The "),
    (b"", "U", b""),
    (b"", "=", b" on "),
    (b"", "=", b" as "),
    (b"", "=", b" is "),
    (b"", "-7", b""),
    (b"", "-1", b"ing "),
    (b"", "=", b"\n\t"),
    (b"", "=", b":"),
    (b" ", "=", b". "),
    (b"", "=", b"ed "),
    (b"", "+9", b""),
    (b"", "+7", b""),
    (b"", "-6", b""),
    (b"", "=", b"("),
    (b"", "u", b", "),
    (b"", "-8", b""),
    (b"", "=", b" at "),
    (b"", "=", b"ly "),
    (b" the ", "=", b" of "),
    (b"", "-5", b""),
    (b"", "-9", b""),
    (b" ", "u", b", "),
    (b"", "u", b'"'),
    (b".", "=", b"("),
    (b"", "U", b" "),
    (b"", "u", b'">'),
    (b"", "=", b'="'),
    (b" ", "=", b"."),
    (b".com/", "=", b""),
    (b" the ", "=", b" of the "),
    (b"", "u", b"'"),
    (b"", "=", b". This "),
    (b"", "=", b","),
    (b".", "=", b" "),
    (b"", "u", b"("),
    (b"", "u", b"."),
    (b"", "=", b" not "),
    (b" ", "=", b'="'),
    (b"", "=", b"er "),
    (b" ", "U", b" "),
    (b"", "=", b"al "),
    (b" ", "U", b""),
    (b"", "=", b"='"),
    (b"", "U", b'"'),
    (b"", "u", b". "),
    (b" ", "=", b"("),
    (b"", "=", b"ful "),
    (b" ", "u", b". "),
    (b"", "=", b"ive "),
    (b"", "=", b"less "),
    (b"", "U", b"'"),
    (b"", "=", b"est "),
    (b" ", "u", b"."),
    (b"", "U", b'">'),
    (b" ", "=", b"='"),
    (b"", "u", b","),
    (b"", "=", b"ize "),
    (b"", "U", b"."),
    (b"\xc2\xa0", "=", b""),
    (b" ", "=", b","),
    (b"", "u", b'="'),
    (b"", "U", b'="'),
    (b"", "=", b"ous "),
    (b"", "U", b", "),
    (b"", "u", b"='"),
    (b" ", "u", b","),
    (b" ", "U", b'="'),
    (b" ", "U", b", "),
    (b"", "U", b","),
    (b"", "U", b"("),
    (b"", "U", b". "),
    (b" ", "U", b"."),
    (b"", "U", b"='"),
    (b" ", "U", b". "),
    (b" ", "u", b'="'),
    (b" ", "U", b"='"),
    (b" ", "u", b"='"),
)


class BrotliInvalid(ValueError):
    """A stream that is not one, or would be longer than it may; says what is wrong."""


class TooMuchWork(BrotliInvalid):
    """A stream takes more steps than were granted: whether it is one is not known."""

    def __init__(self) -> None:
        super().__init__("the decompression of the Brotli data needs more steps than allowed")


class Work:
    """
    What decompressing may cost: steps, each of which is a symbol that is read, an entry of a
    table or a byte that is written, and takes a microsecond or less.
    """

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Take these steps from what is left. Raises TooMuchWork."""
        self.left -= steps
        if self.left < 0:
            raise TooMuchWork


def decompress(data: bytes, *, limit: int, work: Work | None = None) -> bytes:
    """
    Return what is in exactly one stream.

    Args:
        limit: The most bytes to return; nothing much longer is ever made.
        work: The most steps that it may take; what it takes is spent of these. None: twice as
            many as bytes that may come out, and a million.

    Raises:
        BrotliInvalid: Not one whole stream and nothing behind it, or longer than `limit`.
        TooMuchWork: It takes more steps.
    """
    work = Work(2 * limit + 1_000_000) if work is None else work
    bits = _Bits(data, work)
    window = (1 << _window_bits(bits)) - 16
    out = bytearray()
    distances = [4, 11, 15, 16]  # the last ones, newest first
    last = False
    while not last:
        work.spend(_BLOCK_STEPS)
        last = bool(bits.read(1))
        if last and bits.read(1):
            break
        nibbles = bits.read(2) + 4
        if nibbles == 7:
            if last:
                raise BrotliInvalid(
                    "the last block of the Brotli data is a metadata block, which is not allowed"
                )
            _skip_metadata(bits)
            continue
        length = bits.read(4 * nibbles) + 1
        if nibbles > 4 and (length - 1) >> (4 * nibbles - 4) == 0:
            raise BrotliInvalid(
                "a length in the Brotli data is encoded with more digits than necessary"
            )
        if len(out) + length > limit:
            raise BrotliInvalid(f"the content of the Brotli data is longer than {limit} bytes")
        if not last and bits.read(1):
            bits.align()
            out += bits.bytes(length)
        else:
            _Block(bits, out, len(out) + length, window, distances).run()
    bits.end()
    return bytes(out)


class _Bits:
    """Reads numbers from a stream, the lowest bit first."""

    __slots__ = ("_at", "_data", "_end", "work")

    def __init__(self, data: bytes, work: Work) -> None:
        self._data, self._at, self._end = data, 0, 8 * len(data)
        self.work = work

    def read(self, count: int) -> int:
        """Return a number of at most 24 bits."""
        value = self.peek(count)
        self.skip(count)
        return value

    def peek(self, count: int) -> int:
        """Return the next bits and leave them there; behind the end there are zeros."""
        at = self._at >> 3
        word = int.from_bytes(self._data[at : at + 4], "little") >> (self._at & 7)
        return word & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        self._at += count
        if self._at > self._end:
            raise BrotliInvalid("the Brotli data end too early")

    def align(self) -> None:
        if self.read(-self._at % 8):
            raise BrotliInvalid("bits in the Brotli data that must be zero are not zero")

    def bytes(self, count: int) -> bytes:
        """Return whole bytes; the stream stands at one."""
        at = self._at >> 3
        self.skip(8 * count)
        return self._data[at : at + count]

    def end(self) -> None:
        self.align()
        if self._at != self._end:
            raise BrotliInvalid("data follow after the end of the Brotli data")


class _Code:
    """A prefix code: bits to symbols (section 3.2)."""

    __slots__ = ("_counts", "_symbols")

    def __init__(self, lengths: dict[int, int]) -> None:
        """Take the length in bits of each symbol that has one; a single symbol takes no bits."""
        self._symbols = sorted(lengths, key=lambda symbol: (lengths[symbol], symbol))
        self._counts = [0] * (_MAX_CODE + 1)
        if len(lengths) > 1:
            for length in lengths.values():
                self._counts[length] += 1

    def read(self, bits: _Bits) -> int:
        if len(self._symbols) == 1:
            return self._symbols[0]
        word, code, first, index = bits.peek(_MAX_CODE), 0, 0, 0
        for length in range(1, _MAX_CODE + 1):
            code |= word & 1
            word >>= 1
            count = self._counts[length]
            if code - first < count:
                bits.skip(length)
                return self._symbols[index + code - first]
            index += count
            first = (first + count) << 1
            code <<= 1
        raise BrotliInvalid("a code in the Brotli data belongs to no symbol")


def _window_bits(bits: _Bits) -> int:
    if not bits.read(1):
        return 16
    if more := bits.read(3):
        return 17 + more
    if (more := bits.read(3)) == 1:
        raise BrotliInvalid("the Brotli data use an unknown version of the format")
    return 8 + more if more else 17


def _skip_metadata(bits: _Bits) -> None:
    if bits.read(1):
        raise BrotliInvalid("a bit in the Brotli data that must be zero is not zero")
    count = bits.read(2)
    length = bits.read(8 * count) + 1 if count else 0
    if count > 1 and (length - 1) >> (8 * count - 8) == 0:
        raise BrotliInvalid(
            "a length in the Brotli data is encoded with more digits than necessary"
        )
    bits.align()
    bits.bytes(length)


def _count(bits: _Bits) -> int:
    """Return a number from 1 to 256 (section 9.2)."""
    if not bits.read(1):
        return 1
    more = bits.read(3)
    return 1 + (1 << more) + bits.read(more)


def _code(bits: _Bits, alphabet: int) -> _Code:
    """Read a prefix code (sections 3.4 and 3.5)."""
    bits.work.spend(alphabet)
    skip = bits.read(2)
    return _simple_code(bits, alphabet) if skip == 1 else _complex_code(bits, alphabet, skip)


def _simple_code(bits: _Bits, alphabet: int) -> _Code:
    count = bits.read(2) + 1
    width = (alphabet - 1).bit_length()
    symbols = [bits.read(width) for _ in range(count)]
    if len(set(symbols)) != count or max(symbols) >= alphabet:
        raise BrotliInvalid(
            "a prefix code in the Brotli data contains an invalid symbol, or "
            "contains a symbol twice"
        )
    if count == 4 and not bits.read(1):
        return _Code(dict.fromkeys(symbols, 2))
    lengths = {1: (1,), 2: (1, 1), 3: (1, 2, 2), 4: (1, 2, 3, 3)}[count]
    return _Code(dict(zip(symbols, lengths, strict=True)))


def _complex_code(bits: _Bits, alphabet: int, skip: int) -> _Code:
    of_lengths: dict[int, int] = {}
    space = 32
    for symbol in _LENGTH_ORDER[skip:]:
        length, taken = _LENGTH_CODE[bits.peek(4)]
        bits.skip(taken)
        if length:
            of_lengths[symbol] = length
            space -= 32 >> length
            if space <= 0:
                break
    if space < 0 or (space and len(of_lengths) != 1):
        raise BrotliInvalid("the prefix code for code lengths in the Brotli data is not complete")
    return _Code(_lengths(bits, alphabet, _Code(of_lengths)))


def _lengths(bits: _Bits, alphabet: int, of_lengths: _Code) -> dict[int, int]:
    lengths: dict[int, int] = {}
    space, symbol, previous = 1 << _MAX_CODE, 0, 8
    repeated, repeats = 0, -1  # how often the last length was repeated, and which code said so
    while space > 0 and symbol < alphabet:
        code = of_lengths.read(bits)
        if code <= _MAX_CODE:
            repeats = -1
            if code:
                lengths[symbol] = previous = code
                space -= 1 << (_MAX_CODE - code)
            symbol += 1
            continue
        width, length = (2, previous) if code == 16 else (3, 0)
        before = repeated if repeats == code else 0
        more = ((before - 2) << width) if before else 0
        repeated, repeats = more + 3 + bits.read(width), code
        count = repeated - before
        if symbol + count > alphabet:
            raise BrotliInvalid(
                "a prefix code in the Brotli data has more symbols than the alphabet"
            )
        if length:
            lengths.update(dict.fromkeys(range(symbol, symbol + count), length))
            space -= count << (_MAX_CODE - length)
        symbol += count
    if space:
        raise BrotliInvalid("a prefix code in the Brotli data is not complete")
    return lengths


def _context_map(bits: _Bits, size: int, trees: int) -> bytes:
    """Read which prefix code goes with which context (section 7.3)."""
    bits.work.spend(size)
    if trees == 1:
        return bytes(size)
    longest = bits.read(4) + 1 if bits.read(1) else 0
    code = _code(bits, trees + longest)
    result = bytearray()
    while len(result) < size:
        symbol = code.read(bits)
        if symbol == 0 or symbol > longest:
            result.append(symbol - longest if symbol else 0)
        else:
            result += bytes((1 << symbol) + bits.read(symbol))
            if len(result) > size:
                raise BrotliInvalid("a context map in the Brotli data is longer than allowed")
    if bits.read(1):
        _move_to_front(result)
    return bytes(result)


def _move_to_front(values: bytearray) -> None:
    order = list(range(256))
    for at, index in enumerate(values):
        value = order.pop(index)
        order.insert(0, value)
        values[at] = value


@dataclass(slots=True)
class _Kind:
    """The block types of literals, commands or distances (section 6)."""

    types: int
    left: int = _NO_SWITCH  # until the type changes
    now: int = 0
    before: int = 1
    of_types: _Code | None = None
    of_counts: _Code | None = None

    @classmethod
    def read(cls, bits: _Bits) -> "_Kind":
        kind = cls(_count(bits))
        if kind.types > 1:
            kind.of_types = _code(bits, kind.types + 2)
            kind.of_counts = _code(bits, len(_BLOCK))
            kind.left = _extra(bits, _BLOCK[kind.of_counts.read(bits)])
        return kind

    def step(self, bits: _Bits) -> int:
        """Return the type of the next element."""
        if not self.left:
            if self.of_types is None or self.of_counts is None:
                raise BrotliInvalid("a block in the Brotli data is longer than allowed")
            code = self.of_types.read(bits)
            if code == 0:
                new = self.before
            elif code == 1:
                new = (self.now + 1) % self.types
            else:
                new = code - 2
            self.before, self.now = self.now, new
            self.left = _extra(bits, _BLOCK[self.of_counts.read(bits)])
        self.left -= 1
        return self.now


def _extra(bits: _Bits, code: tuple[int, int]) -> int:
    base, count = code
    return base + bits.read(count)


class _Block:
    """One compressed meta-block: its codes, and what they write (section 9.2 and 10)."""

    def __init__(
        self, bits: _Bits, out: bytearray, end: int, window: int, distances: list[int]
    ) -> None:
        self._bits, self._out, self._end = bits, out, end
        self._window, self._distances = window, distances
        self._literals, self._commands, self._far = (_Kind.read(bits) for _ in range(3))
        self._postfix = bits.read(2)
        self._direct = bits.read(4) << self._postfix
        self._modes = [bits.read(2) for _ in range(self._literals.types)]
        literal_trees = _count(bits)
        self._literal_map = _context_map(bits, 64 * self._literals.types, literal_trees)
        distance_trees = _count(bits)
        self._distance_map = _context_map(bits, 4 * self._far.types, distance_trees)
        self._of_literals = [_code(bits, 256) for _ in range(literal_trees)]
        self._of_commands = [_code(bits, 704) for _ in range(self._commands.types)]
        alphabet = 16 + self._direct + (48 << self._postfix)
        self._of_distances = [_code(bits, alphabet) for _ in range(distance_trees)]

    def run(self) -> None:
        bits, out = self._bits, self._out
        bits.work.spend(self._end - len(out))
        # Each command writes something, but for words of the dictionary that lose all they have.
        for _ in range(2 * (self._end - len(out)) + 2):
            symbol = self._of_commands[self._commands.step(bits)].read(bits)
            inserts, copies = _CELLS[symbol >> 6]
            insert = _extra(bits, _INSERT[inserts + (symbol >> 3 & 7)])
            copy = _extra(bits, _COPY[copies + (symbol & 7)])
            if len(out) + insert > self._end:
                raise BrotliInvalid(
                    "the content of a Brotli block is longer than the stated length"
                )
            for _ in range(insert):
                self._literal()
            if len(out) < self._end:
                self._copy(copy, implicit=symbol < _IMPLICIT)
            if len(out) >= self._end:
                break
        if len(out) != self._end:
            raise BrotliInvalid("the content of a Brotli block does not have the stated length")

    def _literal(self) -> None:
        out = self._out
        kind = self._literals.step(self._bits)
        one = out[-1] if out else 0
        two = out[-2] if len(out) > 1 else 0
        mode = self._modes[kind]
        if mode == 0:
            context = one & 0x3F
        elif mode == 1:
            context = one >> 2
        elif mode == 2:
            context = _UTF8_1[one] | _UTF8_2[two]
        else:
            context = _SIGNED[one] << 3 | _SIGNED[two]
        tree = _one_of(self._of_literals, self._literal_map[64 * kind + context])
        out.append(tree.read(self._bits))

    def _copy(self, length: int, *, implicit: bool) -> None:
        out = self._out
        code = 0 if implicit else self._distance_code(length)
        distance = self._distance(code)
        reach = min(self._window, len(out))
        if distance > reach:
            out += _word(distance - reach - 1, length)
            return
        if code:
            self._distances.insert(0, distance)
            self._distances.pop()
        if len(out) + length > self._end:
            raise BrotliInvalid("the content of a Brotli block is longer than the stated length")
        piece = bytes(out[-distance:][:length])
        out += (piece * (length // len(piece) + 1))[:length]

    def _distance_code(self, length: int) -> int:
        kind = self._far.step(self._bits)
        tree = self._distance_map[4 * kind + min(length - 2, 3)]
        return _one_of(self._of_distances, tree).read(self._bits)

    def _distance(self, code: int) -> int:
        if code < len(_SHORT):
            which, more = _SHORT[code]
            distance = self._distances[which] + more
            if distance <= 0:
                raise BrotliInvalid("a distance in the Brotli data is not larger than zero")
            return distance
        code -= len(_SHORT)
        if code < self._direct:
            return code + 1
        code -= self._direct
        count = 1 + (code >> (self._postfix + 1))
        high, low = code >> self._postfix, code & ((1 << self._postfix) - 1)
        offset = ((2 + (high & 1)) << count) - 4 + self._bits.read(count)
        return (offset << self._postfix) + low + self._direct + 1


def _one_of(codes: list[_Code], number: int) -> _Code:
    if number >= len(codes):
        raise BrotliInvalid(
            "a context in the Brotli data refers to a prefix code that does not exist"
        )
    return codes[number]


@cache
def _dictionary() -> bytes:
    return _DICTIONARY.read_bytes()


def _word(number: int, length: int) -> bytes:
    """Return a word of the static dictionary, transformed (section 8)."""
    bits = _WORD_BITS[length] if length < len(_WORD_BITS) else 0
    transform = number >> bits
    if not bits or transform >= len(_TRANSFORMS):
        raise BrotliInvalid(
            "a distance in the Brotli data points before the beginning of the content"
        )
    at = _WORDS_AT[length] + (number & ((1 << bits) - 1)) * length
    word = _dictionary()[at : at + length]
    before, what, behind = _TRANSFORMS[transform]
    if what[0] == "+":
        word = word[int(what) :]
    elif what[0] == "-":
        word = word[: int(what)]
    elif what == "u":
        word = _upper(word, only_first=True)
    elif what == "U":
        word = _upper(word, only_first=False)
    return before + word + behind


def _upper(word: bytes, *, only_first: bool) -> bytes:
    """Return a word in upper case, as far as a bit per character makes it so (section 8)."""
    result, at = bytearray(word), 0
    while at < len(result):
        first = result[at]
        if first < 0xC0:
            if ord("a") <= first <= ord("z"):
                result[at] ^= 32
            at += 1
        elif first < 0xE0:
            if at + 1 < len(result):
                result[at + 1] ^= 32
            at += 2
        else:
            if at + 2 < len(result):
                result[at + 2] ^= 5
            at += 3
        if only_first:
            break
    return bytes(result)
