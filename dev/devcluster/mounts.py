"""What is mounted on this machine, and where. What lies behind a mount point may be another's."""
import dataclasses
import os
import re
import subprocess

from .report import Failure

TABLE = "/proc/self/mountinfo"


@dataclasses.dataclass(frozen=True)
class Mount:
    """One line of the table: where it is mounted, and the type of its file system."""

    point: str
    kind: str


def table():
    """All mounts, in the order in which they were made."""
    with open(TABLE, "rb") as lines:
        return [_parsed(line.split()) for line in lines]


def _parsed(words):
    # A blank and the like stand there as \040. All else is as it is, be it UTF-8 or not.
    point = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found.group(1), 8)]), words[4])
    return Mount(os.fsdecode(point), os.fsdecode(words[words.index(b"-", 6) + 1]))


def at_or_below(folder):
    """The mount points at the folder and below it; a bind mount is one, too, although it has no device of its own."""
    folder = str(folder)
    return [mount.point for mount in table() if mount.point == folder or mount.point.startswith(folder + "/")]


def unmount(point):
    done = subprocess.run(["umount", point], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0 and os.path.ismount(point):
        raise Failure(f"cannot unmount {point}: {done.stderr.strip()}",
                      f"see who uses it with `fuser -vm {point}`, end it, then dev/cluster down again")
