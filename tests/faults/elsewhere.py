"""A file system that is served as from another machine: FUSE, passed through to a folder, with a clock of its own.

What others do in the folder behind it is told by no event. The protocol is the kernel's
(``linux/fuse.h``), as far as the tests need it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: How the kernel lists it.
KIND = "fuse.sshfs"

_HEADER = struct.Struct("=IIQQIIII")
_BUFFER = 1 << 18
_WRITES = 1 << 17
_MODE, _SIZE, _MTIME, _MTIME_NOW = 1, 8, 32, 256


@contextmanager
def served(behind: Path, folder: Path, ahead: int = 0) -> Iterator[None]:
    """What is in ``behind`` is also at ``folder``, where every time is so many seconds ahead; needs root."""
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    try:
        if libc.mount(b"elsewhere", os.fsencode(folder), KIND.encode(), 0, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), "mount", str(folder))
        server = subprocess.Popen([sys.executable, __file__, str(behind), str(device), str(ahead)], pass_fds=[device])
    finally:
        os.close(device)  # the server has it, and with its end the mount is dead
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)
        server.terminate()
        server.wait(30)


class Server:
    """Answers the kernel, one request after another."""

    def __init__(self, behind: bytes, device: int, ahead: int) -> None:
        self._behind, self._device, self._ahead = behind, device, ahead * 10**9
        #: Paths by the kernel's number for them, and the other way round; both grow only.
        self._paths, self._numbers = {1: behind}, {behind: 1}
        self._answers: dict[int, Callable[[int, bytes], bytes]] = {
            1: self._lookup, 3: lambda node, _: self._told(self._paths[node]), 4: self._set, 9: self._mkdir,
            10: lambda node, data: self._removed(os.unlink, node, data),
            11: lambda node, data: self._removed(os.rmdir, node, data),
            12: lambda node, data: self._rename(node, data, 8), 45: lambda node, data: self._rename(node, data, 16),
            14: lambda node, data: self._open(self._paths[node], data), 15: self._read, 16: self._write,
            17: self._room, 18: self._close, 26: self._begin, 27: lambda node, _: struct.pack("=QII", 0, 0, 0),
            28: self._list, 29: lambda node, data: b"", 35: self._create,
        }  # fmt: skip

    def serve(self) -> None:
        """Until it is unmounted."""
        while True:
            try:
                request = os.read(self._device, _BUFFER)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                raise
            _, wanted, number, node, *_ = _HEADER.unpack_from(request)
            if wanted in (2, 36, 42):  # forget and interrupt want no answer
                continue
            code, answer = 0, b""
            try:
                if wanted not in self._answers:
                    raise OSError(errno.ENOSYS, "not served")
                answer = self._answers[wanted](node, request[_HEADER.size :])
            except OSError as error:
                code = -(error.errno or errno.EIO)
            os.write(self._device, struct.pack("=IiQ", 16 + len(answer), code, number) + answer)

    def _begin(self, _node: int, data: bytes) -> bytes:
        _, _, ahead, _ = struct.unpack_from("=IIII", data)
        return struct.pack("=IIIIHHIIHHI7I", 7, 31, ahead, 0, 12, 9, _WRITES, 1, 0, 0, 0, *([0] * 7))

    def _below(self, node: int, name: bytes) -> bytes:
        return os.path.join(self._paths[node], name.partition(b"\0")[0])

    def _attributes(self, path: bytes) -> bytes:
        at = os.lstat(path)
        times = [divmod(ns + self._ahead, 10**9) for ns in (at.st_atime_ns, at.st_mtime_ns, at.st_ctime_ns)]
        seconds, parts = zip(*times, strict=True)
        return struct.pack("=6Q10I", at.st_ino, at.st_size, at.st_blocks, *seconds, *parts, at.st_mode, at.st_nlink,
                           at.st_uid, at.st_gid, 0, 4096, 0)  # fmt: skip

    def _told(self, path: bytes) -> bytes:
        return struct.pack("=QII", 0, 0, 0) + self._attributes(path)  # valid for no time: it is asked again

    def _entry(self, path: bytes) -> bytes:
        attributes = self._attributes(path)
        node = self._numbers.setdefault(path, len(self._paths) + 1)
        self._paths[node] = path
        return struct.pack("=QQQQII", node, 0, 0, 0, 0, 0) + attributes

    def _lookup(self, node: int, data: bytes) -> bytes:
        return self._entry(self._below(node, data))

    def _set(self, node: int, data: bytes) -> bytes:
        path = self._paths[node]
        valid, _, _, size, _, _, seconds, _, _, part, _, mode = struct.unpack_from("=IIQQQQQQIIII", data)
        if valid & _MODE:
            os.chmod(path, stat.S_IMODE(mode))
        if valid & _SIZE:
            os.truncate(path, size)
        if valid & _MTIME_NOW:
            os.utime(path)
        elif valid & _MTIME:
            ns = seconds * 10**9 + part - self._ahead
            os.utime(path, ns=(ns, ns))
        return self._told(path)

    def _mkdir(self, node: int, data: bytes) -> bytes:
        path = self._below(node, data[8:])
        os.mkdir(path, struct.unpack_from("=I", data)[0] & 0o7777)
        return self._entry(path)

    def _removed(self, remove: Callable[[bytes], None], node: int, data: bytes) -> bytes:
        remove(self._below(node, data))
        return b""

    def _rename(self, node: int, data: bytes, skip: int) -> bytes:
        (to,) = struct.unpack_from("=Q", data)
        old, new = data[skip:].split(b"\0")[:2]
        source, target = self._below(node, old), self._below(to, new)
        os.rename(source, target)
        if (moved := self._numbers.pop(source, None)) is not None:
            self._numbers[target], self._paths[moved] = moved, target
        return b""

    def _open(self, path: bytes, data: bytes) -> bytes:
        flags = struct.unpack_from("=I", data)[0] & (os.O_ACCMODE | os.O_APPEND | os.O_TRUNC)
        return struct.pack("=QII", os.open(path, flags), 0, 0)

    def _create(self, node: int, data: bytes) -> bytes:
        flags, mode = struct.unpack_from("=II", data)
        path = self._below(node, data[16:])
        file = os.open(path, (flags & (os.O_ACCMODE | os.O_EXCL)) | os.O_CREAT, mode & 0o7777)
        return self._entry(path) + struct.pack("=QII", file, 0, 0)

    def _read(self, _node: int, data: bytes) -> bytes:
        file, offset, size = struct.unpack_from("=QQI", data)
        return os.pread(file, size, offset)

    def _write(self, _node: int, data: bytes) -> bytes:
        file, offset, size = struct.unpack_from("=QQI", data)
        return struct.pack("=II", os.pwrite(file, data[40 : 40 + size], offset), 0)

    def _close(self, _node: int, data: bytes) -> bytes:
        os.close(struct.unpack_from("=Q", data)[0])
        return b""

    def _list(self, node: int, data: bytes) -> bytes:
        _, offset, size = struct.unpack_from("=QQI", data)
        listed = b""
        for at, name in enumerate(sorted(os.listdir(self._paths[node])), start=1):
            entry = struct.pack("=QQII", at, at, len(name), 0) + name
            entry += b"\0" * (-len(entry) % 8)
            if at > offset and len(listed) + len(entry) <= size:
                listed += entry
            elif at > offset:
                break
        return listed

    def _room(self, _node: int, _data: bytes) -> bytes:
        at = os.statvfs(self._behind)
        numbers = (at.f_blocks, at.f_bfree, at.f_bavail, at.f_files, at.f_ffree, at.f_bsize, 255, at.f_frsize, 0)
        return struct.pack("=5Q4I6I", *numbers, *([0] * 6))


if __name__ == "__main__":
    Server(os.fsencode(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])).serve()
