"""A kernel of a Jupyter server, reached as a browser does: REST to start it, a WebSocket to talk to it."""
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import requests
import websocket

WAIT = 0.5                                                              # seconds that the socket blocks


class Died(RuntimeError):
    """The server has restarted the kernel, or given it up."""


class Reply(NamedTuple):
    """What a cell brought: "ok" or "error", its texts, its HTML, and what went wrong."""

    status: str
    text: str
    html: str
    error: str


class Kernel:
    """One kernel, in the folder of the notebook it is started for."""

    def __init__(self, url: str, token: str, path: str) -> None:
        self.url, self.headers = url.rstrip("/"), {"Authorization": f"token {token}"}
        wanted = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        self.session = call(self.url, self.headers, "post", "/api/sessions", wanted)
        address = f"{self.url}/api/kernels/{self.session['kernel']['id']}/channels"
        self.socket = websocket.create_connection(
            address.replace("http", "ws", 1), header=self.headers, timeout=300, suppress_origin=True)
        self.socket.settimeout(WAIT)

    def run(self, code: str, timeout: float = 300) -> Reply:
        """Runs a cell; returns when it is answered and its outputs are here."""
        asked, texts, pages, error, reply, idle = self.send(code), [], [], "", None, False
        for kind, parent, content in self.messages(timeout):
            if kind == "status" and content["execution_state"] in ("restarting", "dead"):
                raise Died("the kernel died")
            if parent != asked:
                continue
            if kind == "stream":
                texts.append(content["text"])
            elif kind in ("display_data", "execute_result"):
                texts.append(content["data"].get("text/plain", ""))
                pages.append(content["data"].get("text/html", ""))
            elif kind == "error":
                error = f"{content['ename']}: {content['evalue']}"
            elif kind == "execute_reply":
                reply = content["status"]
            idle = idle or kind == "status" and content["execution_state"] == "idle"
            if reply and idle:
                return Reply(reply, "\n".join(texts), "\n".join(pages), error)
        raise TimeoutError(f"not done after {timeout:.0f} s")

    def send(self, code: str) -> str:
        """Sends a cell without waiting for it; its id."""
        asked = uuid.uuid4().hex
        header = {"msg_id": asked, "msg_type": "execute_request", "session": asked, "username": "",
                  "date": "", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": True}
        self.socket.send(json.dumps({"header": header, "parent_header": {}, "metadata": {},
                                     "channel": "shell", "content": content, "buffers": []}))
        return asked

    def messages(self, timeout: float) -> Iterator[tuple[str, str | None, Any]]:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                text = self.socket.recv()
            except websocket.WebSocketTimeoutException:
                continue
            if isinstance(text, str) and text:                          # binary: pictures of widgets
                message = json.loads(text)
                yield message["msg_type"], message["parent_header"].get("msg_id"), message["content"]

    def close(self) -> None:
        self.socket.close()
        call(self.url, self.headers, "delete", f"/api/sessions/{self.session['id']}")


def call(url: str, headers: dict[str, str], method: str, path: str, data: Any = None) -> Any:
    """What a REST call brings; raises requests.HTTPError if it is refused."""
    done = requests.request(method, url + path, headers=headers, json=data, timeout=300)
    done.raise_for_status()
    return done.json() if done.content else None
