"""Files of public data sets: fetched once, checked by sha256, resumed where a transfer broke off.

They lie in `$DDPM_LITE_DATA`, or `~/.cache/ddpm_lite`. A file put there by hand is as good as a fetched one.
"""
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

try:
    import fcntl
except ImportError:                              # Windows
    fcntl = None                                 # type: ignore[assignment]

TIMEOUT = 20                                     # seconds without a byte
CHUNK = 1 << 18                                  # bytes


class DownloadError(RuntimeError):
    """A file could not be had; the message says why, and what to do."""


class Source(NamedTuple):
    mirrors: tuple[str, ...]                     # tried in this order
    sha256: dict[str, str]                       # by file name


SOURCES = {
    "mnist": Source(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
        {"train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
         "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
         "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
         "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}),
    "fashion_mnist": Source(
        ("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
         "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
        {"train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
         "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
         "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
         "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"}),
    "cifar10": Source(
        ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"),
        {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}),
}


def fetch(dataset: str, name: str) -> Path:
    """The path of a file of SOURCES[dataset], downloaded if it isn't there yet. Raises DownloadError."""
    mirrors, sha256 = SOURCES[dataset].mirrors, SOURCES[dataset].sha256[name]
    path = Path(os.environ.get("DDPM_LITE_DATA") or "~/.cache/ddpm_lite").expanduser() / dataset / name
    try:
        if not path.exists():                                           # a cache may be there to read only
            path.parent.mkdir(parents=True, exist_ok=True)
            with alone(path.parent):
                if not path.exists():                                   # nor has another process fetched it
                    download(path, sha256, [mirror + name for mirror in mirrors])
        if (found := digest(path)) != sha256:
            raise DownloadError(f"{path} is not the file expected: sha256 {sha256}, got {found}; "
                                f"delete it to download it again")
    except OSError as error:                     # the network's errors never come this far
        raise DownloadError(f"cannot write {path}: {error.strerror or error}; what has come is kept, "
                            f"mend that and try again, or set DDPM_LITE_DATA to another folder") from error
    return path


def download(path: Path, sha256: str, urls: list[str]) -> None:
    """Pull from one address after another into `path.part`, and rename it once its sha256 is right."""
    part = path.with_name(path.name + ".part")
    errors: list[str] = []
    for url in urls:
        stale = part.exists()                                           # begun by another run or mirror
        while True:
            before = size(part)
            error = pull(url, part)
            if error is None:
                if (found := digest(part)) == sha256:
                    return os.replace(part, path)
                part.unlink()
                error = f"wrong sha256 {found[:8]}..., not {sha256[:8]}..."
                again, stale = stale, False                             # the old part may have been bad
            else:
                again = size(part) > before                             # it broke off: go on from there
            if not again:
                errors.append(f"{url}: {error}")
                break
    raise DownloadError(f"could not download {path.name} ({'; '.join(errors)}); try again when the network "
                        f"works, or save {urls[0]} as {path}")


def pull(url: str, part: Path) -> str | None:
    """Append to `part` what is missing; returns what the network did wrong, if anything."""
    have = size(part)
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        reply = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        return None if error.code == 416 and have else f"HTTP {error.code} {error.reason}"  # nothing missing
    except (OSError, HTTPException, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    resumed = reply.status == 206
    length = reply.headers.get("Content-Length")
    total = int(length) + have * resumed if length else None
    with (reply, open(part, "ab" if resumed else "wb") as file,
          tqdm(desc=part.stem, initial=have * resumed, total=total, unit="B", unit_scale=True) as bar):
        while True:
            try:
                chunk = reply.read(CHUNK)
            except (OSError, HTTPException) as error:
                return str(error) or type(error).__name__
            if not chunk:
                break
            file.write(chunk)
            bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
        return None if total is None or file.tell() == total else f"cut off at {file.tell()} of {total} bytes"


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time: several ranks may ask for the same file at once."""
    with open(folder / ".lock", "w") as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
