"""A layout that draws nothing, writes down what it is asked for, and refuses what this Blender's own would refuse."""

from __future__ import annotations

from typing import Any

import bpy

_FUNCTIONS = bpy.types.UILayout.bl_rna.functions
_SETTINGS = bpy.types.UILayout.bl_rna.properties
_LAYOUTS = ("row", "column", "box", "split", "grid_flow", "column_flow")


class _Words:
    """What `operator` gives: the operator's properties, to be set."""

    def __init__(self, known: Any) -> None:
        self.__dict__["_known"] = known

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in self._known, f"the operator has no property {name}"


class FakeLayout:
    def __init__(self, calls: list[tuple[str, dict]] | None = None) -> None:
        self.__dict__["calls"] = [] if calls is None else calls

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in _SETTINGS, f"a layout has no {name}"

    def __getattr__(self, name: str) -> Any:
        function = _FUNCTIONS[name]

        def call(*given: Any, **words: Any) -> Any:
            known = function.parameters
            names = [one.identifier for one in known if not one.is_output]
            words = dict(zip(names, given, strict=False)) | words
            for word, value in words.items():
                assert word in names, f"{name} has no parameter {word}"
                if known[word].type == "ENUM" and word != "icon":
                    assert value in known[word].enum_items, f"{name}: {word}={value}"
                if word == "icon":
                    assert value in known[word].enum_items, f"there is no icon {value}"
                if known[word].type == "STRING":
                    assert isinstance(value, str), f"{name}: {word}={value!r}"
            self.calls.append((name, words))
            return self._answer(name, words)

        return call

    def _answer(self, name: str, words: dict) -> Any:
        if name in _LAYOUTS:
            return FakeLayout(self.calls)
        if name in ("prop", "prop_enum", "template_icon_view"):
            assert words["property"] in words["data"].bl_rna.properties, words
            getattr(words["data"], words["property"])
        if name == "operator":
            module, operator = words["operator"].split(".")
            rna = getattr(getattr(bpy.ops, module), operator).get_rna_type()
            return _Words(rna.properties)
        return None

    # --- for the tests ------------------------------------------------------------------------------------------------

    def operators(self) -> list[str]:
        return [words["operator"] for name, words in self.calls if name == "operator"]

    def texts(self) -> str:
        return " ".join(str(words["text"]) for _, words in self.calls if words.get("text"))

    def properties(self) -> list[str]:
        return [words["property"] for name, words in self.calls if "property" in words]
