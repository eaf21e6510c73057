"""Removing a directory that a hostile process filled: nested thousands deep, or with modes that keep its owner out.

`shutil.rmtree` recurses, holds a descriptor for each level, and gives up on a directory that it can't list.
"""

from __future__ import annotations

import contextlib
import os

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove a directory of this user's with all that is in it, as far as it can be; follows no link, raises nothing.

    Folders are first moved up to the top, so that nothing is ever deeper than two levels; that needs no room.
    """
    with contextlib.suppress(OSError):
        top = os.open(path, _FLAGS)
        try:
            before = None
            # Until nothing changes: worker, keeper and parent may all be at it.
            while (there := _entries(top)) and there != before:
                before = None if _clear(top, top) else there
        finally:
            os.close(top)
        os.rmdir(path)


def _clear(folder: int, top: int) -> bool:
    """Remove what is in an open folder; what folders it holds go, or, from below, move to the top. Whether anything
    went."""
    went = False
    for name, is_folder in _entries(folder):
        with contextlib.suppress(OSError):
            if not is_folder:
                os.unlink(name, dir_fd=folder)
            elif folder == top:
                _empty(name, top)
                os.rmdir(name, dir_fd=top)
            else:
                os.rename(name, os.urandom(16).hex(), src_dir_fd=folder, dst_dir_fd=top)
            went = True
    return went


def _empty(name: str, top: int) -> None:
    with contextlib.suppress(OSError):
        os.chmod(name, 0o700, dir_fd=top)
    inner = os.open(name, _FLAGS, dir_fd=top)
    try:
        _clear(inner, top)
    finally:
        os.close(inner)


def _entries(folder: int) -> list[tuple[str, bool]]:
    with os.scandir(folder) as found:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
