"""Draws line charts as SVG, readable on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 60, 60
STEPS: Final = 5
STYLE: Final = """
text { font: 14px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 17px; font-weight: 600; }
.grid { stroke: #d0d7de; }
.fit { stroke: #57606a; stroke-dasharray: 5 4; fill: none; }
.s0 { fill: #0550ae; stroke: #0550ae; } .s1 { fill: #bc4c00; stroke: #bc4c00; }
.line { fill: none; stroke-width: 2; }
.back { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .grid { stroke: #3d444d; } .fit { stroke: #9198a1; } .back { fill: #0d1117; }
  .s0 { fill: #79c0ff; stroke: #79c0ff; } .s1 { fill: #ffa657; stroke: #ffa657; }
}
"""
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class LineChart:
    """A chart: the title, the labels of the axes, and the points of each line by its name."""

    title: str
    horizontal: str
    vertical: str
    lines: Mapping[str, Points]


def slope(points: Points) -> float:
    """Return the slope of a least-squares line through the points."""
    horizontal, vertical = (sum(point[at] for point in points) / len(points) for at in (0, 1))
    spread = sum((x - horizontal) ** 2 for x, _ in points)
    return sum((x - horizontal) * (y - vertical) for x, y in points) / spread


def render_svg(chart: LineChart) -> str:
    """Return the chart as SVG."""
    everything = [point for points in chart.lines.values() for point in points]
    right, top = _round(max(x for x, _ in everything)), _round(max(y for _, y in everything))
    body = [*_grid(right, top)]
    for number, (name, points) in enumerate(chart.lines.items()):
        places = [_to_svg(x / right, y / top) for x, y in points]
        body.append(f'<polyline class="line s{number}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>')
        body += [f'<circle class="s{number}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in places]
        body.append(f'<rect class="s{number}" x="{LEFT + 12 + 230 * number}" y="40" width="14" height="4"/>')
        body.append(f'<text x="{LEFT + 32 + 230 * number}" y="47">{escape(name)}</text>')
    turned = f"translate(18 {HEIGHT / 2}) rotate(-90)"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t">',
            f'<title id="t">{escape(chart.title)}</title>',
            f"<style>{STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<text class="title" x="{LEFT}" y="25">{escape(chart.title)}</text>',
            *body,
            f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(chart.horizontal)}</text>',
            f'<text transform="{turned}" text-anchor="middle">{escape(chart.vertical)}</text>',
            "</svg>\n",
        ]
    )


def _grid(right: float, top: float) -> list[str]:
    body = []
    for step in range(STEPS + 1):
        part = step / STEPS
        (x, _), (_, y) = _to_svg(part, 0), _to_svg(0, part)
        body.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        body.append(f'<text x="{LEFT - 8}" y="{y + 5:.1f}" text-anchor="end">{part * top:g}</text>')
        body.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle">{part * right:,.0f}</text>')
    return body


def _to_svg(horizontal: float, vertical: float) -> tuple[float, float]:
    return LEFT + horizontal * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - vertical * (HEIGHT - TOP - BOTTOM)


def _round(most: float) -> float:
    """Return the next larger number that five steps divide into round numbers."""
    unit: float = 10.0 ** math.floor(math.log10(most))
    return next(part * unit for part in (1, 1.5, 2, 2.5, 5, 7.5, 10) if part * unit >= most)
