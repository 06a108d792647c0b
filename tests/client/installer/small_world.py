"""A backend of a few kilobytes: tiny wheels, a bundle that brings them, an index that serves them, slowly where asked."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 180.0  # seconds for what takes moments on a quiet machine
# The doctor of the tiny backend: what it finds lies in a file beside it.
CLI = """
import json, pathlib, sys
told = pathlib.Path(__file__).with_name("problems.json")
if sys.argv[1:] == ["doctor", "--json"]:
    import small, torch
    print(json.dumps({"problems": json.loads(told.read_text()) if told.is_file() else []}))
"""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel(folder: Path, name: str, version: str, files: dict[str, str | bytes], needs: tuple[str, ...] = ()) -> Path:
    """A wheel for any Python."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needed = "".join(f"Requires-Dist: {one}\n" for one in needs)
    whole = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    whole[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}".encode()
    whole[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

    def digest(data: bytes) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

    lines = [f"{path},sha256={digest(data)},{len(data)}" for path, data in whole.items()]
    whole[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    target = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, data in whole.items():
            archive.writestr(zipfile.ZipInfo(path), data)  # without the time: the same files are the same wheel
    return target


class SmallWorld:
    """packages/: what the internet has. index/cpu/: PyTorch's own. bundle/: what the extension brings."""

    def __init__(self, folder: Path, pip_wheel: Path) -> None:
        self.packages, self.index, self.bundle = folder / "packages", folder / "index", folder / "bundle"
        self.pip_wheel = pip_wheel
        small = wheel(self.packages, "small", "1.0", {"small/__init__.py": "SIZE = 1\n"})
        self.lock = f"small==1.0 \\\n    --hash=sha256:{sha256(small)}\n"
        self.torch = self.add_build("cpu")
        self.bring()

    def add_build(self, tag: str) -> Path:
        """A build of torch on PyTorch's own index; one for CUDA needs a library that lies there as well."""
        code = {"torch/__init__.py": "", "torch/version.py": "", "torch/weights.bin": bytes(range(256)) * 8192}
        needs = ("small",) if tag == "cpu" else ("small", "nvidia-small==1.0")
        built = wheel(self.index / "files", "torch", f"2.13.0+{tag}", code, needs)
        library = wheel(self.index / "files", "nvidia_small", "1.0", {"nvidia_small.py": ""})
        for name, path in (("torch", built), ("nvidia-small", library)):
            page = self.index / tag / name / "index.html"
            page.parent.mkdir(parents=True)
            page.write_text(f'<a href="../../files/{path.name}#sha256={sha256(path)}">{path.name}</a>')
        return built

    def bring(self, version: str = "0.1.0", cli: str = CLI, lock: str = "", offline: str = "") -> Path:
        """Fill the bundle with a fitdiff of this version; offline ("3.11 linux-x86_64"): with every package."""
        self.bundle.mkdir(exist_ok=True)
        for old in self.bundle.iterdir():
            old.unlink()
        files = {"fitdiff/__init__.py": "", "fitdiff/cli.py": cli, "fitdiff/assets/weights/net.safetensors": "net"}
        fitdiff = wheel(self.bundle, "fitdiff", version, files)
        (self.bundle / self.pip_wheel.name).write_bytes(self.pip_wheel.read_bytes())
        (self.bundle / "requirements.txt").write_text(lock or self.lock)
        (self.bundle / "torch.txt").write_text("# nothing pinned\n")
        names = {
            "fitdiff": fitdiff.name,
            "pip": self.pip_wheel.name,
            "requirements": "requirements.txt",
            "torch": "torch.txt",
        }
        told = {
            "version": version,
            "torch": "2.13.0",
            "files": {role: {"file": name, "sha256": sha256(self.bundle / name)} for role, name in names.items()},
            "offline": None,
        }
        if offline:
            python, platform = offline.split()
            wheels = [*self.packages.glob("*.whl"), self.torch]
            for path in wheels:
                (self.bundle / path.name).write_bytes(path.read_bytes())
            held = {path.name: sha256(path) for path in wheels}
            told["offline"] = {"python": python, "platform": platform, "build": "cpu", "wheels": held}
        (self.bundle / "bundle.json").write_text(json.dumps(told))
        return self.bundle


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder; wheels come in small pieces with a pause between, and are counted."""

    pause = 0.0
    served: list[str]

    def __init__(
        self, *words: object, served: list[str], pause: float, gate: threading.Event | None, **more: object
    ) -> None:
        self.served, self.pause, self.gate = served, pause, gate
        super().__init__(*words, **more)  # type: ignore[arg-type]

    def copyfile(self, source: object, outputfile: object) -> None:
        while piece := source.read(1 << 15):  # type: ignore[attr-defined]
            outputfile.write(piece)  # type: ignore[attr-defined]
            if self.path.endswith(".whl"):
                time.sleep(self.pause)
                if self.gate:
                    self.gate.wait(PATIENCE)
        self.served.append(self.path)

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def served(folder: Path, pause: float = 0.0, gate: threading.Event | None = None) -> Iterator[tuple[str, list[str]]]:
    """(address, paths that were served to their end) of a web server on this machine. gate: no wheel passes before it opens."""
    finished: list[str] = []
    handler = partial(_Handler, directory=str(folder), served=finished, pause=pause, gate=gate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *words: None  # type: ignore[method-assign]  # a cancelled download hangs up
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", finished
    finally:
        server.shutdown()
        server.server_close()


def until(done: object, seconds: float = PATIENCE) -> bool:
    """Wait until a condition holds; False when it never did."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False
