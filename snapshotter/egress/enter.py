"""
Start another program that can open few files, in a network of its own whose only exit is the egress
guard.

This program runs in the place of the browser or of its driver. It unshares the namespaces that it
is given, removes every file that is not in a list, hands a listening socket from inside to whoever
waits outside, and becomes the other program under the same process id. It runs two or three times
before each page. Therefore `namespace.py` has it compiled once, and it imports next to nothing:
`socket` takes 7 ms, `ctypes` and `signal` take 3 ms each.

    NAMESPACES UID MEETING PORT VIEW COMMAND [ARGUMENT…]

NAMESPACES is "user,net", "user", "sandbox" (what Chromium wants for its own: only tried) or
"none". UID is the user's number inside. MEETING is the path of a Unix socket that receives the
listening socket ("-": none). VIEW is the list of files, or "-" for all files; `file_view.py`
describes it. `namespace.py` is the other side.
"""

import _ctypes
import _socket
import fcntl
import os
import sys

_CLONE_NEWNS, _CLONE_NEWIPC = 0x0002_0000, 0x0800_0000  # unshare(2)
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x1000_0000, 0x2000_0000, 0x4000_0000
_FLAGS = {
    "none": 0,
    "user": _CLONE_NEWUSER,
    "user,net": _CLONE_NEWUSER | _CLONE_NEWNET,
    "sandbox": _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNET,
}
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38  # prctl(2)
_CAPABILITY_VERSION = 0x2008_0522  # capget(2), version 3
_KEYCTL = {"x86_64": 250, "aarch64": 219}  # keyctl(2)
_JOIN_SESSION_KEYRING = 1
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # netdevice(7)
_BACKLOG = 512
_FAILED = 71  # EX_OSERR
_SIGKILL = 9

_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = (
    0x2,
    0x4,
    0x1000,
    0x4000,
    0x4_0000,
)  # mount(2)
_MNT_DETACH = 2  # umount2(2)
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 0x1, 0x2, 0x4  # mount_setattr(2)
_MOUNT_SETATTR = 442  # these four have the same numbers on every architecture
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_BASE = "/tmp"  # noqa: S108 - any directory; it is covered, in a namespace of its own
_OLD = "/.old"  # where the files of before are while the new root is filled
_OF_ROOT = ("bus", "fs", "irq", "sys", "sysrq-trigger")  # of /proc
_PROGRAM_OF_ROOT = "/proc/sys/kernel/core_pattern"  # names a program that the kernel starts as root

# landlock(7): rights by bit, of which each version of the interface has more.
_LL_EXECUTE, _LL_WRITE, _LL_READ, _LL_READ_DIR = 0x1, 0x2, 0x4, 0x8
_LL_TRUNCATE, _LL_IOCTL = 0x4000, 0x8000
_LL_OF_FILES = _LL_EXECUTE | _LL_WRITE | _LL_READ | _LL_TRUNCATE | _LL_IOCTL
_LL_ALL = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}  # from 5 on: 0xFFFF
_LL_SCOPES, _LL_SCOPES_SINCE = 0x3, 6  # abstract Unix sockets and signals stay inside
_LL_UNIX, _LL_UNIX_SINCE = 0x1_0000, 9  # from 9 on: connecting to a Unix socket by its path


class _Int(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "i"


class _UnsignedLong(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "L"


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = _Int


class _Library:
    """The C library, as `ctypes.CDLL(None, use_errno=True)` is."""

    _handle = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # all of this process

    def __getattr__(self, name: str) -> _Function:
        return _Function((name, self))  # type: ignore[arg-type]  # only `_handle` is used


_LIBRARY = _Library()


class NotPermitted(Exception):
    """A step that the system does not allow."""


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(_ctypes.get_errno(), os.strerror(_ctypes.get_errno()))
    return result


def unshare(flags: int) -> None:
    """Leave namespaces for new ones (Python has this call from 3.12 on)."""
    _checked(_LIBRARY.unshare(flags))


def map_user(uid: int, gid: int, inside: int) -> None:
    """Map the one user and group into the namespace (user_namespaces(7)); needs no helper."""
    for name, line in (
        ("setgroups", "deny"),  # or an ordinary user may not map the group
        ("gid_map", f"{inside} {gid} 1"),
        ("uid_map", f"{inside} {uid} 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def raise_loopback() -> None:
    """Bring the loopback device up: it is down in a new network namespace."""
    any_socket = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    # struct ifreq: the name in 16 bytes, the flags, and the rest of 40 bytes
    request = b"lo".ljust(16, b"\0") + _IFF_UP.to_bytes(2, sys.byteorder)
    fcntl.ioctl(any_socket.fileno(), _SIOCSIFFLAGS, request.ljust(40, b"\0"))
    any_socket.close()


def listener(port: int) -> _socket.socket:
    """Return a listening socket on loopback."""
    made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    made.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(_BACKLOG)
    return made


def send_listener(meeting: str, made: _socket.socket) -> None:
    """
    Send the descriptor of a socket to the process that waits at `meeting` (unix(7), SCM_RIGHTS).
    """
    there = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    there.connect(meeting)
    number = made.fileno().to_bytes(4, sys.byteorder)
    there.sendmsg([b"+"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, number)])
    there.close()


def use_empty_keyring() -> None:
    """
    Join an empty session keyring (keyrings(7)): ours may hold keys, and every child inherits it.

    A container's runtime may forbid the call, and then reading keys is forbidden as well.
    """
    if (number := _KEYCTL.get(os.uname().machine)) is not None:
        _LIBRARY.syscall(number, _JOIN_SESSION_KEYRING, None)


def drop_capabilities() -> None:
    """Drop all rights of root, also for the next program."""
    _LIBRARY.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # or that start would give all of them back
    header = _CAPABILITY_VERSION.to_bytes(4, sys.byteorder) + bytes(4)  # of this process
    _checked(_LIBRARY.capset(header, bytes(24)))


def unshare_ipc() -> None:
    """Leave shared memory and queues of System V and POSIX (ipc_namespaces(7)), if allowed."""
    _LIBRARY.unshare(_CLONE_NEWIPC)


def restrict_scopes() -> None:
    """
    Block signals and abstract Unix sockets to processes outside (landlock(7), scopes).

    A mount namespace blocks neither, and an ordinary user's browser has the same user as the
    worker. Kernels before 6.12 do not support it.
    """
    version = _LIBRARY.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < _LL_SCOPES_SINCE:
        return
    attributes = bytes(16) + _LL_SCOPES.to_bytes(8, sys.byteorder)  # no file, no network
    rules = _LIBRARY.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if rules >= 0:
        _LIBRARY.syscall(_LANDLOCK_RESTRICT, rules, 0)  # a right of whoever may mount
        os.close(rules)


def die_with_parent(parent: int) -> None:
    """Be killed when the parent ends. Call it after `unshare`, which undoes it."""
    _LIBRARY.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        raise NotPermitted("the parent process of this process has ended")


class EnforcedFileView:
    """
    The files that a program may see; all others are hidden from it.

    Args:
        text: One entry a line: a letter and its words, with tabs between them.
    """

    def __init__(self, text: str) -> None:
        self.ways: list[str] = []
        self.uid = 0  # for root: the user to become
        self.report = ""
        self.hidden = ""  # a file that is there, and that may not be opened afterwards
        self.binds: list[tuple[str, str, str]] = []  # kind, source, place
        self.links: list[tuple[str, str]] = []  # place, target
        for line in text.splitlines():
            letter, *words = line.split("\t")
            if letter == "ways":
                self.ways = words
            elif letter == "uid":
                self.uid = int(words[0])
            elif letter == "report":
                self.report = words[0]
            elif letter == "hidden":
                self.hidden = words[0]
            elif letter == "link":
                self.links.append((words[0], words[1]))
            else:  # read, cache, write, device, proc
                self.binds.append((letter, words[0], words[-1]))

    def apply(self) -> None:
        """
        Hide the other files in the first way that this system allows, and report which one it is.

        A child process tries each way first, because half of one would obstruct the next.
        """
        out = os.open(self.report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for way in self.ways:
            if way != self.ways[-1] and not self._is_possible(way):
                continue
            self._take(way)
            os.write(out, way.encode())
            break
        os.close(out)

    def _is_possible(self, way: str) -> bool:
        child = os.fork()
        if child == 0:
            try:
                self._take(way)
                self._try()
                os._exit(0)
            except BaseException:  # noqa: BLE001 - whatever is in the way
                os._exit(1)
        return os.waitpid(child, 0)[1] == 0 and self._is_left_to_us()

    def _is_left_to_us(self) -> bool:
        """Return whether we may open what another user owns: root without its rights may not."""
        places = [source for kind, source, _ in self.binds if kind == "write"]
        return all(os.access(place, os.R_OK | os.W_OK, effective_ids=True) for place in places)

    def _try(self) -> None:
        """Check that the program can open what it needs, and that the other files are hidden."""
        for kind, _, place in self.binds:
            wanted = os.R_OK | (os.W_OK if kind == "write" else 0)
            if kind in ("read", "write") and not os.access(place, wanted):
                raise NotPermitted(place)
        if os.access(_PROGRAM_OF_ROOT, os.W_OK):
            raise NotPermitted(_PROGRAM_OF_ROOT)
        try:
            os.close(os.open(self.hidden, os.O_RDONLY))
        except OSError:
            return
        raise NotPermitted(self.hidden)

    def _take(self, way: str) -> None:
        parts = way.split("+")
        if os.geteuid() == 0:  # also back, after a way that was tried in vain
            self._give(self.uid if "uid" in parts else 0)
        if "user" in parts:
            uid, gid = os.geteuid(), os.getegid()
            unshare(_CLONE_NEWUSER | _CLONE_NEWNS)
            map_user(uid, gid, uid or 1000)
        if "mount" in parts:
            if "user" not in parts:
                unshare(_CLONE_NEWNS)
            unshare_ipc()
            self._mount()
            restrict_scopes()
        if "uid" in parts:
            os.setgroups([])
            os.setresgid(self.uid, self.uid, self.uid)
            os.setresuid(self.uid, self.uid, self.uid)
        if "landlock" in parts:
            self._restrict()
        if os.geteuid() == 0 and way in ("mount", "landlock"):
            # With them it looks into any process's root, and makes the disk's device anew.
            drop_capabilities()

    def _give(self, owner: int) -> None:
        """Give the files that the program may write to its user."""
        for kind, source, _ in self.binds:
            if kind != "write" or os.stat(source).st_uid == owner:
                continue
            os.chown(source, owner, owner)
            for folder, folders, files in os.walk(source):
                for name in (*folders, *files):
                    os.chown(os.path.join(folder, name), owner, owner, follow_symlinks=False)

    def _mount(self) -> None:
        """Mount a root of its own with the listed files in it (mount_namespaces(7))."""
        _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
        _mount("tmpfs", _BASE, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755,size=1m")
        os.mkdir(_BASE + _OLD)
        number = _PIVOT_ROOT[os.uname().machine]
        _checked(_LIBRARY.syscall(number, _BASE.encode(), (_BASE + _OLD).encode()))
        os.chdir("/")
        for place, target in self.links:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.symlink(target, place)
        for kind, source, place in self.binds:
            if os.path.isdir(_OLD + source):
                os.makedirs(place, exist_ok=True)
            elif not os.path.exists(place):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o644))
            _mount(_OLD + source, place, "", _MS_BIND | _MS_REC)
            if kind in ("read", "cache"):
                _attributes(place, _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV)
            elif kind == "write":
                _attributes(place, _ATTR_NOSUID | _ATTR_NODEV)
            elif kind == "proc":  # root may set up the machine there, without one capability
                for name in _OF_ROOT:
                    if os.path.exists(f"{place}/{name}"):
                        _mount(f"{_OLD}{source}/{name}", f"{place}/{name}", "", _MS_BIND | _MS_REC)
                        _attributes(f"{place}/{name}", _ATTR_RDONLY)
        _checked(_LIBRARY.umount2(_OLD.encode(), _MNT_DETACH))
        os.rmdir(_OLD)
        _attributes("/", _ATTR_RDONLY, recursive=False)

    def _restrict(self) -> None:
        """Give up the rights to all files but the listed ones (landlock(7))."""
        version = _checked(_LIBRARY.syscall(_LANDLOCK_CREATE, None, 0, 1))
        known = _LL_ALL.get(version, 0xFFFF)
        if version >= _LL_UNIX_SINCE:
            known |= _LL_UNIX
        # struct landlock_ruleset_attr: files, network (from 4 on), scopes (from 6 on)
        attributes = known.to_bytes(8, sys.byteorder)
        if version >= 4:
            attributes += bytes(8)
        if version >= _LL_SCOPES_SINCE:
            attributes += _LL_SCOPES.to_bytes(8, sys.byteorder)
        rules = _checked(_LIBRARY.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0))
        reads = _LL_EXECUTE | _LL_READ | _LL_READ_DIR
        for kind, source, _ in self.binds:
            rights = reads if kind in ("read", "cache") else known
            if kind == "proc":  # user and group of a namespace are written there
                rights = reads | _LL_WRITE | _LL_TRUNCATE
            rights &= known
            try:
                file = os.open(source, os.O_PATH | os.O_CLOEXEC)
            except PermissionError:
                if kind == "cache":  # in a folder that the other user may not enter
                    continue
                raise
            if not os.path.isdir(source):
                rights &= _LL_OF_FILES
            # struct landlock_path_beneath_attr, which is packed
            rule = rights.to_bytes(8, sys.byteorder) + file.to_bytes(4, sys.byteorder)
            _checked(_LIBRARY.syscall(_LANDLOCK_ADD, rules, 1, rule, 0))
            os.close(file)
        _LIBRARY.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _checked(_LIBRARY.syscall(_LANDLOCK_RESTRICT, rules, 0))
        os.close(rules)


def _mount(source: str, place: str, kind: str, flags: int, data: str = "") -> None:
    _checked(
        _LIBRARY.mount(
            source.encode(), place.encode(), kind.encode(), _UnsignedLong(flags), data.encode()
        )
    )


def _attributes(place: str, wanted: int, *, recursive: bool = True) -> None:
    # struct mount_attr: set, clear, propagation, user namespace
    attributes = wanted.to_bytes(8, sys.byteorder) + bytes(24)
    flags = _AT_RECURSIVE if recursive else 0
    _checked(
        _LIBRARY.syscall(
            _MOUNT_SETATTR, _AT_FDCWD, place.encode(), flags, attributes, len(attributes)
        )
    )


def enter(namespaces: str, inside: int, meeting: str, port: int, view: str) -> None:
    """
    Do all steps. A step that is not allowed raises, and the program is not started.

    Raises:
        NotPermitted: The message names the step.
    """
    parent = os.getppid()
    uid, gid = os.geteuid(), os.getegid()
    use_empty_keyring()
    step = "unshare"
    try:
        if namespaces == "none":
            # Whatever leaves its parent becomes a child of this one: found, and killed.
            _LIBRARY.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        else:
            unshare(_FLAGS[namespaces])
            unshare_ipc()
            step = "mapping the user"
            map_user(uid, gid, inside)
        if namespaces == "user,net":
            # Where a security module takes the rights away again, it shows here.
            step = "starting the loopback interface"
            raise_loopback()
            step = "listening inside the namespace"
            made = listener(port)
            if meeting != "-":
                step = "passing on the socket"
                send_listener(meeting, made)
            made.close()
        if namespaces == "sandbox":
            step = "chroot"
            os.chroot("/")
        if view != "-":
            step = "hiding files"
            EnforcedFileView(view).apply()
    except OSError as error:
        raise NotPermitted(f"{step} failed: {error.strerror}") from error
    die_with_parent(parent)


def main(arguments: list[str]) -> int:
    """Run. Returns only if the other program could not be started."""
    namespaces, inside, meeting, port, view, *command = arguments
    try:
        enter(namespaces, int(inside), meeting, int(port), view)
        os.execv(command[0], command)  # noqa: S606 - the command is our caller's
    except (NotPermitted, OSError) as error:
        os.write(2, f"{error}\n".encode())
    return _FAILED
