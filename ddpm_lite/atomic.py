"""Files that are whole or not there: written beside their place, flushed to the disk, renamed."""
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write(path: Path, content: Iterable[bytes]) -> None:
    """Replaces `path` by all of `content`; if that fails, what was there before stays."""
    part = path.with_name(f".{path.name}.part")                         # overwrites what a killed save left
    try:
        with open(part, "wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        why = error.strerror or error
        raise OSError(error.errno, f"can't write {path} ({why}); what was there stays") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
