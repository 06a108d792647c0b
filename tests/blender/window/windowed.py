"""The bpy package as a Blender with a window:

    python3 -m tests.blender.window.windowed MODULE        its `start()` is called; then Blender's own main loop runs

bpy's wheels for Linux hold all of Blender, its windows too; only the start as a module says that there is none (`G.background =
true`), and never enters the main loop. So the library is loaded, that one byte of its code is changed in this process's memory,
bpy is imported as ever, and when MODULE is ready `WM_main` is called. No file is changed. Where code and byte lie is read from
the library's own symbols; a wheel that does not look as expected is refused in a sentence.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import mmap
import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

ENTER, INIT, LOOP, CONTEXT = "main_python_enter", "WM_init", "WM_main", "BPY_context_get"
# As compiled before 5.2 and, in the namespace `blender`, from then on.
MANGLED = {
    ENTER: (b"_Z17main_python_enteriPPKc", b"_ZN7blender17main_python_enterEiPPKc"),
    INIT: (b"_Z7WM_initP8bContextiPPKc", b"_ZN7blender7WM_initEPNS_8bContextEiPPKc"),
    LOOP: (b"_Z7WM_mainP8bContext", b"_ZN7blender7WM_mainEPNS_8bContextE"),
    CONTEXT: (b"_Z15BPY_context_getv", b"BPY_context_get", b"_ZN7blender15BPY_context_getEv"),
    "G": (b"G", b"_ZN7blender1GE"),
    "PyInit_bpy": (b"PyInit_bpy",),
}
PROTECTION = 7  # read, write, execute
CALL, LEA, STORE = b"\xe8", b"\x48\x8d", b"\xc6"


class Refused(Exception):
    """One sentence: why this library cannot be given a window."""


@dataclass(frozen=True)
class Symbol:
    address: int
    size: int


@dataclass(frozen=True)
class Places:
    """Addresses in the library, as its file has them."""

    background: int  # of the 1 that is stored in G.background
    loop: int
    context: int
    start: int  # PyInit_bpy, which the loader knows too


def read_places(library: Path) -> Places:
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        symbols, offset = _symbols(data)
        enter = symbols[ENTER]
        code = data[enter.address - offset : enter.address - offset + enter.size]
        at = _background_store(code, enter.address, symbols["G"], symbols[INIT].address)
    return Places(at, symbols[LOOP].address, symbols[CONTEXT].address, symbols["PyInit_bpy"].address)


def _symbols(data: mmap.mmap) -> tuple[dict[str, Symbol], int]:
    """What is looked for, by name, and by how much an address in the code is more than its place in the file."""
    if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", data, 18) != (62,):
        raise Refused("This bpy is no Linux library for x86-64.")
    (sections_at,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, sections_at + number * size) for number in range(count)]
    named = {_text(data, sections[names][4] + section[0]): section for section in sections}
    if b".symtab" not in named or b".text" not in named:
        raise Refused("This bpy has no symbols: they were stripped.")
    table, strings = named[b".symtab"], sections[named[b".symtab"][6]]
    wanted = {name: ours for ours, theirs in MANGLED.items() for name in theirs}
    found: dict[str, list[Symbol]] = {ours: [] for ours in MANGLED}
    for name, _, _, section, address, length in struct.iter_unpack("<IBBHQQ", data[table[4] : table[4] + table[5]]):
        if section and (ours := wanted.get(_text(data, strings[4] + name))):
            found[ours].append(Symbol(address, length))
    if odd := [f"{name} {len(places)} times" for name, places in found.items() if len(places) != 1]:
        raise Refused(f"This bpy's symbols are not as expected: it has {', '.join(odd)}.")
    return {name: place for name, (place,) in found.items()}, named[b".text"][3] - named[b".text"][4]


def _text(data: mmap.mmap, at: int) -> bytes:
    return data[at : data.find(b"\0", at)]


def _background_store(code: bytes, address: int, settings: Symbol, init: int) -> int:
    """The address of the last 1 that is stored in G (`movb $1, disp32(reg)`) before WM_init is called.

    The start as a module stores two: G.factory_startup, then G.background, as creator.cc has them.
    """
    calls = [at for at in _all(code, CALL) if address + at + 5 + _number(code, at + 1) == init]
    bases = [
        (at, code[at + 2] >> 3)
        for at in _all(code, LEA)
        if code[at + 2] & 0xC7 == 5 and address + at + 7 + _number(code, at + 3) == settings.address
    ]
    if len(calls) != 1 or len(bases) != 1:
        raise Refused(f"This bpy starts otherwise: {len(calls)} calls of WM_init, {len(bases)} uses of G.")
    begin, register = bases[0]
    stores = [
        at
        for at in _all(code[: calls[0]], STORE)
        if at > begin and code[at + 1] == 0x80 | register and code[at + 6] == 1
        if 0 <= _number(code, at + 2) < settings.size
    ]
    if len(stores) != 2:
        raise Refused(f"This bpy starts otherwise: it switches on {len(stores)} of G's settings, not 2.")
    return address + stores[1] + 6


def _all(code: bytes, word: bytes) -> list[int]:
    """Wherever these bytes begin and an instruction could follow."""
    return [at for at in range(len(code) - 7) if code.startswith(word, at)]


def _number(code: bytes, at: int) -> int:
    return struct.unpack_from("<i", code, at)[0]


def open_window() -> ctypes._CFuncPtr:
    """Import bpy with its window; gives the main loop, which does not return."""
    spec = importlib.util.find_spec("bpy")
    if "bpy" in sys.modules or spec is None or not spec.origin or not spec.origin.endswith(".so"):
        raise Refused("Here is no bpy that is a library and was not imported yet.")
    places = read_places(Path(spec.origin))
    library = ctypes.CDLL(spec.origin)  # what the import opens again
    start = ctypes.cast(library.PyInit_bpy, ctypes.c_void_p).value
    assert start is not None
    base = start - places.start
    _clear(base + places.background)
    bpy = importlib.import_module("bpy")
    if bpy.app.background or len(bpy.context.window_manager.windows) != 1:
        raise Refused("This bpy opened no window: is there a display?")
    context = ctypes.PYFUNCTYPE(ctypes.c_void_p)(base + places.context)()
    loop = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(
        base + places.loop
    )  # without the GIL: Blender takes it when it needs it
    return lambda: loop(context)


def _clear(address: int) -> None:
    page = address - address % mmap.PAGESIZE
    c = ctypes.CDLL(None, use_errno=True)
    if c.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(mmap.PAGESIZE), PROTECTION):
        raise Refused(f"This system does not let a process change its own code: {os.strerror(ctypes.get_errno())}.")
    ctypes.c_ubyte.from_address(address).value = 0


def main() -> int:
    try:
        loop = open_window()
    except Refused as refused:
        print(refused, file=sys.stderr, flush=True)
        return 4
    importlib.import_module(sys.argv[1]).start()
    loop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
