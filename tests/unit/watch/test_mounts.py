"""Mounts: which file system a folder lies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.watch import mounts


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "ext4"),
        ("/data", "xfs"),
        ("/data/a", "xfs"),
        ("/database", "ext4"),
        ("/data/share", "nfs4"),
        ("/data/share/deep/er", "nfs4"),
        ("/mnt/with space/x", "fuse.sshfs"),
        ("/twice", "cifs"),
    ],
)
def test_the_longest_mount_above_counts(tmp_path: Path, path: str, expected: str) -> None:
    """Whole names are compared, escapes undone, and what was mounted last hides what was there."""
    table = tmp_path / "mounts"
    table.write_text(
        "/dev/a / ext4 rw 0 0\n"
        "/dev/b /data xfs rw 0 0\n"
        "host:/x /data/share nfs4 rw 0 0\n"
        "me@host: /mnt/with\\040space fuse.sshfs rw 0 0\n"
        "tmpfs /twice tmpfs rw 0 0\n"
        "//host/share /twice cifs rw 0 0\n"
        "torn\n"
    )
    assert mounts.file_system(path, str(table)) == expected


def test_no_table_is_no_answer(tmp_path: Path) -> None:
    """A system without the table is not taken for a network."""
    assert mounts.file_system("/data", str(tmp_path / "none")) is None
    assert not mounts.is_network(None)


def test_networks_are_told_from_disks() -> None:
    """Network file systems, and all that may be one, are polled."""
    assert all(map(mounts.is_network, ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph")))
    assert not any(map(mounts.is_network, ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuseblk")))
