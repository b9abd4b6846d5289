"""The modules of the project, and what only Linux has."""

from __future__ import annotations

from pathlib import Path

from tests.support import ROOT

#: What only Linux has, by module.
LINUX_ONLY = {
    "os": {
        "memfd_create", "eventfd", "pidfd_open", "splice", "copy_file_range", "sched_getaffinity", "sched_setaffinity",
        "posix_fadvise", "posix_fallocate", "fdatasync", "getxattr", "setxattr", "listxattr", "removexattr", "pipe2",
        "getrandom", "setresuid", "getresuid", "setns", "unshare", "O_TMPFILE", "O_PATH", "O_DIRECT", "O_NOATIME",
    },
    "select": {"epoll"},
    "selectors": {"EpollSelector"},
    "resource": {"prlimit", "RLIMIT_NICE", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE"},
    "signal": {"pidfd_send_signal", "sigwaitinfo", "sigtimedwait"},
    "socket": {"AF_NETLINK", "AF_PACKET", "SO_PEERCRED", "SOCK_CLOEXEC", "SOCK_NONBLOCK"},
    "time": {"CLOCK_BOOTTIME"},
}  # fmt: skip


def _module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {_module_of(path): path for top in ("watcher", "processors") for path in sorted((ROOT / top).rglob("*.py"))}
