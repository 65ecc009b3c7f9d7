"""Damage to valid files: flipped bits, cut ends, pieces in other places, odd values in JSON."""

from __future__ import annotations

import json
import re

#: What no reader expects in place of a value; text that is put into JSON as it is.
ODD = (
    "null", "true", "false", "0", "-0.0", "-1", "1.5", "NaN", "Infinity", "-Infinity", "1e300", "-1e300",
    "1e999", "5e-324", "9007199254740993", "1" + "0" * 400, '""', '"1"', '"\\u0000"', '"\\ud800"',
    '"../../x"',
    '"nan"', "[]", "{}", "[[]]", '[["a"]]', "[1e300, -1e300]", '{"a": {"a": [null]}}', "[" * 150 + "]" * 150,
    "[" * 3000 + "]" * 3000, '"' + "x" * 5000 + '"',
)  # fmt: skip
_INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_MARK = "a mark that stands for the value"


def mutate(content: bytes, random, *, text: bool = False) -> bytes:
    """Return a file's content damaged in one to four ways; of JSON (`text`) mostly single values."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        done = edit_json(content, random) if text and random.random() < 0.75 else None
        content = random.choice(_WAYS)(content, random) if done is None else done
    return content


def edit_json(content: bytes, random) -> bytes | None:
    """Return JSON with one value replaced, gone or doubled; None of what is none."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return None
    places = _places(data)
    if not places:
        return random.choice(ODD).encode()
    owner, key = random.choice(places)
    how = random.random()
    if how < 0.15:
        del owner[key]
    elif how < 0.25:
        other, at = random.choice(places)
        owner[key] = other[at] if at in other or (isinstance(other, list) and at < len(other)) else None
    elif how < 0.3 and isinstance(owner, list):
        owner += [owner[key]] * random.choice((1, 3, 1000))
    else:
        owner[key] = _MARK
    try:
        told = json.dumps(data)
    except (ValueError, RecursionError):  # it holds itself now
        return None
    return told.replace(json.dumps(_MARK), random.choice(ODD)).encode(errors="surrogatepass")


def _places(data) -> list[tuple]:
    found, left = [], [data]
    while left and len(found) < 5000:
        one = left.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        found += [(one, key) for key in keys]
        left += [one[key] for key in keys]
    return found


def _flip(content: bytes, random) -> bytes:
    out = bytearray(content)
    for _ in range(min(random.choice((1, 1, 2, 8, 64)), len(out))):
        out[_at(out, random)] ^= 1 << random.randrange(8)
    return bytes(out)


def _byte(content: bytes, random) -> bytes:
    out = bytearray(content)
    if out:
        out[_at(out, random)] = random.randrange(256)
    return bytes(out)


def _at(content, random) -> int:
    """Return a place, often near the start or the end, where formats have their heads."""
    size, near = len(content), random.random()
    window = min(size, 512)
    if near < 0.5:
        return random.randrange(window)
    return size - 1 - random.randrange(window) if near < 0.7 else random.randrange(size)


def _cut(content: bytes, random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _splice(content: bytes, random) -> bytes:
    if not content:
        return content
    start, size = random.randrange(len(content)), random.choice((1, 4, 16, 256, 4096))
    piece, at = content[start : start + size], _at(content, random)
    over = random.random() < 0.5  # in the place of as much, or between
    return content[:at] + piece + content[at + (len(piece) if over else 0) :]


def _blank(content: bytes, random) -> bytes:
    if not content:
        return content
    at, size = _at(content, random), random.choice((1, 4, 32, 1024))
    return (
        content[:at]
        + random.choice((b"\0", b"\xff"))[:1] * len(content[at : at + size])
        + content[at + size :]
    )


def _integer(content: bytes, random) -> bytes:
    if len(content) < 8:
        return content
    size = random.choice((1, 2, 4, 8))
    value = random.choice(_INTEGERS) & (256**size - 1)
    at = _at(content, random)
    return content[:at] + value.to_bytes(size, random.choice(("little", "big"))) + content[at + size :]


def _digits(content: bytes, random) -> bytes:
    """Replace a number that is written out, as in XML or in the head of an array."""
    found = list(re.finditer(rb"-?\d[\d.]*", content[:20_000]))
    if not found:
        return _flip(content, random)
    one = random.choice(found)
    size = len(one[0])
    new = random.choice((b"0", b"9" * size, b"-1", b"1e9", b"nan", b"x", b"99999999999999999999", one[0] * 2))
    if random.random() < 0.7:  # of the same length, so that nothing else moves
        new = new[:size].ljust(size, b" ")
    return content[: one.start()] + new + content[one.end() :]


_WAYS = (_flip, _flip, _byte, _cut, _splice, _blank, _integer, _integer, _digits)
