"""Our reader of Brotli changes words as the reference does, where a machine has it."""

import ctypes
import ctypes.util

import pytest

from snapshotter.formats.tls import brotli

pytestmark = pytest.mark.interop


def _library(name: str) -> ctypes.CDLL:
    found = ctypes.util.find_library(name)
    if found is None:
        pytest.skip(f"no lib{name} on this machine")
    return ctypes.CDLL(found)


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
