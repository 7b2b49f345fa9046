# SPDX-License-Identifier: GPL-2.0-only
"""cpio.py - write initramfs archives (the "newc" format), reproducibly.

Used to build the initramfs and, by the lab, to append a command and host
files to it. Inode numbers count up from 1, all times are 0 and everything
belongs to root, so equal contents give equal bytes.
"""
import stat


class Cpio:
    def __init__(self):
        self.out = bytearray()
        self.ino = 0
        self.seen = set()

    def _entry(self, path, mode, data=b"", rdev=(0, 0)):
        name = path.strip("/").encode() + b"\0"
        self.ino += 1
        fields = (self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name), 0)
        self.out += b"070701" + b"".join(b"%08X" % f for f in fields) + name
        self._pad()
        self.out += data
        self._pad()

    def _pad(self):
        self.out += b"\0" * (-len(self.out) % 4)

    def dir(self, path, mode=0o755):
        """Add a directory and those above it; one that is there already stays."""
        path = path.strip("/")
        if not path or path in self.seen:
            return
        self.dir(path.rpartition("/")[0])
        self.seen.add(path)
        self._entry(path, stat.S_IFDIR | mode)

    def file(self, path, data, mode=0o644):
        self.dir(path.strip("/").rpartition("/")[0])
        self._entry(path, stat.S_IFREG | mode, data)

    def symlink(self, path, target):
        self.dir(path.strip("/").rpartition("/")[0])
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def chardev(self, path, major, minor, mode=0o600):
        self.dir(path.strip("/").rpartition("/")[0])
        self._entry(path, stat.S_IFCHR | mode, rdev=(major, minor))

    def bytes(self):
        """The finished archive; archives may be put one behind another."""
        self.ino = -1
        self._entry("TRAILER!!!", 0)
        return bytes(self.out)
