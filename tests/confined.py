"""
Run a command under a seccomp filter (seccomp(2)), as a container's runtime does.

    python -m tests.confined WORD[,WORD…] COMMAND…

Each word is a system call that fails with EPERM: `chroot`, `mount`, `seccomp` (no filter beside
this one), `landlock` (which is not there, as in an old kernel), `setuid` (nobody becomes another
user), `loopback` (no device is brought up: what is left of a namespace where a security module
takes its rights away), `namespaces` (neither unshare nor clone make any, and clone3 is not
there, as Docker's own profile has it), or `net` (network namespaces alone). Linux on x86-64
and arm64; the filter stays with all that is started.
"""

import ctypes
import os
import platform
import struct
import sys

_CALLS = ("chroot", "seccomp", "prctl", "unshare", "clone", "clone3", "ioctl", "mount", "setresuid")
_NUMBERS = {  # asm/unistd.h
    "x86_64": dict(zip(_CALLS, (161, 317, 157, 272, 56, 435, 16, 165, 117), strict=True)),
    "aarch64": dict(zip(_CALLS, (51, 277, 167, 97, 220, 435, 29, 40, 147), strict=True)),
}
_LANDLOCK_CREATE_RULESET = 444  # on every architecture
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38  # prctl(2)
_SET_MODE_FILTER = 1  # seccomp(2)
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # bpf_common.h: of a word, absolute
_NUMBER, _FIRST, _SECOND = 0, 16, 24  # offsets in struct seccomp_data: nr, args[0], args[1]
_ALLOW, _ERRNO = 0x7FFF_0000, 0x0005_0000
_EPERM, _ENOSYS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEW = 0x1000_0000, 0x4000_0000, 0x7E02_0000
_SIOCSIFFLAGS = 0x8914


def _step(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_so, if_not, value)


def _refuse(number: int, error: int = _EPERM) -> bytes:
    """Refuse a call whatever its arguments are."""
    return _step(_LOAD, _NUMBER) + _step(_EQUAL, number, 0, 1) + _step(_RETURN, _ERRNO | error)


def _refuse_if(number: int, test: int, argument: int, value: int) -> bytes:
    """Refuse a call whose argument equals a value or has one of its bits."""
    return (
        _step(_LOAD, _NUMBER)
        + _step(_EQUAL, number, 0, 3)
        + _step(_LOAD, argument)
        + _step(test, value, 0, 1)
        + _step(_RETURN, _ERRNO | _EPERM)
    )


def program(words: list[str], machine: str) -> bytes:
    """Return the filter, in the kernel's encoding (struct sock_filter)."""
    number = _NUMBERS[machine]
    made = b""
    for word in words:
        if word in ("chroot", "mount"):
            made += _refuse(number[word])
        elif word == "setuid":
            made += _refuse(number["setresuid"])
        elif word == "landlock":
            made += _refuse(_LANDLOCK_CREATE_RULESET, _ENOSYS)
        elif word == "seccomp":
            made += _refuse(number["seccomp"])
            made += _refuse_if(number["prctl"], _EQUAL, _FIRST, _PR_SET_SECCOMP)
        elif word == "loopback":
            made += _refuse_if(number["ioctl"], _EQUAL, _SECOND, _SIOCSIFFLAGS)
        elif word in ("namespaces", "net"):
            bits = _CLONE_NEW if word == "namespaces" else _CLONE_NEWNET
            made += _refuse_if(number["unshare"], _ANY_BIT, _FIRST, bits)
            made += _refuse_if(number["clone"], _ANY_BIT, _FIRST, bits)
            made += _refuse(number["clone3"], _ENOSYS)
        else:
            raise ValueError(f"no such word: {word}")
    return made + _step(_RETURN, _ALLOW)


def confine(words: list[str]) -> None:
    """Put this process under the filter, for good."""
    code = program(words, platform.machine())
    held = ctypes.create_string_buffer(code, len(code))
    fprog = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    library = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0:  # root needs no such promise, and may become another user after it
        library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if library.syscall(_NUMBERS[platform.machine()]["seccomp"], _SET_MODE_FILTER, 0, fprog):
        raise OSError(ctypes.get_errno(), "no filter could be set")


if __name__ == "__main__":
    confine(sys.argv[1].split(","))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command is our caller's
