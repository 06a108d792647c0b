"""Text without control sequences for terminals, and the console that commands print on."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from rich.console import Console

# Control characters except newline and tab, line and paragraph separators, direction marks, and surrogates (undecodable
# bytes of file names).
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """The text with control characters, and those that a terminal cannot show, escaped: \\x1b, \\u202e."""
    return _OBEYED.sub(lambda found: _escape(found[0]), text)


def one_line(text: str) -> str:
    """The same with newlines and tabs escaped as well, for file names."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # the byte that it stands for
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class HarmlessConsole(Console):
    """The commands' console: file names are made harmless, and a closed stdout does not stop the work."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Like rich's, with plain strings made harmless."""
        with contextlib.suppress(OSError):  # a full disk
            super().print(*(harmless(one) if isinstance(one, str) else one for one in objects), **options)

    def on_broken_pipe(self) -> None:
        """Do nothing; rich's would end the process."""
        self.quiet = True
