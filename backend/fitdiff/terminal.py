"""Text that a terminal shows without obeying it, and the console that commands print on."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from rich.console import Console

# Control characters but for newline and tab, line and paragraph separators, what turns the direction of writing, and
# surrogates (bytes of a file name that are no text).
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """The text with every character that a terminal would obey, or could not show, as its escape: \\x1b, \\u202e."""
    return _OBEYED.sub(lambda found: _escape(found[0]), text)


def one_line(text: str) -> str:
    """The same, newlines and tabs escaped as well: for names of files."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # the byte that it stands for
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class HarmlessConsole(Console):
    """What commands print on. Names of files come from anywhere, and work goes on when nobody reads."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's, with plain strings made harmless."""
        with contextlib.suppress(OSError):  # a full disk
            super().print(*(harmless(one) if isinstance(one, str) else one for one in objects), **options)

    def on_broken_pipe(self) -> None:
        """Rich's own ends the process."""
        self.quiet = True
