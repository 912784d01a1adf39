"""Every installed helper, by name: `from pronghorn.utils import to_categorical`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.backend import clear_session as clear_session
    from pronghorn.saving.registry import CustomObjectScope as CustomObjectScope
    from pronghorn.saving.registry import custom_object_scope as custom_object_scope
    from pronghorn.saving.registry import deserialize_keras_object as deserialize_keras_object
    from pronghorn.saving.registry import get_custom_objects as get_custom_objects
    from pronghorn.saving.registry import get_registered_name as get_registered_name
    from pronghorn.saving.registry import get_registered_object as get_registered_object
    from pronghorn.saving.registry import register_keras_serializable as register_keras_serializable
    from pronghorn.saving.registry import serialize_keras_object as serialize_keras_object
    from pronghorn.training.data import PyDataset as PyDataset
    from pronghorn.training.data import Sequence as Sequence
    from pronghorn.training.data import pack_x_y_sample_weight as pack_x_y_sample_weight
    from pronghorn.training.data import unpack_x_y_sample_weight as unpack_x_y_sample_weight
    from pronghorn.training.progress import Progbar as Progbar
    from pronghorn_utils.arrays import normalize as normalize
    from pronghorn_utils.arrays import to_categorical as to_categorical
    from pronghorn_utils.files import get_file as get_file
    from pronghorn_utils.image_files import image_dataset_from_directory as image_dataset_from_directory
    from pronghorn_utils.images import array_to_img as array_to_img
    from pronghorn_utils.images import img_to_array as img_to_array
    from pronghorn_utils.images import load_img as load_img
    from pronghorn_utils.images import save_img as save_img
    from pronghorn_utils.images import smart_resize as smart_resize
    from pronghorn_utils.inspection import get_source_inputs as get_source_inputs
    from pronghorn_utils.inspection import is_keras_tensor as is_keras_tensor
    from pronghorn_utils.inspection import standardize_dtype as standardize_dtype
    from pronghorn_utils.plotting import model_to_dot as model_to_dot
    from pronghorn_utils.plotting import plot_model as plot_model
    from pronghorn_utils.seeds import set_random_seed as set_random_seed
    from pronghorn_utils.sequences import pad_sequences as pad_sequences
    from pronghorn_utils.splitting import split_dataset as split_dataset
    from pronghorn_utils.text_files import text_dataset_from_directory as text_dataset_from_directory
    from pronghorn_utils.timeseries import timeseries_dataset_from_array as timeseries_dataset_from_array
    from pronghorn_utils.tokenizing import Tokenizer as Tokenizer
    from pronghorn_utils.tokenizing import text_to_word_sequence as text_to_word_sequence

__getattr__, __dir__ = facade(
    __name__,
    "utils",
    {
        "pronghorn.backend": "clear_session",
        "pronghorn.saving.registry": (
            "CustomObjectScope custom_object_scope deserialize_keras_object get_custom_objects "
            "get_registered_name get_registered_object register_keras_serializable "
            "serialize_keras_object"
        ),
        "pronghorn.training.data": "PyDataset Sequence pack_x_y_sample_weight unpack_x_y_sample_weight",
        "pronghorn.training.progress": "Progbar",
    },
)
