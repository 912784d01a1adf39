"""The workloads in plain Torch: the loss on logits, the accuracy kept on the device.

`channels_last` has images laid out as Torch's CPU kernels like them best, `compiled` runs the step's forward and
backward through `torch.compile`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from workloads import HEADS, HIDDEN, UNITS, VOCABULARY, W1, W2, W3, W4, W5, WIDTH, Workload


def epoch(workload: Workload, x: Any, y: Any, channels_last: bool, compiled: bool) -> Callable[[], None]:
    """A function that trains one epoch."""
    network = _NETWORKS[workload.name]()
    optimizer = _optimizer(workload, network)
    inputs, binary = torch.from_numpy(x), workload is W3
    if workload in (W2, W4):
        inputs = torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
            inputs = inputs.contiguous(memory_format=torch.channels_last)
    inputs = inputs.long() if binary else inputs
    labels = torch.from_numpy(y) if binary else torch.from_numpy(y).argmax(1)
    inputs, labels = (t.to(torch.get_default_device()) for t in (inputs, labels))

    def loss_and_hits(x: Any, y: Any) -> tuple[Any, Any]:
        logits = network(x)
        if binary:
            return functional.binary_cross_entropy_with_logits(logits, y), ((logits > 0) == (y > 0.5)).sum()
        return functional.cross_entropy(logits, y), (logits.argmax(1) == y).sum()

    run = torch.compile(loss_and_hits) if compiled else loss_and_hits

    def train() -> None:
        order, right = torch.randperm(workload.rows), torch.zeros(())
        for start in range(0, workload.rows, workload.batch_size):
            rows = order[start : start + workload.batch_size]
            loss, hits = run(inputs[rows], labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            right += hits
        right.item()  # waits for a device

    return train


def _optimizer(workload: Workload, network: Any) -> Any:
    if workload is W1:
        return torch.optim.RMSprop(network.parameters(), 1e-3, alpha=0.9)
    if workload is W4:
        return torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    return torch.optim.Adam(network.parameters())


def _mlp() -> Any:
    first = [nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.4)]
    return nn.Sequential(*first, nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))


def _convolutions() -> Any:
    layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)]
    layers += [nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)]
    return nn.Sequential(*layers)


class _Reviews(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, UNITS)
        self.lstm = nn.LSTM(UNITS, UNITS, batch_first=True)
        self.dense = nn.Linear(UNITS, 1)

    def forward(self, ids: Any) -> Any:
        return self.dense(self.lstm(self.embedding(ids))[0][:, -1])


def _convolved(inputs: int, filters: int, size: int, strides: int) -> Any:
    convolution = nn.Conv2d(inputs, filters, size, strides, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters))


class _Residual(nn.Module):
    def __init__(self, inputs: int, filters: int, strides: int) -> None:
        super().__init__()
        self.first, self.second = _convolved(inputs, filters, 3, strides), _convolved(filters, filters, 3, 1)
        self.shortcut = nn.Identity() if strides == 1 else _convolved(inputs, filters, 1, strides)

    def forward(self, x: Any) -> Any:
        return functional.relu(self.shortcut(x) + self.second(functional.relu(self.first(x))))


def _residual() -> Any:
    blocks = [_convolved(3, 16, 3, 1), nn.ReLU()]
    inputs = 16
    for filters in (16, 32, 64):
        for block in range(3):
            blocks.append(_Residual(inputs, filters, 2 if filters > 16 and block == 0 else 1))
            inputs = filters
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.projection, self.output = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.hidden = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))

    def forward(self, x: Any) -> Any:
        batch, places, _ = x.shape
        split = self.projection(x).view(batch, places, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(*split).transpose(1, 2).reshape(x.shape)
        x = self.first(x + self.output(attended))
        return self.second(x + self.hidden(x))


class _Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks, self.dense = nn.Sequential(_Block(), _Block()), nn.Linear(WIDTH, 10)

    def forward(self, x: Any) -> Any:
        return self.dense(self.blocks(x).mean(1))


_NETWORKS: dict[str, Callable[[], Any]] = {
    W1.name: _mlp,
    W2.name: _convolutions,
    W3.name: _Reviews,
    W4.name: _residual,
    W5.name: _Transformer,
}
