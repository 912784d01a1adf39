"""A diagram as SVG, in layers from the inputs to the outputs; needs nothing but Python."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from pronghorn_utils.diagram import Box, Diagram

_LINE, _PAD, _GAP, _CHARACTER = 20, 10, 40, 8
_FONT_SIZE = 13
_FILLS = {True: "#228b22", False: "#b22222"}


def draw(diagram: Diagram, rankdir: str = "TB", dpi: float = 200, splines: str = "ortho") -> str:
    """The text of an SVG file.

    Args:
        diagram: what to draw; nested models are drawn among the others.
        rankdir: "TB" from top to bottom, "LR" from left to right.
        dpi: 200 shows the drawing at its natural size, 100 at half of that.
        splines: "ortho" for arrows with right angles, "curved" or "spline" for bent ones, "line" or "polyline"
            for straight ones.
    """
    boxes = list(diagram.all_boxes())
    ranks = _ranks(boxes, list(diagram.all_edges()))
    across = rankdir == "LR"
    places: dict[int, tuple[float, float, float, float]] = {}
    depth = 0.0
    rows = [[box for box in boxes if ranks[box.key] == rank] for rank in range(max(ranks.values(), default=-1) + 1)]
    breadths = [sum(_size(box)[across] for box in row) + _GAP * (len(row) - 1) for row in rows]
    for row, breadth in zip(rows, breadths, strict=True):
        along = (max(breadths) - breadth) / 2
        for box in row:
            width, height = _size(box)
            places[box.key] = (depth, along, width, height) if across else (along, depth, width, height)
            along += (height if across else width) + _GAP
        depth += max(_size(box)[not across] for box in row) + _GAP
    width = max((x + w for x, _, w, _ in places.values()), default=0)
    height = max((y + h for _, y, _, h in places.values()), default=0)
    scale = dpi / 200
    shapes = [_arrow(places[a], places[b], across, splines) for a, b in diagram.all_edges()]
    shapes += [_drawn(box, *places[box.key]) for box in boxes]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{(width + 20) * scale:g}" '
            f'height="{(height + 20) * scale:g}" viewBox="-10 -10 {width + 20:g} {height + 20:g}" '
            f'font-family="Helvetica, Arial, sans-serif" font-size="{_FONT_SIZE}">',
            '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
            *shapes,
            "</svg>",
        ]
    )


def _ranks(boxes: list[Box], edges: list[tuple[int, int]]) -> Mapping[int, int]:
    """For each box the length of the longest way to it; a layer that reads itself again is not followed round."""
    ranks = {box.key: 0 for box in boxes}
    for _ in boxes:
        changed = False
        for source, target in edges:
            if ranks[target] <= ranks[source] < len(boxes) - 1:
                ranks[target] = ranks[source] + 1
                changed = True
        if not changed:
            break
    return ranks


def _size(box: Box) -> tuple[float, float]:
    longest = max(map(len, (box.title, *box.lines)))
    return longest * _CHARACTER + 2 * _PAD, (1 + len(box.lines)) * _LINE + _PAD


def _drawn(box: Box, x: float, y: float, width: float, height: float) -> str:
    centre = x + width / 2
    parts = [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="white" stroke="black"/>',
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{_LINE + _PAD / 2:g}"/>',
        f'<text x="{centre:g}" y="{y + 17:g}" text-anchor="middle" fill="white" font-weight="bold">'
        f"{escape(box.title)}</text>",
    ]
    for i, line in enumerate(box.lines, start=1):
        last = i == len(box.lines) and box.trainable is not None
        fill = _FILLS[bool(box.trainable)] if last else "black"
        parts.append(
            f'<text x="{centre:g}" y="{y + 20 + i * _LINE:g}" text-anchor="middle" fill="{fill}">{escape(line)}</text>'
        )
    return "\n".join(parts)


def _arrow(
    source: tuple[float, float, float, float],
    target: tuple[float, float, float, float],
    across: bool,
    splines: str,
) -> str:
    (x, y, width, height), (to_x, to_y, to_width, to_height) = source, target
    if across:
        a, b, c, d = x + width, y + height / 2, to_x, to_y + to_height / 2
        middle = (a + c) / 2
        bends = f"{middle:g},{b:g} {middle:g},{d:g}"
    else:
        a, b, c, d = x + width / 2, y + height, to_x + to_width / 2, to_y
        middle = (b + d) / 2
        bends = f"{a:g},{middle:g} {c:g},{middle:g}"
    step = {"ortho": f"L{bends} L", "curved": f"C{bends} ", "spline": f"C{bends} "}.get(splines, "L")
    return f'<path d="M{a:g},{b:g} {step}{c:g},{d:g}" fill="none" stroke="black" marker-end="url(#head)"/>'
