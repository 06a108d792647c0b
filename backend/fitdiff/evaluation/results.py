"""docs/results.md out of reports: `python -m fitdiff.evaluation.results docs/results --out docs/results.md`

    ... --keep photos=OUT/report.json truth=OUT/truth.json speed=BENCH.json

first copies reports of `fitdiff evaluate` and answers of `fitdiff bench ... --json` into the folder, without single photos and
people. So no figure is typed by hand, and each has its date, machine, commit and command.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import portrait_report, report, truth_report
from .subjects import LIGHTS

Table = Sequence[Sequence[str]]

PHOTOS, FOLDER = "fitdiff-evaluation", "fitdiff-evaluation-folder"
TRUTH, BENCH = "fitdiff-evaluation-truth", "fitdiff-bench"
TITLES = {  # in this order
    PHOTOS: "Photos",
    FOLDER: "Portraits by group",
    TRUTH: "People whose shape, skin and light are known",
    BENCH: "Speed",
}
SIGNIFICANT = 4  # digits of a kept figure
WITNESSES = {"dlib": "dlib, distance", "mobilefacenet": "MobileFaceNet, cosine"}  # the last has no part in any engine
VIEWS = ("photo.inside", "turned_17.whole", "turned_40.whole", "relit.whole", "flat.whole")
TRUTH_ROWS = (  # title, path into an engine's figures, digits: fewer than truth.html has
    ("whole face, vertex to vertex, mm", "shape.overall", 2),
    ("whole face, to the surface, mm", "shape.surface", 2),
    ("neutral face, vertex to vertex, mm", "shape.neutral", 2),
    ("forehead in its place, mm", "shape.forehead_placed", 2),
    ("jaw in its place, mm", "shape.jaw_placed", 2),
    ("outline of the head in the photo, mm", "outline.all", 2),
    ("normals in the photo's view, degrees", "normals", 1),
    ("direction of the light, degrees", "light", 1),
    ("diffuse map, PSNR dB", "maps.diffuse.psnr", 1),
    ("diffuse map, SSIM", "maps.diffuse.ssim", 3),
    ("specular map, PSNR dB", "maps.specular.psnr", 1),
    ("normal map, PSNR dB", "maps.normal.psnr", 1),
    ("at rest from the front, MobileFaceNet cosine", "front.mobilefacenet", 2),
    ("albedo, CIE76", "albedo.delta_e", 1),
    ("albedo's hue, CIE76", "albedo.hue", 1),
    ("albedo's level, stops", "albedo.level", 2),
    ("seconds", "seconds", 0),
)
GROUP_FIGURES = (("albedo, CIE76", "albedo.delta_e", 1), ("level, stops", "albedo.level", 2))
HEADING = """\
# Results

Written by `python -m fitdiff.evaluation.results` from the reports in [results/](results): change nothing by hand. What the
figures mean and how to measure again: [evaluation.md](evaluation.md). A cell is the median, with the least and the largest
in brackets. *Load* is how many processes wanted a core then; above the number of cores the machine was shared, and seconds
are too long.
"""


def kept(about: Mapping[str, Any]) -> dict[str, Any]:
    """A report without its single photos and people, and with short figures. Other reports: as they are."""
    short = dict(about)
    if about["format"] == PHOTOS:
        short["photos"] = [one["photo"] for one in about["photos"]]
        short["failed"] = [one["photo"] for one in about["photos"] if one["error"]]
        short["guided_by"] = {
            name: sorted(
                {guide for one in about["photos"] for guide in one["engines"].get(name, {}).get("guided_by", ())}
            )
            for name in about["settings"]["engines"]
        }
        short["shape_distances"] = {
            name: {key: found[key] for key in ("one_person", "two_people")}
            for name, found in about["shape_distances"].items()
        }
    elif about["format"] == FOLDER:
        short["failed"] = {
            engine: sum(engine in one["errors"] for one in about["people"]) for engine in about["settings"]["engines"]
        }
        short["people"] = len(about["people"])
        columns = portrait_report.columns(about)
        short["groups"] = {
            name: {
                "people": len(group["people"]),
                "medians": {
                    engine: {key: figures[key] for _, key, _ in columns} for engine, figures in group["medians"].items()
                },
            }
            for name, group in about["groups"].items()
        }
    elif about["format"] == TRUTH:
        short["people"] = len(about["people"])
        short["failed"] = [one["person"] for one in about["people"] if one["error"]]
        wanted = {*LIGHTS, *(f"{tone} skin" for tone in truth_report.THIRDS)}
        short["groups"] = {
            name: {
                "people": len(group["people"]),
                "medians": {
                    engine: {path: figures[path] for _, path, _ in GROUP_FIGURES}
                    for engine, figures in group["medians"].items()
                },
            }
            for name, group in about["groups"].items()
            if name in wanted
        }
    return _short(short)


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT}g}")
    if isinstance(value, Mapping):
        return {key: _short(one) for key, one in value.items()}
    return [_short(one) for one in value] if isinstance(value, list) else value


def results_page(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown of kept reports by name: a section each, photos first, speed last."""
    order = list(TITLES)
    ordered = sorted(reports.items(), key=lambda item: (order.index(item[1]["format"]), item[0]))
    parts = [HEADING]
    for name, about in ordered:
        alone = sum(other["format"] == about["format"] for other in reports.values()) == 1
        title = TITLES[about["format"]]
        parts += [f"## {title if alone else f'{title}: {name}'}\n", made(about), SECTIONS[about["format"]](about)]
    return "\n".join(parts)


def made(about: Mapping[str, Any]) -> str:
    """One paragraph: when, by what, where."""
    machine = about["machine"]
    where = [
        str(machine["processor"]) + (f", {machine['card']}" if "card" in machine else ""),
        f"{machine['processors']} cores",
        f"{machine['memory_gib']} GiB",
        f"load {machine['load']}",
        f"{machine['threads']} thread" + ("s" if machine["threads"] != 1 else ""),
        machine["system"],
        f"Python {machine['python']}, torch {machine['torch']}, NumPy {machine['numpy']}",
    ]
    commit = about["commit"] or "not from a checkout"
    when = about["date"][:16].replace("T", " ")
    return f"{when} UTC, FitDiff {about['fitdiff_version']} ({commit}), `{about['command']}`\n\n{', '.join(where)}.\n"


def photos_section(about: Mapping[str, Any]) -> str:
    engines = about["settings"]["engines"]
    titles = {f"{view}.{where}": title for title, view, where in report.IDENTITY_ROWS}
    rows = [["", *engines]]
    for network, label in WITNESSES.items():
        if network not in about["networks"]:
            continue
        for view in VIEWS:
            cells = []
            for engine in engines:
                star = "\\*" if network in about["guided_by"][engine] else ""
                cells.append(cell(about["medians"][engine][f"{network}.{view}"], 2) + star)
            rows.append([f"{label}: {titles[view]}", *cells])
    others = [row for row in report.OTHER_ROWS if row[1] not in ("mesh_percent", "photometric_psnr")]
    for title, key, digits in (*others, ("seconds", "seconds", 0)):
        rows.append([title, *(cell(about["medians"][engine][key], digits) for engine in engines)])
    for key, title in (("one_person", "one person"), ("two_people", "two people")):
        found = [cell(about["shape_distances"][engine][key], 2) for engine in engines]
        rows.append([f"neutral heads of two photos of {title}, mm apart", *found])
    names = ", ".join(about["photos"])
    failed = f" Failed: {', '.join(about['failed'])}." if about["failed"] else ""
    return "\n".join(
        [
            f"{len(about['photos'])} photos: {names}.{failed} \\* This engine has looked at the recogniser: no witness.\n",
            table(rows),
            "The photos themselves, for scale:\n",
            table(_scale(about)),
        ]
    )


def folder_section(about: Mapping[str, Any]) -> str:
    parts = []
    columns = portrait_report.columns(about)
    for engine in about["settings"]["engines"]:
        rows = [["", *(title for title, _, _ in columns)]]
        for name, group in about["groups"].items():
            figures = [cell(group["medians"][engine][key], digits, spread=False) for _, key, digits in columns]
            rows.append([f"{name} ({group['people']})", *figures])
        failed = f" Failed: {about['failed'][engine]}." if about["failed"][engine] else ""
        parts += [f"`{engine}`, {about['people']} people, medians; MFN is MobileFaceNet.{failed}\n", table(rows)]
    return "\n".join(parts)


def _scale(about: Mapping[str, Any]) -> Table:
    """The recognisers' ranges for two photos of one person and of two people."""
    from .shape_distances import person_of

    rows = [["", "one person", "two people"]]
    for network, label in WITNESSES.items():
        if network not in about["networks"]:
            continue
        cells = []
        for same in (True, False):
            pairs = [one for one in about["between_photos"] if (len({*map(person_of, one["photos"])}) == 1) == same]
            values = [one[network] for one in pairs if one[network] is not None]
            cells.append(f"{min(values):.2f} to {max(values):.2f}" if values else "–")
        rows.append([label, *cells])
    return rows


def truth_section(about: Mapping[str, Any]) -> str:
    engines = about["settings"]["engines"]
    rows = [["", *engines, truth_report.REACHABLE]]
    for title, path, digits in TRUTH_ROWS:
        if not all(path in about["medians"][engine] for engine in engines):
            continue  # a report from before this was measured
        reachable = about[truth_report.REACHABLE].get(path)
        cells = [cell(about["medians"][engine][path], digits) for engine in engines]
        rows.append([title, *cells, cell(reachable, digits) if reachable else ""])
    groups = [["", *(f"{engine}: {title}" for title, _, _ in GROUP_FIGURES for engine in engines)]]
    for name, group in about["groups"].items():
        figures = [
            cell(group["medians"][engine][path], digits, spread=False)
            for _, path, digits in GROUP_FIGURES
            for engine in engines
        ]
        groups.append([f"{name} ({group['people']})", *figures])
    failed = f" Failed: {', '.join(about['failed'])}." if about["failed"] else ""
    return "\n".join(
        [
            f"{about['people']} people.{failed} `{truth_report.REACHABLE}`: the nearest head that the face model can say.\n",
            table(rows),
            "By the light that they stood in, and by thirds of their skin's lightness (medians):\n",
            table(groups),
        ]
    )


def bench_section(about: Mapping[str, Any]) -> str:
    if about["benchmark"] == "render":
        cases = about.get("cases", [about])
        rows = [["triangles", "picture", "maps", "batch", "rasteriser", "forward, ms", "backward, ms"]]
        for one in cases:
            sizes = [str(one[key]) for key in ("faces", "size", "maps", "batch", "rasterizer")]
            rows.append([*sizes, f"{one['forward_ms']:.1f}", f"{one['backward_ms']:.1f}"])
        return table(rows)
    runs = {about["engine"]: about}
    if "against" in about:
        runs[about["against"]["engine"]] = about["against"]
    stages: dict[str, None] = {}
    for one in runs.values():
        stages |= dict.fromkeys(_bare(stage) for stage in one["stages_s"])
    rows = [["seconds", *runs]]
    for stage in stages:
        found = [{_bare(key): value for key, value in one["stages_s"].items()} for one in runs.values()]
        rows.append([stage, *(f"{one[stage]:.1f}" if stage in one else "" for one in found)])
    totals = (
        ("in all", "total_s", 1),
        ("the first time", "first_round_s", 1),
        ("first preview after", "first_preview_s", 1),
        ("memory at most, MiB", "peak_mib", 0),
    )
    for title, key, digits in totals:
        rows.append([title, *("–" if one[key] is None else f"{one[key]:.{digits}f}" for one in runs.values())])
    about_rounds = f"Medians of {about['rounds']} rounds, on {about['device']}, maps of {about['resolution']}."
    return f"{about_rounds}\n\n{table(rows)}"


SECTIONS = {PHOTOS: photos_section, FOLDER: folder_section, TRUTH: truth_section, BENCH: bench_section}


def _bare(stage: str) -> str:
    return stage.rpartition(": ")[2]


def cell(figure: Mapping[str, Any], digits: int, spread: bool = True) -> str:
    if not figure["count"]:
        return "–"
    middle = f"{figure['median']:.{digits}f}"
    return f"{middle} ({figure['min']:.{digits}f} to {figure['max']:.{digits}f})" if spread else middle


def table(rows: Table) -> str:
    lines = ["|" + "|".join(row) + "|" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def read(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def keep(folder: Path, named: Iterable[str]) -> None:
    """NAME=REPORT.json, each: into the folder as NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for words in named:
        name, _, path = words.partition("=")
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        text = json.dumps(kept(about), indent=1, ensure_ascii=False, allow_nan=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m fitdiff.evaluation.results", description="reports as a page of tables"
    )
    parser.add_argument("folder", type=Path, help="folder of the kept reports")
    parser.add_argument("--keep", metavar="NAME=REPORT", nargs="*", default=[], help="reports to add first")
    parser.add_argument("--out", type=Path, required=True, help="the page to write")
    options = parser.parse_args(arguments)
    keep(options.folder, options.keep)
    options.out.write_text(results_page(read(options.folder)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
