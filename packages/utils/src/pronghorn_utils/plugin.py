"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


@hookimpl
def pronghorn_utils() -> dict[str, str]:
    """Helper name -> "module:attribute"."""
    return {
        "array_to_img": "pronghorn_utils.images:array_to_img",
        "get_file": "pronghorn_utils.files:get_file",
        "image_dataset_from_directory": "pronghorn_utils.image_files:image_dataset_from_directory",
        "img_to_array": "pronghorn_utils.images:img_to_array",
        "load_img": "pronghorn_utils.images:load_img",
        "normalize": "pronghorn_utils.arrays:normalize",
        "pad_sequences": "pronghorn_utils.sequences:pad_sequences",
        "save_img": "pronghorn_utils.images:save_img",
        "set_random_seed": "pronghorn_utils.seeds:set_random_seed",
        "smart_resize": "pronghorn_utils.images:smart_resize",
        "split_dataset": "pronghorn_utils.splitting:split_dataset",
        "text_dataset_from_directory": "pronghorn_utils.text_files:text_dataset_from_directory",
        "timeseries_dataset_from_array": "pronghorn_utils.timeseries:timeseries_dataset_from_array",
        "to_categorical": "pronghorn_utils.arrays:to_categorical",
    }
