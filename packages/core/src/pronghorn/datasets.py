"""Every installed data set, by name: `from pronghorn.datasets import mnist`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn_datasets import boston_housing as boston_housing
    from pronghorn_datasets import california_housing as california_housing
    from pronghorn_datasets import cifar10 as cifar10
    from pronghorn_datasets import cifar100 as cifar100
    from pronghorn_datasets import fashion_mnist as fashion_mnist
    from pronghorn_datasets import imdb as imdb
    from pronghorn_datasets import mnist as mnist
    from pronghorn_datasets import reuters as reuters

__getattr__, __dir__ = facade(__name__, "datasets")
