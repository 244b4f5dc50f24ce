import errno
import gzip
import hashlib
import http.server
import io
import os
import struct
import tarfile
import threading

import pytest
import torch
from torch.testing import assert_close

from ddpm_lite import data, download
from ddpm_lite.download import DownloadError, Source, fetch


def test_digits_are_the_real_ones_split_once_and_for_all():
    """Every image in one split alone, 17 grey levels k / 8 - 1 (float32, exact), the same 500 always."""
    from sklearn.datasets import load_digits
    whole, label = load_digits(return_X_y=True)
    (train, train_label), (test, test_label) = (data.digits(s, labels=True) for s in ("train", "test"))
    assert train.shape == (1297, 1, 8, 8) and test.shape == (500, 1, 8, 8) and train.dtype == torch.float32
    assert_close(train.unique(), torch.arange(17) / 8 - 1, rtol=0, atol=0)
    pixels = 8 * torch.cat([train, test]).flatten(1) + 8
    rows = torch.cat([pixels, torch.cat([train_label, test_label])[:, None]], 1).int().tolist()
    assert sorted(rows) == sorted([*map(int, row), int(kind)] for row, kind in zip(whole, label, strict=True))
    assert len(set(map(tuple, rows))) == 1797                           # so train and test share none
    share = test_label.bincount() - torch.as_tensor(label).bincount() * 500 / 1797
    assert share.abs().max() <= 1                                       # stratified
    assert test_label[:100].bincount().min() > 0                        # and mixed: some of it is fair, too
    seen = hashlib.sha256(test_label.to(torch.uint8).numpy().tobytes() + test.numpy().tobytes()).hexdigest()
    assert seen == "9ac4de307beebb730b83582425a50f9535f877adcf2d3e87ee027f5fca7f2bb6"


@pytest.mark.parametrize("load", data.DATASETS.values(), ids=data.DATASETS)
def test_a_wrong_split_is_refused(load):
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'valid'"):
        load("valid")


@pytest.mark.parametrize("name", data.TOYS)
def test_toys(name):
    """Mean within 0.1 of 0 and standard deviation within 0.15 of 1, a function of the seed alone."""
    points = data.toy(name, 20_000, seed=1)
    assert points.shape == (20_000, 2) and points.dtype == torch.float32
    assert points.mean(0).abs().max() < 0.1 and (points.std(0) - 1).abs().max() < 0.15
    assert_close(data.toy(name, 20_000, seed=1), points, rtol=0, atol=0)
    assert (data.toy(name, 20_000, seed=2) != points).any(1).all()


def test_eight_gaussians_are_eight():
    angle = torch.arange(8) * torch.pi / 4
    centres = 2**0.5 * torch.stack([angle.cos(), angle.sin()], 1)
    near = torch.cdist(data.toy("eight_gaussians", 8000), centres).min(1)
    assert near.values.max() < 0.6                                      # six times the 0.1 of each
    assert (near.indices.bincount(minlength=8) - 1000).abs().max() < 150            # five standard deviations


def test_a_bad_toy_is_refused():
    with pytest.raises(ValueError, match="unknown toy 'moon', expected one of eight_gaussians, moons"):
        data.toy("moon", 5)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        data.toy("moons", 0)


# Downloads: real files, made of the digits, from a server on this machine


def idx(array: torch.Tensor) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.numpy().tobytes(), mtime=0)


class Mirror(http.server.ThreadingHTTPServer):
    """Serves `files`. The first `cut` replies break off half way (-1: each that begins at 0); `ranges` says
    whether it can resume."""

    def __init__(self, files, cut=0, ranges=True):
        super().__init__(("127.0.0.1", 0), Reply)
        self.files, self.cut, self.ranges, self.log = files, cut, ranges, []
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Reply(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        mirror, span = self.server, self.headers.get("Range")
        mirror.log.append((self.path[1:], span))
        body = mirror.files.get(self.path[1:])
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span and mirror.ranges else 0
        if body is None:
            return self.send_error(404)
        if start >= len(body):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = body[start:]
        if mirror.cut > 0 or mirror.cut < 0 and not start:
            mirror.cut -= mirror.cut > 0
            rest = rest[:len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """serve(dataset, files, mirror, ...): these files are the data set now, to be had from these mirrors."""
    monkeypatch.setenv("DDPM_LITE_DATA", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    mirrors = []

    def start(dataset, files, *settings):
        mirrors.extend(Mirror(**{"files": files, **s}) for s in settings)
        sums = {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}
        monkeypatch.setitem(download.SOURCES, dataset, Source(tuple(m.url for m in mirrors), sums))
        return mirrors

    yield start
    for mirror in mirrors:
        mirror.shutdown()
        mirror.server_close()


BODY = bytes(i * i // 7 % 256 for i in range(40_000))
FILE = {"f.gz": BODY}
DEAD = Source(("http://127.0.0.1:9/",), {"f.gz": hashlib.sha256(BODY).hexdigest()})


def left(folder) -> list[str]:
    return sorted(path.name for path in (folder / "mnist").iterdir() if path.name != ".lock")


def says(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_files_arrive_as_they_are(serve, name):
    """Grey levels 0 .. 255 become x / 127.5 - 1; float32, 1e-6."""
    images, labels = data.digits("test", labels=True)
    pixels = ((images[:, 0] + 1) * 127.5).round().to(torch.uint8)
    (mirror,) = serve(name, {"t10k-images-idx3-ubyte.gz": idx(pixels),
                             "t10k-labels-idx1-ubyte.gz": idx(labels.to(torch.uint8))}, {})
    got, kinds = data.DATASETS[name]("test", labels=True)
    assert got.dtype == torch.float32 and kinds.dtype == torch.int64
    assert_close(got, pixels[:, None] / 127.5 - 1, rtol=0, atol=1e-6)
    assert_close(kinds, labels, rtol=0, atol=0)
    data.DATASETS[name]("test", labels=True)
    assert len(mirror.log) == 2                                         # the second time nothing is asked for


def test_cifar_is_read_inside_its_archive(serve, tmp_path):
    """Planes of red, green, blue, each row by row; batches in order; no file but the archive on the disk."""
    rows = torch.randint(256, (6, 2, 3073), dtype=torch.uint8)
    rows[:, :, 0] = torch.arange(12, dtype=torch.uint8).reshape(6, 2) % 10
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for i in [4, 1, 2, 0, 3, 5]:
            name = f"data_batch_{i + 1}.bin" if i < 5 else "test_batch.bin"
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = rows[i].numel()
            tar.addfile(member, io.BytesIO(rows[i].numpy().tobytes()))
    serve("cifar10", {"cifar-10-binary.tar.gz": archive.getvalue()}, {})
    images, labels = data.cifar10("train", labels=True)
    assert labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert_close(images[3, 2, 5, 7], rows[1, 1, 1 + 2 * 1024 + 5 * 32 + 7] / 127.5 - 1, rtol=0, atol=1e-6)
    assert_close(data.cifar10("test")[1, 0, 0, 31], rows[5, 1, 32] / 127.5 - 1, rtol=0, atol=1e-6)
    assert sorted(p.name for p in (tmp_path / "cifar10").iterdir()) == [".lock", "cifar-10-binary.tar.gz"]


def test_a_cut_transfer_goes_on_where_it_broke_off(serve, tmp_path):
    (mirror,) = serve("mnist", FILE, {"cut": 2})
    assert fetch("mnist", "f.gz").read_bytes() == BODY
    assert [span for _, span in mirror.log] == [None, "bytes=20000-", "bytes=30000-"]
    assert left(tmp_path) == ["f.gz"]


@pytest.mark.parametrize("ranges, part", [(True, BODY[:777]), (True, BODY), (False, BODY[:777]),
                                          (True, b"another file's beginning"), (True, BODY + b"too long")])
def test_a_part_left_by_a_killed_run_is_used_or_dropped(serve, tmp_path, ranges, part):
    serve("mnist", FILE, {"ranges": ranges})
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "f.gz.part").write_bytes(part)
    assert fetch("mnist", "f.gz").read_bytes() == BODY
    assert left(tmp_path) == ["f.gz"]


@pytest.mark.parametrize("bad", [
    {"files": {"f.gz": b"<html>log in</html>"}}, {"files": {}}, {"cut": 99, "ranges": False}])
def test_a_bad_mirror_is_passed_over(serve, tmp_path, bad):
    first, second = serve("mnist", FILE, bad, {})
    assert fetch("mnist", "f.gz").read_bytes() == BODY
    assert first.log and len(second.log) == 1
    assert left(tmp_path) == ["f.gz"]


@pytest.mark.parametrize("cut", [0, -1])
def test_a_wrong_file_is_never_kept(serve, tmp_path, cut):
    serve("mnist", FILE, {"files": {"f.gz": b"x" * 40_000}, "cut": cut})
    with pytest.raises(DownloadError, match="wrong sha256") as error:
        fetch("mnist", "f.gz")
    assert left(tmp_path) == [] and says(error)


def test_without_a_network_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("DDPM_LITE_DATA", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setitem(download.SOURCES, "mnist", DEAD)
    with pytest.raises(DownloadError, match="try again when the network works") as error:
        fetch("mnist", "f.gz")
    assert f"save http://127.0.0.1:9/f.gz as {tmp_path}/mnist/f.gz" in says(error)
    (tmp_path / "mnist" / "f.gz").write_bytes(BODY)                     # what it says does help
    assert fetch("mnist", "f.gz").read_bytes() == BODY


def test_a_wrong_file_put_there_by_hand_is_named_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DDPM_LITE_DATA", str(tmp_path))
    monkeypatch.setitem(download.SOURCES, "mnist", DEAD)
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "f.gz").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="is not the file expected") as error:
        fetch("mnist", "f.gz")
    assert "delete it" in says(error) and left(tmp_path) == ["f.gz"]


class Full(io.FileIO):
    def write(self, chunk):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_keeps_what_has_come(serve, tmp_path, monkeypatch):
    (mirror,) = serve("mnist", FILE, {})
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "f.gz.part").write_bytes(BODY[:12_345])
    with monkeypatch.context() as full:
        full.setattr(download, "open", lambda path, mode: (Full if "a" in mode else open)(path, mode),
                     raising=False)
        with pytest.raises(DownloadError, match="No space left on device; what has come is kept") as error:
            fetch("mnist", "f.gz")
    assert says(error) and left(tmp_path) == ["f.gz.part"]
    assert fetch("mnist", "f.gz").read_bytes() == BODY
    assert mirror.log[-1] == ("f.gz", "bytes=12345-")


def test_a_file_in_a_cache_to_read_only_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("DDPM_LITE_DATA", str(tmp_path))
    monkeypatch.setitem(download.SOURCES, "mnist", DEAD)
    (tmp_path / "mnist" / ".lock").mkdir(parents=True)                  # no lock can be written, not by root
    (tmp_path / "mnist" / "f.gz").write_bytes(BODY)
    assert fetch("mnist", "f.gz").read_bytes() == BODY


def test_a_cache_that_is_no_folder_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DDPM_LITE_DATA", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="cannot write .* set DDPM_LITE_DATA to another folder") as error:
        fetch("mnist", "train-images-idx3-ubyte.gz")
    assert says(error)


def test_ranks_that_ask_at_once_download_once(serve):
    (mirror,) = serve("mnist", FILE, {})
    ranks = [threading.Thread(target=fetch, args=("mnist", "f.gz")) for _ in range(4)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert len(mirror.log) == 1


@pytest.mark.parametrize("body, says", [
    (b"no gzip", "not a whole gzip file"),
    (idx(torch.zeros(3, 2, dtype=torch.uint8))[:-5], "not a whole gzip file"),
    (gzip.compress(b"\0\0\x08\x01\0\0\0\x05abc", mtime=0), r"header says \[5\], and 3 bytes follow"),
    (gzip.compress(b"\x89PNG", mtime=0), "not a whole IDX file")])
def test_a_broken_idx_file_is_named(tmp_path, body, says):
    (tmp_path / "f.gz").write_bytes(body)
    with pytest.raises(ValueError, match=says):
        data.read_idx(tmp_path / "f.gz")


def test_a_broken_archive_is_named(tmp_path):
    path = tmp_path / "f.tar.gz"
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="not a whole tar.gz file"):
        data.read_cifar(path, "train")
    with tarfile.open(path, "w:gz"):
        pass
    with pytest.raises(ValueError, match="rows of 3073 bytes for 'train', got 0 bytes"):
        data.read_cifar(path, "train")


def test_every_source_is_pinned():
    for source in download.SOURCES.values():
        assert len(source.mirrors) >= 2
        assert all(url.startswith("http") and url.endswith("/") for url in source.mirrors)
        assert all(len(bytes.fromhex(value)) == 32 for value in source.sha256.values())
