from pronghorn_datasets import boston_housing as boston_housing
from pronghorn_datasets import california_housing as california_housing
from pronghorn_datasets import cifar10 as cifar10
from pronghorn_datasets import cifar100 as cifar100
from pronghorn_datasets import fashion_mnist as fashion_mnist
from pronghorn_datasets import imdb as imdb
from pronghorn_datasets import mnist as mnist
from pronghorn_datasets import reuters as reuters
