"""`fitdiff model`: show and import face models, and make pictures and people from one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..errors import FitDiffError
from .face_model import add_face_model

if TYPE_CHECKING:
    from ..face.model import MorphableModel

HELP = "look at a face model, import one, preview it, or make a random person"


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    info = actions.add_parser("info", help="show a face model's contents, and list all models")
    add_face_model(info)

    bring = actions.add_parser("import", help="import an LSFM .mat file or an ICT-FaceKit folder, for use by name")
    bring.add_argument("file", type=Path, metavar="FILE", help="LSFM .mat, ICT-FaceKit folder or npz")
    bring.add_argument("--name", required=True, help="name of the imported model")
    bring.add_argument(
        "--expression", type=Path, metavar="FILE", help=".mat or .npz with an expression basis for a .mat"
    )
    bring.add_argument("--landmarks", type=Path, metavar="FILE", help="68 vertex numbers, .json or .txt, for a .mat")
    bring.add_argument("--replace", action="store_true", help="replace an imported model of the same name")

    preview = actions.add_parser("preview", help="a sheet of people, components or expressions")
    add_face_model(preview)
    preview.add_argument("--out", type=Path, required=True, metavar="PNG")
    preview.add_argument("--count", type=_count, help="random people (24 unless rows are asked for)")
    preview.add_argument(
        "--sliders", type=_sliders, default=[], metavar="UNIT=W,...", help="ARKit weights of the people's expression"
    )
    preview.add_argument("--textured", action="store_true", help="people with skin, eyes and brows instead of clay")
    preview.add_argument("--components", type=_count, default=0, metavar="K", help="first K identity components")
    preview.add_argument("--expressions", type=_count, default=0, metavar="K", help="first K expression components")
    preview.add_argument("--arkit", default="", metavar="NAMES", help="ARKit units, comma-separated, or `all`")
    preview.add_argument(
        "--turntable", action="store_true", help="one textured person from five sides under three lamps"
    )
    preview.add_argument("--seed", type=int, default=0)
    preview.add_argument("--size", type=_size, default=224, help="pixels of one picture (default 224)")

    person = actions.add_parser("random", help="a seeded random person as an avatar folder")
    add_face_model(person)
    person.add_argument("--seed", type=int, default=0)
    person.add_argument("--out", type=Path, required=True, metavar="DIR")
    person.add_argument("--overwrite", action="store_true", help="replace an existing avatar")


def run(args: argparse.Namespace, console: Console) -> dict:
    return {"info": _info, "import": _import, "preview": _preview, "random": _random}[args.action](args, console)


def _info(args: argparse.Namespace, console: Console) -> dict:
    from ..face.registry import EMBEDDED, imported_faces, load_face_model, locate

    path = locate(args.face_model)
    model = load_face_model(args.face_model)
    report = {"path": str(path), **_describe(model), "bytes": _bytes(path), "installed": [EMBEDDED, *imported_faces()]}
    if not args.json:
        for key, value in report.items():
            text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            text = ", ".join(map(str, value)) if isinstance(value, list) else text
            console.print(f"[bold]{key.replace('_', ' '):>12}[/bold]  {text}", highlight=False)
    return report


def _import(args: argparse.Namespace, console: Console) -> dict:
    from ..face.registry import import_face

    path, model = import_face(args.file, args.name, args.expression, args.landmarks, args.replace)
    report = {"path": str(path), **_describe(model), "bytes": _bytes(path)}
    if not args.json:
        console.print(
            f"{args.name}: {report['vertices']} vertices, {model.identity_count} identity and "
            f"{model.expression_count} expression components. Use it with --face-model {args.name}."
        )
    return report


def _preview(args: argparse.Namespace, console: Console) -> dict:
    from PIL import Image

    from ..face.registry import load_face_model
    from ..pictures.contact_sheet import contact_sheet
    from ..pictures.model_sheets import rows_of_components, rows_of_people, rows_of_units
    from ..pictures.turntable import rows_of_lamps

    model = load_face_model(args.face_model)
    asked = args.components or args.expressions or args.arkit or args.turntable
    count = args.count if args.count is not None else 0 if asked else 24
    rows = rows_of_people(model, count, args.seed, args.size, textured=args.textured, sliders=dict(args.sliders))
    rows += rows_of_components(model, "identity", args.components, args.size)
    rows += rows_of_components(model, "expression", args.expressions, args.size)
    rows += rows_of_units(model, args.arkit, args.seed, args.size)
    rows += rows_of_lamps(model, args.seed, args.size) if args.turntable else []
    if not rows:
        raise FitDiffError("usage-preview", "There is nothing to show: ask for people, components or expressions.")
    sheet = contact_sheet(rows, model.name, f"{len(model.mean)} vertices, {model.licence}, seed {args.seed}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(args.out, format="PNG")
    if not args.json:
        console.print(f"{args.out}: {sheet.shape[1]} x {sheet.shape[0]} pixels", highlight=False)
    return {"out": str(args.out), "size": [sheet.shape[1], sheet.shape[0]], "people": count, "rows": len(rows)}


def _random(args: argparse.Namespace, console: Console) -> dict:
    from ..avatar import write_avatar
    from ..face.registry import load_face_model
    from ..generation.random_person import random_person

    model = load_face_model(args.face_model)
    folder = write_avatar(random_person(model, args.seed), args.out, overwrite=args.overwrite)
    if not args.json:
        console.print(f"{folder}: person {args.seed} from {model.name}", highlight=False)
    return {"avatar": str(folder), "seed": args.seed, "face_model": model.name}


def _describe(model: MorphableModel) -> dict[str, Any]:
    from ..topology import REGIONS

    topology = model.topology
    return {
        "name": model.name,
        "licence": model.licence,
        "origins": model.header.get("origins", ""),
        "sha256": model.header.get("sha256", ""),
        "vertices": len(model.mean),
        "quads": int((topology.quads[:, 3] >= 0).sum()),
        "triangles": int((topology.quads[:, 3] < 0).sum()),
        "identity": model.identity_count,
        "expression": model.expression_count,
        "arkit": len(model.arkit_names),
        "regions": {name: int((topology.quad_region == index).sum()) for index, name in enumerate(REGIONS)},
        "landmarks": {name: len(marks.triangle) for name, marks in topology.landmarks.items()},
        "masks": sorted(topology.vertex_masks),
        "mirror": topology.mirror is not None,
        "extras": sorted(model.extras),
    }


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 500:
        raise argparse.ArgumentTypeError("from 0 to 500")
    return value


def _size(text: str) -> int:
    value = int(text)
    if not 32 <= value <= 2048:
        raise argparse.ArgumentTypeError("from 32 to 2048")
    return value


def _sliders(text: str) -> list[tuple[str, float]]:
    pairs = [part.split("=") for part in text.split(",")]
    try:
        return [(name.strip(), float(weight)) for name, weight in pairs]
    except ValueError as error:
        raise argparse.ArgumentTypeError("UNIT=WEIGHT, comma-separated, as jawOpen=0.4,mouthSmileLeft=1") from error
