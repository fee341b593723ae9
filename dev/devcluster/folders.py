"""The only place that removes folders with what is in them."""
import shutil

from . import mounts
from .report import Failure


def remove(folder):
    """Removes a folder of ours, if it is there. Links in it are removed, not followed."""
    refuse_mounts(folder)
    if folder.exists():
        shutil.rmtree(folder)


def refuse_mounts(folder):
    """What somebody mounted in our folder is theirs, and a removal would go through it."""
    for point in mounts.at_or_below(folder):
        raise Failure(f"{folder} is to be removed, but {point} is mounted, and not by this cluster",
                      f"see what it is with `findmnt {point}`, then `umount {point}` and try again")
