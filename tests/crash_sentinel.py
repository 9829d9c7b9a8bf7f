"""Notices that an earlier test run of this tree never ended, as after a segmentation fault of native code.

Each run keeps a file named after its process in the area for temporary files and removes it at its end. A file whose
process is gone is a run that crashed or was killed.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import tempfile
from pathlib import Path


def sentinel_folder(root: Path) -> Path:
    """Where the runs of the tree at ``root`` keep their files; beside pytest's own folders for temporary files."""
    tree = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"pytest-of-{getpass.getuser()}" / f"fastgw-runs-{tree}"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def begin_run(folder: Path, pid: int) -> list[int]:
    """Mark the run of ``pid`` as going on, and return (and forget) the process ids of runs that never ended."""
    folder.mkdir(parents=True, exist_ok=True)
    crashed = []
    for path in folder.glob("*.running"):
        if not path.stem.isdecimal() or int(path.stem) == pid or not is_alive(int(path.stem)):
            crashed.append(int(path.stem) if path.stem.isdecimal() else 0)
            path.unlink(missing_ok=True)
    (folder / f"{pid}.running").write_text("")
    return sorted(crashed)


def end_run(folder: Path, pid: int) -> None:
    (folder / f"{pid}.running").unlink(missing_ok=True)
