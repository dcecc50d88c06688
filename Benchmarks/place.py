"""A new folder in a part of the disk where files are made quickly.

ext4 without a journal, which the disks of many virtual machines have, gives the inode of a removed file
out again only minutes later. Whoever makes a file where many were just removed, as the last run of a
benchmark did, first searches past all of these: that takes several times as long as the rest of fetching
a small object, and says nothing of who fetches it. So a few folders in different parts of the disk are
tried.
"""

import fcntl
import os
import secrets
import struct
import time

TRIES, FILES = 8, 200
GET_FLAGS, SET_FLAGS, SPREAD = 0x80086601, 0x40086602, 0x20000  # FS_IOC_…FLAGS, FS_TOPDIR_FL


def place(home):
    """The best of several new folders in `home`, and the CPU seconds that making a file takes there."""
    home.mkdir(parents=True, exist_ok=True)
    spread(home)
    found = []
    for _ in range(TRIES):
        folder = home / secrets.token_hex(8)
        # The files stay for now: when they are removed, they are in the way of others.
        (folder / "tried").mkdir(parents=True)
        begin = time.process_time()
        for number in range(FILES):
            os.close(os.open(folder / "tried" / str(number), os.O_CREAT | os.O_WRONLY))
        found.append(((time.process_time() - begin) / FILES, folder))
    seconds, folder = min(found)
    return folder, seconds


def spread(home):
    """Asks for the folders in `home` to be put into different parts of the disk: what `chattr +T` does."""
    descriptor = os.open(home, os.O_RDONLY)
    try:
        flags, = struct.unpack("l", fcntl.ioctl(descriptor, GET_FLAGS, bytes(8)))
        fcntl.ioctl(descriptor, SET_FLAGS, struct.pack("l", flags | SPREAD))
    except OSError:
        pass  # another kind of file system
    finally:
        os.close(descriptor)
