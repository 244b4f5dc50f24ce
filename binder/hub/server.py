"""JupyterHub and its proxy on loopback, as two processes, and the hub's API."""
import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import requests

from binder.check import ROOT, image
from binder.check.group import until
from binder.check.kernel import call
from binder.hub import BUILD

HERE = Path(__file__).parent
ENVIRONMENT, NPM, STATE = BUILD / "environment", BUILD / "npm", BUILD / "state"


def install() -> None:
    """The students' environment: the image's, with JupyterHub, as repo2docker's base has it. The proxy."""
    image.make()
    listed, kept = HERE / "requirements.txt", ENVIRONMENT / "requirements.txt"
    if not kept.exists() or kept.read_bytes() != listed.read_bytes():
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        ENVIRONMENT.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-al", image.VENV, ENVIRONMENT], check=True)
        subprocess.run([ENVIRONMENT / "bin/python", "-m", "pip", "install", "-q", "-r", listed], check=True)
        shutil.copy(listed, kept)
    if not (NPM / "node_modules/configurable-http-proxy").exists():
        NPM.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, NPM)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                       cwd=NPM, check=True)


class Hub:
    """`url` is the proxy's. The state is new for every check."""

    def __init__(self, names: list[str], mb: int) -> None:
        self.port, self.token, self.hub, self.mb = free(), secrets.token_hex(), None, mb
        self.url, self.api = f"http://127.0.0.1:{self.port}", "/hub/api"
        shutil.rmtree(STATE, ignore_errors=True)
        STATE.mkdir(mode=0o700, parents=True)
        self.env = {
            "PATH": f"{ENVIRONMENT}/bin:{os.environ['PATH']}", "HOME": str(STATE), "PYTHONPATH": str(ROOT),
            "CLASS_PORT": str(self.port), "CLASS_TOKEN": self.token, "CLASS_STUDENTS": " ".join(names),
            "CLASS_MEMORY": f"{mb}M", "CLASS_ENVIRONMENT": str(ENVIRONMENT),
            "CLASS_LIBRARIES": str(image.PYTHON / "lib"),
            "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex()}
        self.proxy = self._start(
            "node", NPM / "node_modules/configurable-http-proxy/bin/configurable-http-proxy",
            "--ip=127.0.0.1", f"--port={self.port}", "--api-ip=127.0.0.1", f"--api-port={self.port + 2}",
            log="proxy.log")
        try:
            self.start()
        except BaseException:
            self.end()
            raise

    def _start(self, *command: str | Path, log: str) -> subprocess.Popen:
        with (STATE / log).open("a") as out:
            return subprocess.Popen(command, cwd=STATE, env=self.env, stdout=out, stderr=out)

    def start(self) -> None:
        self.hub = self._start(ENVIRONMENT / "bin/python", "-m", "jupyterhub", "-f", HERE / "local_config.py",
                               log="hub.log")
        until(self.answers, 300, f"no hub ({STATE / 'hub.log'})")

    def answers(self) -> bool:
        if self.hub.poll() is not None:
            raise RuntimeError(f"the hub has ended ({STATE / 'hub.log'} says why)")
        try:
            return requests.get(f"{self.url}{self.api}/", timeout=5).ok
        except requests.RequestException:
            return False

    def stop(self) -> None:
        """The hub alone, as a restart does it; servers and proxy go on."""
        self.hub.terminate()
        self.hub.wait(60)

    def call(self, method: str, path: str, data: Any = None) -> Any:
        return call(self.url, {"Authorization": f"token {self.token}"}, method, self.api + path, data)

    def open(self, name: str) -> str:
        """Starts a student's server; a token of the student when it is ready."""
        self.call("post", f"/users/{name}/server")
        until(lambda: self.ready(name), 300, f"{name}: no server")
        return self.call("post", f"/users/{name}/tokens", {"note": "class-check"})["token"]

    def ready(self, name: str) -> bool:
        return self.call("get", f"/users/{name}")["servers"].get("", {}).get("ready", False)

    def close(self, name: str) -> None:
        self.call("delete", f"/users/{name}/server")
        until(lambda: not self.call("get", f"/users/{name}")["servers"], 60, f"{name}: not stopped")

    def end(self) -> None:
        for process in (self.hub, self.proxy):
            process.terminate()
            process.wait(60)


def free() -> int:
    """The first of three ports in a row that nobody uses."""
    for port in range(18000 + int(time.time()) % 1000 * 3, 60000, 3):
        try:
            for k in range(3):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + k))
            return port
        except OSError:
            continue
    raise RuntimeError("no free ports")
