"""The frame and the tables that all reports share."""

import numpy as np
import pytest
from jinja2 import UndefinedError

from fitdiff.html_report import TEMPLATES, jpeg, number, page, spread

ABOUT = {
    "date": "today",
    "fitdiff_version": "1",
    "settings": {"steps": 50},
    "machine": {"system": "<Linux>", "cores": 2},
}
TABLE = '{% from "tables.html" import table %}{{ table(rows, columns, guided) }}'


def table(rows, columns, guided=()):
    return TEMPLATES.from_string(TABLE).render(rows=rows, columns=columns, guided=guided)


def test_a_page_says_what_was_run_and_escapes_it():
    found = page("report.html", "<b>heads</b>", ABOUT)
    assert "<h1>&lt;b&gt;heads&lt;/b&gt;</h1>" in found and "&lt;Linux&gt;, cores 2." in found and "50 steps" in found
    assert found.startswith("<!doctype html>") and "default-src 'none'" in found


def test_a_table_has_a_row_for_each_figure_and_greys_what_guided():
    figures = {"a": 0.25, "b": None}
    found = table([("<i>", "a", 2, "net"), ("b", "b", 1)], {"fit": figures, "draft": figures}, {("fit", "net")})
    assert found.count("<tr>") == 3 and "<th>fit</th><th>draft</th>" in found
    assert "<td>&lt;i&gt;</td>" in found and '<td class="guide">0.25</td><td>0.25</td>' in found
    assert found.count("<td>–</td>") == 2


def test_a_spread_is_shown_with_its_ends():
    found = table([("a", "a", 1)], {"fit": {"a": spread([1.0, 3.0, None, 2.0])}})
    assert "<td>2.0 <small>1.0 to 3.0</small></td>" in found
    assert number(spread([None]), 1) == "–"


def test_a_figure_that_is_not_there_is_a_fault():
    with pytest.raises((TypeError, UndefinedError)):
        table([("a", "a", 1)], {"fit": {}})


def test_a_picture_lies_in_the_page():
    assert jpeg(np.zeros((8, 8, 3), np.uint8)).startswith("data:image/jpeg;base64,/9j/")
