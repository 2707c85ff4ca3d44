"""Our reader of Brotli agrees with the reference implementation, where a machine has it."""

import ctypes
import ctypes.util
from pathlib import Path

import pytest

from snapshotter.formats import brotli

pytestmark = pytest.mark.interop
ROOT = Path(__file__).resolve().parents[2]
FILES = ("README.md", "pyproject.toml", "snapshotter/formats/brotli.py", "tests/vectors/README.md")


def _library(name: str) -> ctypes.CDLL:
    found = ctypes.util.find_library(name)
    if found is None:
        pytest.skip(f"no lib{name} on this machine")
    return ctypes.CDLL(found)


def _compressed(library: ctypes.CDLL, data: bytes, quality: int, window: int) -> bytes:
    length = ctypes.c_size_t(2 * len(data) + 1024)
    buffer = ctypes.create_string_buffer(length.value)
    done = library.BrotliEncoderCompress(
        quality, window, 0, ctypes.c_size_t(len(data)), data, ctypes.byref(length), buffer
    )
    assert done == 1
    return buffer.raw[: length.value]


@pytest.mark.parametrize("quality", [0, 1, 2, 5, 9, 11])
@pytest.mark.parametrize("window", [10, 16, 22])
def test_what_the_reference_compresses_comes_out_as_it_was(quality: int, window: int) -> None:
    library = _library("brotlienc")
    texts = [(ROOT / name).read_bytes()[:30_000] for name in FILES if (ROOT / name).exists()]
    texts += [bytes(range(256)) * 20, bytes(i * i % 251 for i in range(9000)), b"ab" * 9000]
    assert len(texts) > 5

    for text in texts:
        stream = _compressed(library, text, quality, window)

        assert brotli.decompress(stream, limit=len(text)) == text


def test_every_transform_of_a_word_is_that_of_the_reference() -> None:
    library = _library("brotlicommon")
    library.BrotliGetTransforms.restype = ctypes.c_void_p
    transforms = ctypes.c_void_p(library.BrotliGetTransforms())
    count = 0
    for length in range(4, 25):
        bits = brotli._WORD_BITS[length]
        for index in range(0, 1 << bits, 7):
            at = brotli._WORDS_AT[length] + index * length
            word = brotli._dictionary()[at : at + length]
            for transform in range(len(brotli._TRANSFORMS)):
                if (index + transform) % 5:
                    continue
                buffer = ctypes.create_string_buffer(128)
                size = library.BrotliTransformDictionaryWord(
                    buffer, word, length, transforms, transform
                )

                assert brotli._word(transform << bits | index, length) == buffer.raw[:size]
                count += 1
    assert count > 10_000
