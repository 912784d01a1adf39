"""Plans of convolutions and of their gradients: gathered products (see `convolution_kernels`) with their tables.

Everything is brought to three spatial dimensions: lines, a middle one and an inner one whose runs the kernel walks. A
plane has a middle dimension of 1. Strided gradients of the input are a convolution for each phase: the outputs that are
congruent modulo the strides meet the same taps of the kernel.

Sources depend on the dtype and the machine alone. How the sums are cut depends on shapes alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from pronghorn.ops.attributes import Windows
from pronghorn_cpu import host
from pronghorn_cpu.combine_kernels import Combine
from pronghorn_cpu.convolution_kernels import Gathered, Pack, gathered_kernel, pack_kernel, tiles
from pronghorn_cpu.launch import Callee, Claims, Launch, Pointer, Scratch, Slot, kernel_source
from pronghorn_cpu.linear import Epilogue, combine_source, epilogue_source
from pronghorn_cpu.matmul_kernels import spare_bytes
from pronghorn_cpu.runner import default_pool
from pronghorn_cpu.shape import Fill, plan_fill
from pronghorn_cpu.vectors import element

Ints = tuple[int, ...]

_TERMS = 1024
"""The longest sum in registers, unless a single run is longer (part of the bits, as the next three are)."""

_PARTS = 16
"""The gradient of a kernel is summed in at most so many parts, each over its share of the images."""

_PARTS_BYTES = 1 << 22
"""Large kernels have fewer parts: all together take no more memory than this."""

_COPY_BYTES = 192 << 10
"""A padded block of an image: with the kernel it fits the second-level cache."""

_UNITS = 16
"""Work is cut until there are about so many units, or too few rows in each."""

_UNIT_ROWS = 48

_PARALLEL_PRODUCTS = 1 << 16

_COMBINED = 4096


def gathered_source(dtype: str) -> str:
    """The source of the kernel of all convolutions in `dtype` on this machine."""
    return kernel_source(gathered_kernel, dtype, tuple((t.lanes, t.rows, t.vectors) for t in tiles(dtype)))


@dataclass(frozen=True)
class _Axis:
    """How windows read one dimension of an image."""

    size: int
    count: int
    stride: int
    before: int
    """Padding before the first cell."""
    offsets: Ints
    """The cells of a window, from its first one in the padded image."""
    taps: Ints
    """The places in the kernel that they meet."""
    start: int = 0
    step: int = 1
    """Where the results go along this dimension of the output."""

    @property
    def extent(self) -> int:
        """Cells of the padded image that are read."""
        return max((self.count - 1) * self.stride + max(self.offsets, default=0) + 1, self.before)

    @property
    def padded(self) -> bool:
        return self.before > 0 or self.extent > self.size


def three(values: Sequence[int], one: int = 1) -> Ints:
    """Values of the spatial dimensions as those of lines, middle and inner."""
    return {1: (one, one, *values), 2: (*values[:1], one, *values[1:]), 3: tuple(values)}[len(values)]


def _forward_axes(sizes: Ints, windows: Windows) -> list[_Axis]:
    axes = zip(
        three(sizes),
        three(windows.count(sizes)),
        three(windows.size),
        three(windows.strides),
        three([low for low, _ in windows.padding], 0),
        three(windows.dilation),
        strict=True,
    )
    return [_Axis(n, m, s, low, tuple(i * d for i in range(k)), tuple(range(k))) for n, m, k, s, low, d in axes]


def _phases(sizes: Ints, windows: Windows) -> list[list[_Axis]]:
    """The axes of each phase of the gradient of an input of these sizes, which reads the output's gradient."""
    found = []
    for n, m, k, s, low, d in zip(
        three(sizes),
        three(windows.count(sizes)),
        three(windows.size),
        three(windows.strides),
        three([low for low, _ in windows.padding], 0),
        three(windows.dilation),
        strict=True,
    ):
        phases = []
        for phase in range(min(s, n)):
            # Output cell i * s + phase meets tap t of window i + (phase + low - t * d) / s.
            read = sorted(((phase + low - t * d) // s, t) for t in range(k) if (phase + low - t * d) % s == 0)
            before = max(0, -min((offset for offset, _ in read), default=0))
            offsets = tuple(offset + before for offset, _ in read)
            count = -(-(n - phase) // s)
            phases.append(_Axis(m, count, 1, before, offsets, tuple(t for _, t in read), phase, s))
        found.append(phases)
    return [list(axes) for axes in itertools.product(*found)]


@dataclass(frozen=True)
class _Image:
    """The image that rows or terms are gathered from, block by block."""

    axes: list[_Axis]
    channels: int
    groups: int
    itemsize: int

    @property
    def padded(self) -> bool:
        return any(axis.padded for axis in self.axes)

    @property
    def strides(self) -> Ints:
        """Bytes from line to line, along the middle and along the inner dimension, where the kernel reads."""
        _, middle, inner = (axis.extent if self.padded else axis.size for axis in self.axes)
        cell = self.channels * self.itemsize
        return middle * inner * cell, inner * cell, cell

    @property
    def bytes(self) -> int:
        """One image, as it is given."""
        return math.prod(axis.size for axis in self.axes) * self.channels * self.itemsize

    def copied_lines(self, lines: int) -> int:
        axis = self.axes[0]
        return (lines - 1) * axis.stride + max(axis.offsets, default=0) + 1

    @property
    def block(self) -> int:
        """Output lines whose padded input fits the cache."""
        lines = self.axes[0].count
        while self.padded and lines > 1 and self.copied_lines(lines) * self.strides[0] > _COPY_BYTES:
            lines = -(-lines // 2)
        return lines

    def places(self) -> tuple[list[int], int]:
        """Where the runs of a window's cells begin, and how many elements follow one another in each."""
        lines, middle, inner = (axis.offsets for axis in self.axes)
        outer = [a * self.strides[0] + b * self.strides[1] for a, b in itertools.product(lines, middle)]
        if self.groups == 1 and inner and inner == tuple(range(inner[0], inner[0] + len(inner))):
            return [place + inner[0] * self.strides[2] for place in outer], len(inner) * self.channels
        channels = self.channels // self.groups
        return [place + cell * self.strides[2] for place in outer for cell in inner], channels

    def positions(self) -> list[int]:
        """Where the runs of the windows of a block begin."""
        lines, middle, _ = self.axes
        steps = lines.stride * self.strides[0], middle.stride * self.strides[1]
        return [a * steps[0] + b * steps[1] for a, b in itertools.product(range(self.block), range(middle.count))]

    def slots(self) -> dict[Gathered, Slot]:
        """What the kernel needs to find and to pad the image."""
        lines, middle, inner = self.axes
        cell = self.channels * self.itemsize
        return {
            Gathered.BLOCKS: -(-lines.count // self.block),
            Gathered.BLOCK_LINES: self.block,
            Gathered.LINES: lines.count,
            Gathered.A_IMAGE: self.bytes,
            Gathered.A_BLOCK: self.block * lines.stride * self.strides[0],
            Gathered.A_GROUP: self.channels // self.groups * self.itemsize,
            Gathered.PADDED: int(self.padded),
            Gathered.COPY_LINES: self.copied_lines(self.block),
            Gathered.COPY_STRIDE: self.block * lines.stride,
            Gathered.LINES_BEFORE: lines.before,
            Gathered.IMAGE_LINES: lines.size,
            Gathered.COPY_MIDDLE: middle.extent,
            Gathered.MIDDLE_BEFORE: middle.before,
            Gathered.IMAGE_MIDDLE: middle.size,
            Gathered.COPY_INNER: inner.extent * cell,
            Gathered.INNER_BEFORE: inner.before * cell,
            Gathered.IMAGE_INNER: inner.size * cell,
        }


@dataclass(frozen=True)
class _Memory:
    """Scratch memory of a launch: every thread's, then what is shared."""

    thread_bytes: int
    panel: int
    image: int
    threads: int

    @classmethod
    def of(cls, image: _Image, panel_terms: int, threads: int) -> _Memory:
        widest, narrowest = tiles(_dtype(image))[0], tiles(_dtype(image))[-1]
        panel = spare_bytes(widest.dtype, widest.lanes, widest.vectors)
        padded = _round(panel + panel_terms * narrowest.columns * image.itemsize)
        copy = image.copied_lines(image.block) * image.strides[0] if image.padded else 0
        return cls(_round(padded + copy), panel, padded, threads)

    @property
    def shared(self) -> int:
        return self.thread_bytes * self.threads

    def slots(self) -> dict[Gathered, Slot]:
        return {
            Gathered.SCRATCH: Scratch(),
            Gathered.SCRATCH_STRIDE: self.thread_bytes,
            Gathered.THREADS: self.threads,
            Gathered.CLAIMS: Claims(),
            Gathered.PANEL: self.panel,
            Gathered.IMAGE: self.image,
        }


def _dtype(image: _Image) -> str:
    return next(dtype for dtype, size in host.ITEMSIZE.items() if size == image.itemsize)


def _round(size: int) -> int:
    return -(-size // 64) * 64


def plan_convolution(
    dtype: str,
    x: Ints,
    kernel: Ints,
    windows: Windows,
    groups: int,
    epilogue: Epilogue | None = None,
    threads: int | None = None,
) -> tuple[Launch, ...]:
    """The launches of `convolution` on dense arrays of shapes `x` and `kernel`.

    Operands are x, the kernel, the epilogue's further inputs, then the outputs. The epilogue sees the product as a
    matrix (positions, filters), and its views are of that; at least one of its outputs is of `dtype`.
    """
    image = _Image(_forward_axes(x[1:-1], windows), x[-1], groups, host.ITEMSIZE[dtype])
    depth, filters = kernel[-2], kernel[-1]
    tap = depth * filters * image.itemsize
    b = _Kernel(
        filters // groups, depth, filters // groups * image.itemsize, filters * image.itemsize, image.itemsize, tap
    )
    return _plan_forward(image, x[0], three(kernel[:-2]), b, filters, windows.count(x[1:-1]), epilogue, threads)


def plan_input_gradient(
    dtype: str, dy: Ints, kernel: Ints, sizes: Ints, windows: Windows, groups: int, threads: int | None = None
) -> tuple[Launch, ...]:
    """The launches of `convolution_input_gradient`; operands are dy, the kernel and the result."""
    size = host.ITEMSIZE[dtype]
    channels, filters = kernel[-2], kernel[-1]
    b = _Kernel(channels, filters // groups, filters // groups * size, size, filters * size, channels * filters * size)
    phases = _phases(sizes, windows)
    read = [axes for axes in phases if all(axis.taps for axis in axes)]
    launches: tuple[Launch, ...] = ()
    if len(read) < len(phases):  # zeros where no window reads: one pass along memory
        fill = plan_fill(dtype, [Fill(dy[0] * math.prod(sizes) * channels * groups, 0)])
        launches = (fill._replace(slots=tuple(Pointer(2) if isinstance(s, Pointer) else s for s in fill.slots)),)
    for axes in read:
        image = _Image(axes, dy[-1], groups, size)
        launches += _plan_forward(image, dy[0], three(kernel[:-2]), b, channels * groups, sizes, None, threads)
    return launches


@dataclass(frozen=True)
class _Kernel:
    """The convolution's kernel as the matrix B of a product; strides in bytes."""

    columns: int
    depth: int
    """Terms of one tap."""
    group: int
    term: int
    column: int
    tap: int


def _plan_forward(
    image: _Image,
    batch: int,
    window: Ints,
    b: _Kernel,
    channels: int,
    sizes: Ints,
    epilogue: Epilogue | None,
    threads: int | None,
) -> tuple[Launch, ...]:
    """Rows are positions, whose results lie in an output of spatial `sizes` and `channels`."""
    dtype, size, groups, axes = _dtype(image), image.itemsize, image.groups, image.axes
    positions = math.prod(axis.count for axis in axes)
    if not batch * positions * channels:
        return ()
    threads = threads or default_pool().threads
    segments, run = image.places()
    taps = [_flat(place, window) * b.tap for place in itertools.product(*(axis.taps for axis in axes))]
    terms = len(taps) * b.depth
    cell = channels * size
    _, middle, inner = three(sizes)
    line = middle * inner * cell
    rows = [
        entry
        for k, place in enumerate(image.positions())
        for entry in (place, k // axes[1].count * axes[0].step * line + k % axes[1].count * axes[1].step * inner * cell)
    ]
    memory = _Memory.of(image, 0, threads)
    launches: list[Launch] = []
    direct = groups == 1 and b.column == size and taps == list(range(0, len(taps) * b.tap, b.tap))
    direct = direct and b.columns in [tile.columns for tile in tiles(dtype)]
    total = memory.shared
    if not direct and terms:
        total += groups * _padded_columns(dtype, b.columns) * terms * size
        launches.append(_pack(dtype, b, groups, taps, memory.shared, total, threads))
    blocks = -(-axes[0].count // image.block)
    block_rows = image.block * axes[1].count * axes[2].count
    chunks = max(1, min(-(-_UNITS // (batch * blocks)), block_rows // _UNIT_ROWS))
    start = axes[0].start * line + axes[1].start * inner * cell + axes[2].start * cell
    home, called, table = epilogue_table(epilogue, dtype, batch * positions, channels, start)
    slots: dict[Gathered, Slot] = {
        **image.slots(),
        **memory.slots(),
        Gathered.A: Pointer(0),
        Gathered.B: Pointer(1) if direct else Scratch(memory.shared),
        Gathered.C: home,
        Gathered.UNITS: batch * blocks * chunks,
        Gathered.CHUNKS: chunks,
        Gathered.CHUNK_ROWS: -(-block_rows // chunks),
        Gathered.ITEMS: batch * blocks,
        Gathered.UNIT_ITEMS: 1,
        Gathered.ADD_ITEMS: 0,
        Gathered.ROWS: 0,
        Gathered.LINE_ROWS: axes[1].count * axes[2].count,
        Gathered.SEGMENTS: len(segments),
        Gathered.LINE_SEGMENTS: 0,
        Gathered.ROW_RUN: axes[2].count,
        Gathered.ROW_STEP: axes[2].stride * image.strides[2],
        Gathered.C_STEP: axes[2].step * cell,
        Gathered.SEGMENT_RUN: run,
        Gathered.SEGMENT_STEP: size,
        Gathered.SEGMENT_BLOCK: max(1, _TERMS // run),
        Gathered.GROUPS: groups,
        Gathered.COLUMNS: b.columns,
        Gathered.B_IMAGE: 0,
        Gathered.B_BLOCK: 0,
        Gathered.B_GROUP: _padded_columns(dtype, b.columns) * terms * size,
        Gathered.B_DEPTH: 0,
        Gathered.B_COLUMN: terms * size,
        Gathered.C_PART: 0,
        Gathered.C_IMAGE: math.prod(sizes) * cell,
        Gathered.C_BLOCK: image.block * axes[0].step * line,
        Gathered.C_GROUP: b.columns * size,
        Gathered.EPILOGUE: called,
        Gathered.IMAGE_ROWS: positions,
        Gathered.BLOCK_ROWS: block_rows,
    }
    products = batch * positions * terms * channels
    launches.append(_launch(dtype, slots, rows, segments, table, total, products))
    return tuple(launches)


def plan_kernel_gradient(
    dtype: str, x: Ints, dy: Ints, windows: Windows, groups: int, threads: int | None = None
) -> tuple[Launch, ...]:
    """The launches of `convolution_kernel_gradient`; operands are x, dy and the result."""
    image = _Image(_forward_axes(x[1:-1], windows), x[-1], groups, host.ITEMSIZE[dtype])
    axes, size, filters, batch = image.axes, image.itemsize, dy[-1], x[0]
    cells, run = image.places()
    rows = math.prod(windows.size) * (x[-1] // groups)
    if not rows * filters:
        return ()
    if not batch * math.prod(axis.count for axis in axes):
        zeros = plan_fill(dtype, [Fill(rows * filters, 0)])
        return (zeros._replace(slots=tuple(Pointer(2) if slot == Pointer(0) else slot for slot in zeros.slots)),)
    threads = threads or default_pool().threads
    positions = math.prod(axis.count for axis in axes)
    blocks = -(-axes[0].count // image.block)
    result = rows * filters * size
    parts = max(1, min(batch, _PARTS, _PARTS_BYTES // result))
    images = -(-batch // parts)
    parts = -(-batch // images)
    block = max(1, _TERMS // axes[2].count)
    memory = _Memory.of(image, min(block, image.block * axes[1].count) * axes[2].count, threads)
    chunks = max(1, min(-(-_UNITS // parts), rows // _UNIT_ROWS)) if parts < _UNITS // 2 else 1
    home: Slot = Scratch(memory.shared) if parts > 1 else Pointer(2)
    total = memory.shared + (parts * result if parts > 1 else 0)
    block_bytes = image.block * axes[1].count * axes[2].count * filters * size
    table = [entry for k, place in enumerate(cells) for entry in (place, k * run * filters * size)]
    slots: dict[Gathered, Slot] = {
        **image.slots(),
        **memory.slots(),
        Gathered.A: Pointer(0),
        Gathered.B: Pointer(1),
        Gathered.C: home,
        Gathered.UNITS: parts * chunks,
        Gathered.CHUNKS: chunks,
        Gathered.CHUNK_ROWS: -(-rows // chunks),
        Gathered.ITEMS: batch * blocks,
        Gathered.UNIT_ITEMS: images * blocks,
        Gathered.ADD_ITEMS: 1,
        Gathered.ROWS: rows,
        Gathered.LINE_ROWS: 0,
        Gathered.SEGMENTS: 0,
        Gathered.LINE_SEGMENTS: axes[1].count,
        Gathered.ROW_RUN: run,
        Gathered.ROW_STEP: size,
        Gathered.C_STEP: filters * size,
        Gathered.SEGMENT_RUN: axes[2].count,
        Gathered.SEGMENT_STEP: axes[2].stride * image.strides[2],
        Gathered.SEGMENT_BLOCK: block,
        Gathered.GROUPS: groups,
        Gathered.COLUMNS: filters // groups,
        Gathered.B_IMAGE: positions * filters * size,
        Gathered.B_BLOCK: block_bytes,
        Gathered.B_GROUP: filters // groups * size,
        Gathered.B_DEPTH: filters * size,
        Gathered.B_COLUMN: size,
        Gathered.C_PART: result,
        Gathered.C_IMAGE: 0,
        Gathered.C_BLOCK: 0,
        Gathered.C_GROUP: filters // groups * size,
        Gathered.EPILOGUE: 0,
        Gathered.IMAGE_ROWS: 0,
        Gathered.BLOCK_ROWS: 0,
    }
    launches = [_launch(dtype, slots, table, image.positions(), [], total, batch * positions * rows * filters)]
    if parts > 1:
        launches.append(plan_sum(dtype, Scratch(memory.shared), parts, rows, filters, total))
    return tuple(launches)


def _launch(
    dtype: str,
    slots: dict[Gathered, Slot],
    rows: list[int],
    segments: list[int],
    operands: list[Slot],
    scratch: int,
    products: int,
) -> Launch:
    slots[Gathered.ROW_TABLE] = Gathered.TABLES
    slots[Gathered.SEGMENT_TABLE] = Gathered.TABLES + len(rows)
    slots[Gathered.OPERAND_TABLE] = Gathered.TABLES + len(rows) + len(segments)
    block = [slots[name] for name in Gathered if name is not Gathered.TABLES]
    block = [int(slot) if isinstance(slot, int) else slot for slot in block]
    return Launch(
        gathered_source(dtype), (*block, *rows, *segments, *operands), scratch, products >= _PARALLEL_PRODUCTS
    )


def _flat(place: Ints, window: Ints) -> int:
    """The number of a tap in a kernel of this window."""
    _, middle, inner = window
    return (place[0] * middle + place[1]) * inner + place[2]


def _padded_columns(dtype: str, columns: int) -> int:
    lanes = host.lanes(dtype)
    return -(-columns // lanes) * lanes


def _pack(dtype: str, b: _Kernel, groups: int, taps: list[int], target: int, scratch: int, threads: int) -> Launch:
    panels: list[int] = []
    column, count = 0, 0
    for tile in tiles(dtype):
        last = tile.columns == host.lanes(dtype)
        while b.columns - column >= tile.columns or (last and column < b.columns):
            panels += [column, min(tile.columns, b.columns - column), tile.columns]
            column, count = column + tile.columns, count + 1
    size = host.ITEMSIZE[dtype]
    slots: dict[Pack, Slot] = {
        Pack.B: Pointer(1),
        Pack.TARGET: Scratch(target),
        Pack.GROUPS: groups,
        Pack.PANELS: count,
        Pack.PANEL_TABLE: int(Pack.TABLES),
        Pack.TAP_TABLE: Pack.TABLES + len(panels),
        Pack.TAPS: len(taps),
        Pack.TAP_DEPTH: b.depth,
        Pack.B_GROUP: b.group,
        Pack.B_DEPTH: b.term,
        Pack.B_COLUMN: b.column,
        Pack.TARGET_GROUP: _padded_columns(dtype, b.columns) * len(taps) * b.depth * size,
        Pack.THREADS: threads,
    }
    block = [slots[name] for name in Pack if name is not Pack.TABLES]
    source = kernel_source(pack_kernel, dtype, host.lanes(dtype))
    elements = groups * b.columns * b.depth * len(taps)
    return Launch(source, (*block, *panels, *taps), scratch, elements >= _PARALLEL_PRODUCTS // 4)


def epilogue_table(
    epilogue: Epilogue | None, dtype: str, rows: int, columns: int, start: int
) -> tuple[Pointer, Callee | int, list[Slot]]:
    """Where the product is built up, the epilogue's kernel, and its operand table."""
    if epilogue is None:
        return Pointer(2, start), 0, []
    body = epilogue.body
    views = [view.broadcast((rows, columns)) for view in epilogue.inputs]
    outputs = [body.dtype(output) for output in body.outputs]
    first = 2 + len(views)
    home = Pointer(first + outputs.index(dtype))
    table: list[Slot] = [home, 0, 0, columns * host.ITEMSIZE[dtype]]
    for k, view in enumerate(views):
        assert view is not None
        table += [Pointer(2 + k), 0, 0, view.strides[0] * element(body.inputs[1 + k]).size]
    for k, output in enumerate(outputs):
        table += [Pointer(first + k), 0, 0, columns * element(output).size]
    contiguous = (True, *(view is not None and view.strides[1] == 1 for view in views))
    return home, Callee(epilogue_source(body, contiguous)), table


def plan_sum(dtype: str, parts_at: Scratch, parts: int, rows: int, columns: int, scratch: int) -> Launch:
    """The launch that adds up `parts` matrices, which lie one after the other in scratch memory, as operand 2."""
    slots: dict[Combine, Slot] = {
        Combine.PARTS: parts_at,
        Combine.C: Pointer(2),
        Combine.COUNT: parts,
        Combine.PART_STRIDE: rows * columns * host.ITEMSIZE[dtype],
        Combine.ROWS: rows,
        Combine.COLUMNS: columns,
        Combine.WORK_ROWS: max(1, _COMBINED // columns),
        Combine.EPILOGUE: 0,
        Combine.SCRATCH: Scratch(),
        Combine.SCRATCH_STRIDE: 0,  # only an epilogue would need any
        Combine.THREADS: parts * rows,
    }
    block = [slots[name] for name in Combine if name is not Combine.OPERANDS]
    return Launch(combine_source(dtype), tuple(block), scratch, parts * rows * columns >= _PARALLEL_PRODUCTS)
