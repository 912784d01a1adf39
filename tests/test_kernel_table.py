"""Which ops have kernels on the CPU: the committed table is what programs have, and what trains has them all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.importorskip("pronghorn_cpu")

import kernel_table  # noqa: E402

TRAINED = set(
    """
    abs add argmax argmin argsort average_pool batch_normalization binary_crossentropy bincount categorical_crossentropy
    clip concatenate cond conv conv_transpose ctc_loss cumsum depthwise_conv divide dot_product_attention einsum elu exp
    expand_dims gelu get_item layer_normalization leaky_relu log log_softmax logsumexp matmul max max_pool maximum mean
    min moments multiply norm normalize one_hot pad power relu repeat reshape scan scatter scatter_update selu
    separable_conv sigmoid silu slice slice_update softmax softplus sort sparse_categorical_crossentropy split sqrt
    square stack std subtract sum take take_along_axis tanh tensordot tile top_k transpose var where
    image.affine_transform image.crop_images image.extract_patches image.gaussian_blur image.pad_images image.resize
    random.beta random.categorical random.dropout random.gamma random.normal random.randint random.shuffle
    random.truncated_normal random.uniform segment_max segment_sum
    """.split()
)


def test_the_table_is_what_programs_have() -> None:
    """After a change: `python tests/kernel_table.py`."""
    assert kernel_table.PATH.read_text(encoding="utf-8") == kernel_table.table()


@pytest.mark.parametrize("gradient", [False, True])
def test_what_training_needs_has_kernels(gradient: bool) -> None:
    hosts = {name: kernel_table.entry(name, gradient) for name in sorted(TRAINED)}
    assert {name: cell for name, cell in hosts.items() if "host" in cell} == {}
