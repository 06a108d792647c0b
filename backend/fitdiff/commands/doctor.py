"""`fitdiff doctor`: examine this machine and FitDiff's installation, and say what to do about each problem."""

from __future__ import annotations

import argparse
import platform
import sys
from typing import Any

from rich.console import Console

from fitdiff import __version__
from fitdiff.health import assets, machine, self_test
from fitdiff.health.finding import Finding, again
from fitdiff.user_folders import log_folder

HELP = "check this machine and FitDiff's installation, and say what to do about problems"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="without the self test")
    parser.epilog = f"doctor exits with 0 whatever it finds; see `ready` and `problems`.\n\n{parser.epilog or ''}"


def run(args: argparse.Namespace, console: Console) -> dict:
    findings: list[Finding] = []
    report: dict[str, Any] = {
        "version": __version__,
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "system": machine.system(findings),
        "disk_free": machine.disks(findings, assets.ASSETS),
        "packages": machine.packages(findings),
        "device": machine.device(findings),
        "extras": machine.extras(),
        "assets": assets.rows(findings),
        "licence_texts": assets.licence_texts(),
        "logs": str(log_folder()),
        "self_test": None,
    }
    if not args.quick:
        report["self_test"] = _self_test(findings)
    report["problems"] = [finding.to_json() for finding in findings]
    report["ready"] = not any(finding.stops for finding in findings)
    if not args.json:
        _show(report, console)
    return report


def _self_test(findings: list[Finding]) -> dict[str, Any]:
    """Run the self test, unless parts are missing, which it would only report again."""
    if any(finding.stops for finding in findings):
        return {"passed": False, "left_out": True}
    outcome = self_test.run()
    if not outcome.passed:
        what = f"The self test failed {outcome.failure}."
        findings.append(
            Finding("self-test", what, again("setup") + " If it fails again, report it together with this output.")
        )
    return {
        "passed": outcome.passed,
        "left_out": False,
        "device": outcome.device,
        "seconds": round(outcome.seconds, 2),
        "stages": {name: round(seconds, 2) for name, seconds in outcome.stages.items()},
        "landmarks_off_percent": outcome.landmarks_off,
        "failure": outcome.failure,
    }


def _show(report: dict[str, Any], console: Console) -> None:
    device, memory, gib = report["device"], report["system"]["memory"], machine.gib
    card = f", {gib(device['memory_free'])} of {gib(device['memory_total'])} free" if "memory_free" in device else ""
    lines = {
        "FitDiff": report["version"],
        "Python": f"{report['python']['version']} ({report['python']['executable']})",
        "System": f"{report['system']['platform']}, {report['system']['cores']} cores",
        "Memory": f"{gib(memory['available'])} free of {gib(memory['total'])}",
        "Disk": f"{gib(report['disk_free']['work'])} free",
        "Device": " ".join(str(device[key]) for key in ("kind", "name") if device.get(key)) + card,
        "Packages": ", ".join(f"{name} {version or 'MISSING'}" for name, version in report["packages"].items()),
        "Extras": ", ".join(f"{extra}: {sum(has.values())} of {len(has)}" for extra, has in report["extras"].items()),
        **{
            stack.capitalize(): ", ".join(_asset(row) for row in report["assets"] if row["stack"] == stack)
            for stack in ("embedded", "research", "evaluation")
        },
        "Licences": "; ".join(
            sorted({row["licence"] for row in report["assets"] if row["present"] and row["licence"]})
        ),
        "Weights": ", ".join(
            report["assets"][-1].get("looked_in", [])
        ),  # every network is looked for in the same folders
        "Logs": report["logs"],
        "Self test": _test(report["self_test"]),
    }
    for label, text in lines.items():
        console.print(f"{label:<10}{text}", markup=False, highlight=False, soft_wrap=True)
    for problem in report["problems"]:
        sign = "!" if problem["stops"] else "-"
        console.print(f"{sign} {problem['what']} {problem['remedy']}", markup=False, highlight=False, soft_wrap=True)
    if report["ready"]:
        console.print("Ready.", markup=False, highlight=False)


def _asset(row: dict[str, Any]) -> str:
    if not row["present"]:
        return f"{row['name']} missing"
    return f"{row['name']} " + {True: "verified", False: "DAMAGED", None: "present"}[row["verified"]]


def _test(outcome: dict[str, Any] | None) -> str:
    if outcome is None:
        return "not asked for"
    if outcome["left_out"]:
        return "left out, because parts are missing"
    return f"passed in {outcome['seconds']:.1f} s on {outcome['device']}" if outcome["passed"] else "FAILED"
