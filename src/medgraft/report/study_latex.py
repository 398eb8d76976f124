"""The table of a study for a paper: LaTeX with booktabs, the best of a row in bold, ties with it underlined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ESCAPED = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "−": r"$-$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def escaped(text: str) -> str:
    """The text as LaTeX prints it; line breaks become spaces."""
    return "".join(_ESCAPED.get(letter, letter) for letter in " ".join(text.split()))


def latex_table(found: Mapping[str, Any]) -> str:
    """A ``table`` with a caption; needs ``\\usepackage{booktabs}``.

    Parameters
    ----------
    found : what ``report/report.json`` of a study holds.
    """
    table = found["table"]
    heads = [escaped("training images" if head == "n" else head) for head in table["heads"]]
    lines = [
        "% Needs \\usepackage{booktabs}.",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{escaped(_caption(found))}}}",
        f"\\begin{{tabular}}{{{'l' * len(heads)}{'c' * len(table['columns'])}}}",
        "\\toprule",
        " & ".join([*heads, *(escaped(column) for column in table["columns"])]) + r" \\",
        "\\midrule",
    ]
    before: list[str] = []
    for line in table["lines"]:
        if before and line["names"][:-1] != before[:-1]:
            lines.append("\\midrule")
        entries = [_entry(entry) for entry in line["entries"]]
        lines.append(" & ".join([*(escaped(name) for name in line["names"]), *entries]) + r" \\")
        before = line["names"]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", "\\end{table}", ""])


def _caption(found: Mapping[str, Any]) -> str:
    seeds, folds = len(found["seeds"]), found["folds"]
    over = f"{seeds} seed{'s' if seeds != 1 else ''}" + (f" and {folds} folds" if folds else "")
    synthetic = " SYNTHETIC data." if found["synthetic"] else ""
    what = f"{found['title']}{_model(found)} on {found['test']['images']} test images of {found['data']}"
    return (
        f"{what}, mean and standard deviation over {over}. Bold: best of a row; underlined: not told from it (p of "
        f"0.05 or more by a test over seeds and images{_correction(found)}).{synthetic}"
    )


def _correction(found: Mapping[str, Any]) -> str:
    return f", corrected by Holm's method {found['correction']}" if found["correction"] else ""


def _model(found: Mapping[str, Any]) -> str:
    """The only model, which no row names; empty where there are several."""
    names = list(found["models"].values())
    return f" of {names[0]}" if len(names) == 1 else ""


def _entry(entry: Mapping[str, Any] | None) -> str:
    if entry is None or entry["mean"] is None:
        return "--"
    spread = "" if entry["sd"] is None else f" \\pm {entry['sd']:.3f}"
    number = f"{entry['mean']:.3f}{spread}"
    text = (
        f"$\\mathbf{{{number}}}$" if entry["best"] else f"\\underline{{${number}$}}" if entry["tied"] else f"${number}$"
    )
    fewer = f" ({entry['finished']} of {entry['of']})" if entry["finished"] < entry["of"] else ""
    return text + fewer
