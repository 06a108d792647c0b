"""What the installer decides without installing: build of torch, index, interpreter, folder, the meaning of pip's words."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path, PureWindowsPath

import pytest

from . import small_world

LINUX, ARM, WINDOWS, MAC = "linux-x86_64", "linux-aarch64", "win-amd64", "macosx-11.0-arm64"


@pytest.fixture(scope="session")
def builds(module):
    return module("installing.builds")


@pytest.fixture(scope="session")
def machine(module):
    return module("installing.machine")


@pytest.fixture(scope="session")
def interpreter(module):
    return module("installing.interpreter")


# ------------------------------------------------------------------------------------------------ build of torch


@pytest.mark.parametrize(
    ("driver", "capability", "tag", "told"),
    [
        (580, (12, 0), "cu130", "RTX"),
        (595, (8, 6), "cu130", "RTX"),
        (580, (7, 5), "cu130", "RTX"),
        (580, (7, 0), "cu126", "RTX"),  # Volta: CUDA 13 has left it behind
        (580, (5, 2), "cu126", "RTX"),
        (550, (8, 9), "cu126", "RTX"),
        (525, (8, 6), "cu126", "RTX"),
        (524, (8, 6), "cpu", "with version 525 or newer"),
        (570, (12, 0), "cpu", "with version 580 or newer"),  # Blackwell needs CUDA 13's driver
        (580, (3, 5), "cpu", "too old for PyTorch"),
    ],
)
@pytest.mark.parametrize("platform", [LINUX, WINDOWS])
def test_nvidia(builds, machine, platform, driver, capability, tag, told):
    found = builds.choose(machine.Machine(platform, (machine.Card("RTX", driver, capability),)))
    assert found.tag == tag
    assert told in found.why


def test_the_best_of_several_cards_decides(builds, machine):
    old, new = machine.Card("old", 580, (3, 5)), machine.Card("new", 580, (8, 9))
    assert builds.choose(machine.Machine(LINUX, (old, new))).tag == "cu130"


@pytest.mark.parametrize(
    ("platform", "chips", "tag"),
    [
        (LINUX, ("gfx1100",), "rocm7.2"),
        (LINUX, ("gfx803", "gfx90a"), "rocm7.2"),
        (LINUX, ("gfx803",), "cpu"),
        (WINDOWS, ("gfx1100",), "cpu"),
        (ARM, ("gfx1100",), "cpu"),
    ],
)
def test_amd(builds, machine, platform, chips, tag):
    assert builds.choose(machine.Machine(platform, (), chips)).tag == tag


def test_nothing_but_a_processor_and_macs(builds, machine):
    for platform, local, from_pypi in ((LINUX, "+cpu", False), (ARM, "+cpu", False), (WINDOWS, "", True)):
        found = builds.choose(machine.Machine(platform))
        assert (found.tag, found.kind, found.local, found.from_pypi) == ("cpu", "cpu", local, from_pypi)
        assert "No NVIDIA card" in found.why
    for platform in (MAC, "macosx-10.9-universal2"):
        found = builds.choose(machine.Machine(platform))
        assert (found.tag, found.kind, found.local, found.from_pypi) == ("metal", "metal", "", True)


@pytest.mark.parametrize(
    ("platform", "wish", "code"),
    [
        ("macosx-10.9-x86_64", "auto", "install-platform"),
        ("linux-i686", "auto", "install-platform"),
        ("win32", "auto", "install-platform"),
        ("win-arm64", "cpu", "install-platform"),
        ("freebsd-14-amd64", "auto", "install-platform"),
        (MAC, "cuda", "install-build"),
        (LINUX, "cuda", "install-build"),
        (WINDOWS, "rocm", "install-build"),
        (LINUX, "vulkan", "install-build"),
    ],
)
def test_what_cannot_be_is_refused(builds, machine, platform, wish, code):
    with pytest.raises(builds.Problem) as caught:
        builds.choose(machine.Machine(platform), wish)
    assert caught.value.code == code


def test_wishes_are_kept(builds, machine):
    both = machine.Machine(LINUX, (machine.Card("RTX", 580, (8, 6)),), ("gfx1100",))
    assert [builds.choose(both, wish).kind for wish in ("auto", "cpu", "cuda", "rocm")] == [
        "cuda",
        "cpu",
        "cuda",
        "rocm",
    ]


def test_every_build_has_room_and_an_index(builds, machine, module):
    worker = module("installing.worker")
    machines = [machine.Machine(LINUX, (machine.Card("RTX", driver, (8, 6)),)) for driver in (580, 525, 400)]
    for one in (*machines, machine.Machine(MAC), machine.Machine(LINUX, (), ("gfx1100",))):
        build = builds.choose(one)
        assert worker.ROOM[build.kind] > 0
        index = builds.source(build, {})
        assert index == (None if build.from_pypi else f"https://download.pytorch.org/whl/{build.tag}")


def test_which_index(builds):
    cpu, mac = builds.Build("cpu", "", "+cpu"), builds.Build("metal", "", from_pypi=True)
    mirror = "https://mirror.studio/whl"
    assert builds.source(cpu, {"FITDIFF_TORCH_INDEX": f"{mirror}/"}) == f"{mirror}/cpu"
    assert builds.source(cpu, {"FITDIFF_TORCH_INDEX": "pip"}) is None
    assert builds.source(cpu, {"FITDIFF_TORCH_INDEX": "pip"}, mirror) == f"{mirror}/cpu"
    assert builds.source(mac, {}) is None
    assert builds.source(mac, {"FITDIFF_TORCH_INDEX": mirror}) == f"{mirror}/metal"
    assert builds.requirement(cpu, "2.13.0", mirror) == "torch==2.13.0+cpu"
    assert builds.requirement(cpu, "2.13.0", None) == "torch==2.13.0"


# --------------------------------------------------------------------------------------------------- the machine


def test_what_nvidia_smi_says(machine):
    lines = ("580.95.05, 8.9, NVIDIA GeForce RTX 4090", "470.256.02, 3.5, Tesla K40c, of 2013", "535.1, [N/A], broken")
    listing = "\n".join([*lines, "No devices were found", ""])
    assert machine.cards(listing) == (
        machine.Card("NVIDIA GeForce RTX 4090", 580, (8, 9)),
        machine.Card("Tesla K40c, of 2013", 470, (3, 5)),
    )
    asked = []
    found = machine.look(WINDOWS, lambda command: asked.append(command) or listing, Path("/nowhere"))
    assert len(found.nvidia) == 2
    assert asked[0][0] == "nvidia-smi"
    assert machine.look(MAC, lambda command: listing) == machine.Machine(MAC)


@pytest.mark.skipif(os.name == "nt", reason="fake programs are shell scripts")
def test_a_program_that_fails_says_nothing(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.ask(("nvidia-smi",)) == ""
    (tmp_path / "nvidia-smi").write_text(
        "#!/bin/sh\necho 'failed because it could not communicate with the driver'; exit 9\n"
    )
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert machine.ask(("nvidia-smi",)) == ""


def test_what_the_kernel_says_of_amd(machine, tmp_path):
    for number, version in enumerate((0, 110000, 90010, 100302, 120001)):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "properties").write_text(
            f"cpu_cores_count 8\ngfx_target_version {version}\nvendor_id 4098\n"
        )
    assert machine.amd_chips(tmp_path) == ("gfx1100", "gfx90a", "gfx1032", "gfx1201")
    assert machine.amd_chips(tmp_path / "nowhere") == ()


# ------------------------------------------------------------------------------------------------ the interpreter


def test_this_python_will_do(interpreter):
    found = interpreter.probe(Path(sys.executable))
    assert found.version == sys.version_info[:2]
    assert interpreter.find(places=[Path("/nowhere/python"), Path(sys.executable)]) == found
    assert interpreter.find(found.python, found.platform, [Path(sys.executable)]) == found


@pytest.mark.skipif(os.name == "nt", reason="fake programs are shell scripts")
def test_pythons_that_will_not_do_are_told(interpreter, tmp_path):
    fakes = {
        "old": 'echo \'[[3, 9], true, "linux-x86_64", "/"]\'',
        "new": 'echo \'[[3, 15], true, "linux-x86_64", "/"]\'',
        "narrow": 'echo \'[[3, 11], false, "win32", "/"]\'',
        "poor": "echo \"ModuleNotFoundError: No module named 'venv'\" >&2; exit 1",
        "broken": "exit 127",
    }
    for name, text in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(interpreter.Problem, match="python3-venv") as caught:
        interpreter.find(places=[tmp_path / name for name in (*fakes, "absent")])
    told = caught.value.details.splitlines()
    assert [line.removeprefix(f"{tmp_path}/") for line in told] == [
        "old is Python 3.9",
        "new is Python 3.15",
        "narrow is a 32-bit Python",
        "poor has no venv module",
        "broken is no Python that works",
    ]


def test_blenders_own_python_is_looked_at_first(interpreter, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/blender/5.0/python/bin/python3.11")
    assert next(interpreter.candidates()) == Path("/opt/blender/5.0/python/bin/python3.11")
    monkeypatch.setattr(sys, "executable", "/usr/bin/blender")
    monkeypatch.setattr(sys, "prefix", "/usr")
    assert Path("/usr/bin/blender") not in list(interpreter.candidates())
    assert next(interpreter.candidates()).name.startswith("python")


def test_a_clean_environment_keeps_what_pip_needs(interpreter):
    told = {
        "PYTHONPATH": "/blender",
        "pythonhome": "/blender",
        "MATERIALX_SEARCH_PATH": "/x",
        "VIRTUAL_ENV": "/v",
        "HTTPS_PROXY": "http://proxy",
        "PIP_INDEX_URL": "https://mirror.studio",
        "PATH": "/bin",
    }
    kept = interpreter.clean_environment(told, TMPDIR="/t")
    assert set(told) & set(kept) == {"HTTPS_PROXY", "PIP_INDEX_URL", "PATH"}
    assert kept["TMPDIR"] == "/t"
    assert kept["PYTHONNOUSERSITE"] == "1"


# --------------------------------------------------------------------------------------------------- the folder


def test_on_windows_a_folder_too_deep_for_it_is_replaced(install, monkeypatch):
    monkeypatch.setenv("LOCALAPPDATA", "C:/Users/ada/AppData/Local")
    deep = PureWindowsPath(
        r"C:\Users\ada\AppData\Roaming\Blender Foundation\Blender\5.0\extensions\.user\user_default\fitdiff\engine"
    )
    assert install.home(deep, long_paths=False, windows=True) == Path("C:/Users/ada/AppData/Local/FitDiff")
    assert install.home(deep, long_paths=True, windows=True) == deep
    assert install.home(deep, long_paths=False, windows=False) == deep
    short = PureWindowsPath(r"D:\FitDiff")
    assert install.home(short, long_paths=False, windows=True) == short


# ---------------------------------------------------------------------------------------------------- the bundle


@pytest.mark.parametrize("name", ["../evil.whl", "/etc/passwd", "sub/evil.whl"])
def test_a_bundle_names_files_of_its_own_folder_only(module, world, name):
    bundle = module("installing.bundle")
    told = json.loads((world.bundle / "bundle.json").read_text())
    told["files"]["fitdiff"]["file"] = name
    (world.bundle / "bundle.json").write_text(json.dumps(told))
    with pytest.raises(bundle.Problem):
        bundle.read(world.bundle)


def test_the_fingerprint_follows_what_is_installed_and_nothing_else(module, world, here):
    bundle = module("installing.bundle")
    first = bundle.read(world.bring()).fingerprint
    assert bundle.read(world.bring(offline=here)).fingerprint == first
    assert bundle.read(world.bring("0.2.0")).fingerprint != first
    assert bundle.read(world.bring(lock=world.lock + "# more\n")).fingerprint != first


# ------------------------------------------------------------------------------------------------ pip's own words


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("OSError: [Errno 28] No space left on device", "disk-full"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "install-hash"),
        ("NewConnectionError('... Failed to establish a new connection: [Errno 111]')", "install-network"),
        ("Temporary failure in name resolution\nERROR: No matching distribution found for numpy", "install-network"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "install-network"),
        ("ERROR: No matching distribution found for torch==2.13.0+cu130", "install-package"),
        ("something else", "install-pip"),
    ],
)
def test_failures_become_sentences(module, output, code):
    problem = module("installing.pip").failure("Unpacking", output, online=True)
    assert problem.code == code
    assert output.splitlines()[-1] in problem.details


def test_lines_worth_showing(module):
    pip = module("installing.pip")
    assert pip.progress("Progress 1024 of 2048\n") == (1024, 2048)
    assert pip.progress("Progress of the work") is None
    shown = {
        "  Downloading https://mirror/torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl (190 MB)": "torch 2.13.0+cpu",
        "  Downloading numba-0.68.1-cp311-cp311-manylinux_2_27_x86_64.whl (3.8 MB)": "numba 0.68.1",
        "Processing ./downloads/scipy-1.17.1-cp311-cp311-manylinux_2_28_x86_64.whl": "scipy 1.17.1",
        "Installing collected packages: a, b, c": "writing 3 packages",
        "WARNING: Location 'x' is ignored": None,
    }
    assert {line: pip.shown(line) for line in shown} == shown


def test_constraints_are_the_files_that_are_here_and_the_versions_of_the_rest(module, tmp_path):
    hashes = " \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
    lock = f"# made\na_a==1 ; python_version == '3.10'{hashes}b==2{hashes}"
    constraints = module("installing.pip").constraints
    assert constraints(lock, []) == "a_a==1 ; python_version == '3.10'\nb==2\n"
    wheel = tmp_path / "a place" / "A.a-1-py3-none-any.whl"
    assert constraints(lock, [wheel]) == f"a-a @ {wheel.as_uri()}\nb==2\n"


@pytest.fixture
def torches(module, tmp_path):
    """(the module, pins of `small`, a download of it with a torch that needs it and a library that only its index has)"""
    pins, held = module("installing.pins"), tmp_path / "held"
    small = small_world.wheel(held, "small", "1.0", {"small.py": ""})
    library = small_world.wheel(held, "nvidia_small", "1.0", {"nvidia_small.py": ""})
    torch = small_world.wheel(held, "torch", "2.13.0+cu130", {"torch.py": ""}, ("small", "Nvidia-small==1.0; x == '1'"))
    lock = f"# made\nSmall==1.0 ; python_version == '3.11' \\\n    --hash=sha256:{'0' * 64} \\\n"
    return pins, pins.read(f"{lock}    --hash=sha256:{small_world.sha256(small)}\n"), [small, library, torch]


def test_only_torch_and_what_it_needs_may_come_without_a_pin(torches):
    pins, pinned, wheels = torches
    assert pins.check(wheels, pinned) == {wheel.name: small_world.sha256(wheel) for wheel in wheels[1:]}


@pytest.mark.parametrize(
    ("name", "version"),
    [("small", "1.0"), ("SMALL", "1.0"), ("small", "1.1"), ("small", "1.0+cu130"), ("wanted", "1.0")],
)
def test_another_package_of_a_pinned_name_or_one_that_torch_does_not_need_is_refused(torches, tmp_path, name, version):
    pins, pinned, wheels = torches
    other = small_world.wheel(tmp_path / "other", name, version, {"evil.py": ""})
    for found in ([*wheels, other], [*wheels[1:], other]):
        with pytest.raises(Exception, match="not the one that FitDiff was made with") as caught:
            pins.check(found, pinned)
        assert caught.value.code == "install-hash"
        assert other.name in caught.value.details


def test_nothing_is_said_twice_and_no_wheel_is_only_called_one(torches, tmp_path):
    pins, pinned, wheels = torches
    twice = small_world.wheel(tmp_path / "other", "torch", "2.13.0+cpu", {"torch.py": ""})
    broken = tmp_path / "other" / "torch-2.14.0-py3-none-any.whl"
    broken.write_bytes(b"no zip")
    for found in ([*wheels, twice], [*wheels[:2], broken]):
        with pytest.raises(Exception, match="not the one that FitDiff was made with"):
            pins.check(found, pinned)


def test_a_folder_of_downloads_keeps_what_the_lock_names(torches, tmp_path):
    pins, pinned, wheels = torches
    folder = wheels[0].parent
    for name in ("evil-1.0-py3-none-any.whl", "page.html", "evil-1.0.tar.gz"):
        (folder / name).write_bytes(b"x")
    (folder / "small-1.1-py3-none-any.whl").symlink_to(wheels[0])
    (folder / "small-2.0-py3-none-any.whl").mkdir()
    pins.clear(folder, pinned)
    assert [path.name for path in folder.iterdir()] == ["small-1.0-py3-none-any.whl"]
    wheels[0].write_bytes(b"changed")
    pins.clear(folder, pinned)
    assert list(folder.iterdir()) == []
