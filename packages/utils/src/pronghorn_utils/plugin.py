"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl

SETTINGS = """
    disable_flash_attention disable_traceback_filtering enable_flash_attention enable_traceback_filtering
    enable_unsafe_deserialization is_flash_attention_enabled is_nnx_enabled is_traceback_filtering_enabled max_epochs
    max_steps_per_epoch set_backend set_max_epochs set_max_steps_per_epoch
"""
TREES = """
    MAP_TO_NONE assert_same_paths flatten_with_path lists_to_tuples map_shape_structure map_structure_up_to traverse
"""


@hookimpl
def pronghorn_utils() -> dict[str, str]:
    """Helper name -> "module:attribute"."""
    return {
        "Config": "pronghorn_utils.named_values:Config",
        "PyDataset": "pronghorn_utils.streams:PyDataset",
        "Sequence": "pronghorn_utils.streams:Sequence",
        "Tokenizer": "pronghorn_utils.tokenizing:Tokenizer",
        "audio_dataset_from_directory": "pronghorn_utils.audio_files:audio_dataset_from_directory",
        "array_to_img": "pronghorn_utils.images:array_to_img",
        "bounding_boxes": "pronghorn_utils.bounding_boxes",
        "clone_model": "pronghorn_utils.cloning:clone_model",
        "get_file": "pronghorn_utils.files:get_file",
        "get_state_tree": "pronghorn_utils.state_tree:get_state_tree",
        "get_source_inputs": "pronghorn_utils.inspection:get_source_inputs",
        "image_dataset_from_directory": "pronghorn_utils.image_files:image_dataset_from_directory",
        "img_to_array": "pronghorn_utils.images:img_to_array",
        "legacy": "pronghorn_utils.legacy",
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
        **{f"config.{name}": f"pronghorn_utils.settings:{name}" for name in SETTINGS.split()},
        **{f"tree.{name}": f"pronghorn_utils.trees:{name}" for name in TREES.split()},
        **{f"keras.{name}": f"pronghorn_utils.symbols:{name}" for name in ("Function", "KerasTensor", "device")},
        "cost.flops": "pronghorn_utils.cost:flops",
        "cost.traffic": "pronghorn_utils.cost:traffic",
        "fit.class_weight": "pronghorn_utils.class_weights:class_weights",
        "fit.reading_ahead": "pronghorn_utils.workers:ahead",
        "fit.generators_and_PyDatasets": "pronghorn_utils.streams:stream_source",
        "keras.install_as_keras": "pronghorn_utils.compat:install_as_keras",
        "keras.plot": "pronghorn_utils.curves:plot",
        "Graph.listing": "pronghorn_utils.listing:nodes_of",
        "Layer.sample_shape": "pronghorn_utils.first_layer:sample_shape",
        "Model.reduced": "pronghorn_utils.pickling:reduced",
        "Model.summary": "pronghorn_utils.summary:summary",
        "Program.listing": "pronghorn_utils.listing:listing",
        "Program.profile": "pronghorn_utils.listing:profile",
        "Program.refuse_frozen_state": "pronghorn_utils.frozen_state:refuse_frozen_state",
        "Program.user_location": "pronghorn_utils.frozen_state:user_location",
    }


@hookimpl
def pronghorn_commands() -> dict[str, str]:
    """Command of `python -m pronghorn` -> "module:attribute"."""
    return {
        "cache": "pronghorn_utils.machine:cache",
        "info": "pronghorn_utils.machine:info",
        "run": "pronghorn_utils.running:run",
    }
