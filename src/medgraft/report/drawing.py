"""How a chart is drawn: once as PNG and once as SVG in the colours of the page, which knows light and dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Palette:
    """The colours of a chart: text, quiet text, grid lines, and up to six series."""

    ink: str = "#1b2733"
    muted: str = "#5b6b78"
    grid: str = "#d9e0e6"
    first: str = "#0072b2"
    second: str = "#c75000"
    third: str = "#00795a"
    fourth: str = "#9c3f87"
    fifth: str = "#7a6200"
    sixth: str = "#4a4f9e"

    @property
    def series(self) -> tuple[str, ...]:
        """The colours of the series, in order."""
        return (self.first, self.second, self.third, self.fourth, self.fifth, self.sixth)


LIGHT = Palette()
# Colours that nothing else uses; in the SVG each is exchanged for the page's own, which know light and dark.
_THEMED = Palette(*(f"#0102{number:02d}" for number in range(3, 12)))
_VARIABLES = Palette("var(--ink)", "var(--muted)", "var(--line)", *(f"var(--series-{n})" for n in range(1, 7)))
# Lines of several runs differ in dashes too, for print and for eyes that see fewer colours.
DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = (
    "-", (0, (6, 2)), (0, (2, 1)), (0, (7, 2, 2, 2)), (0, (4, 1)), (0, (1, 1)),
)  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """A chart with its words: ``svg`` for the page (``alt`` must stand beside it) and ``png``."""

    name: str
    title: str
    alt: str
    svg: Markup
    png: bytes


def draw_chart(
    name: str,
    title: str,
    alt: str,
    draw: Callable[[Axes, Palette], None],
    note: str = "",
    size: tuple[float, float] = (4.3, 3.3),
) -> Chart:
    """Let ``draw`` fill a chart of ``size`` inches, for the page and as a picture.

    Parameters
    ----------
    name : of the chart's file.
    alt : the words for whoever cannot see it.
    note : words that every copy of the chart carries, as "SYNTHETIC data".
    """
    settings = {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 10}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # The picture lacks letters that its font lacks; the page takes them from the reader's fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        themed = _figure(draw, _THEMED, note, size, filled=False)
        # Laid out once: the picture differs in its colours alone, and finding room for the letters takes long.
        themed.draw_without_rendering()
        themed.set_layout_engine("none")
        svg = io.StringIO()
        themed.savefig(svg, format="svg", transparent=True)
        plain = _figure(draw, LIGHT, note, size, filled=True)
        plain.set_layout_engine("none")
        plain.axes[0].set_position(themed.axes[0].get_position(original=True))
        png = io.BytesIO()
        plain.savefig(png, format="png", dpi=160)
    return Chart(name, title, alt, _themed(svg.getvalue()), png.getvalue())


def finish(axes: Axes, palette: Palette, x: str, y: str) -> None:
    """Name the axes and give them the quiet look that all charts share."""
    axes.set_xlabel(x, color=palette.muted, parse_math=False)
    axes.set_ylabel(y, color=palette.muted, parse_math=False)
    axes.grid(True, color=palette.grid, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=palette.muted, length=0)
    axes.tick_params(axis="x", pad=6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(palette.grid)


def legend(axes: Axes, palette: Palette, **options: Any) -> None:
    """Name the series, whatever their names hold."""
    handles, labels = axes.get_legend_handles_labels()
    drawn = axes.legend(handles, labels, frameon=False, labelcolor=palette.ink, **options)
    drawn.get_title().set_color(palette.muted)
    for text in drawn.get_texts():
        text.set_parse_math(False)


def series_name(name: str, most: int = 26) -> str:
    """A name for a legend, which would leave out one that begins with an underscore."""
    return short(f"\u200b{name}" if name.startswith("_") else name, most)


def short(name: str, most: int = 34) -> str:
    """The name, cut where it would not fit a chart."""
    return name if len(name) <= most else name[: most - 1] + "…"


def _figure(
    draw: Callable[[Axes, Palette], None],
    palette: Palette,
    note: str,
    size: tuple[float, float],
    *,
    filled: bool,
) -> Figure:
    figure = Figure(figsize=size, layout="constrained", facecolor="white" if filled else "none")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor="none")
    draw(axes, palette)
    if note:
        axes.set_title(note, loc="right", fontsize=8, color=palette.muted, parse_math=False)
    return figure


def _themed(svg: str) -> Markup:
    """The drawing alone, without file headers, in the page's colours and without ids that would clash."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns(:xlink)?="[^"]*"', "", body)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 aria-hidden="true" focusable="false"', body, count=1)
    for sentinel, variable in zip(astuple(_THEMED), astuple(_VARIABLES), strict=True):
        body = body.replace(sentinel, variable)
    return Markup(body)
