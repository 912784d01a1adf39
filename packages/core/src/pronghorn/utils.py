"""Every installed helper, by name: `from pronghorn.utils import to_categorical`."""

from pronghorn.plugins import facade

__getattr__, __dir__ = facade(
    __name__,
    "utils",
    {
        "pronghorn.backend": "clear_session is_keras_tensor",
        "pronghorn.config": ("disable_interactive_logging enable_interactive_logging is_interactive_logging_enabled"),
        "pronghorn.saving.registry": (
            "CustomObjectScope custom_object_scope deserialize_keras_object get_custom_objects get_registered_name "
            "get_registered_object register_keras_serializable serialize_keras_object"
        ),
        "pronghorn.training.data": "pack_x_y_sample_weight unpack_x_y_sample_weight",
    },
)
