"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


@hookimpl
def pronghorn_utils() -> dict[str, str]:
    """Helper name -> "module:attribute"."""
    return {
        "Tokenizer": "pronghorn_utils.tokenizing:Tokenizer",
        "array_to_img": "pronghorn_utils.images:array_to_img",
        "clone_model": "pronghorn_utils.cloning:clone_model",
        "get_file": "pronghorn_utils.files:get_file",
        "get_state_tree": "pronghorn_utils.state_tree:get_state_tree",
        "get_source_inputs": "pronghorn_utils.inspection:get_source_inputs",
        "image_dataset_from_directory": "pronghorn_utils.image_files:image_dataset_from_directory",
        "img_to_array": "pronghorn_utils.images:img_to_array",
        "is_keras_tensor": "pronghorn_utils.inspection:is_keras_tensor",
        "load_img": "pronghorn_utils.images:load_img",
        "model_to_dot": "pronghorn_utils.plotting:model_to_dot",
        "normalize": "pronghorn_utils.arrays:normalize",
        "pad_sequences": "pronghorn_utils.sequences:pad_sequences",
        "plot_model": "pronghorn_utils.plotting:plot_model",
        "save_img": "pronghorn_utils.images:save_img",
        "set_state_tree": "pronghorn_utils.state_tree:set_state_tree",
        "set_random_seed": "pronghorn_utils.seeds:set_random_seed",
        "smart_resize": "pronghorn_utils.images:smart_resize",
        "split_dataset": "pronghorn_utils.splitting:split_dataset",
        "standardize_dtype": "pronghorn_utils.inspection:standardize_dtype",
        "text_dataset_from_directory": "pronghorn_utils.text_files:text_dataset_from_directory",
        "text_to_word_sequence": "pronghorn_utils.tokenizing:text_to_word_sequence",
        "timeseries_dataset_from_array": "pronghorn_utils.timeseries:timeseries_dataset_from_array",
        "to_categorical": "pronghorn_utils.arrays:to_categorical",
    }
