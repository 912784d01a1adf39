"""Models as files: `.keras` and `.weights.h5`, and the registry of the classes that files may name."""

from __future__ import annotations

from pronghorn.saving.archive import load_model as load_model
from pronghorn.saving.archive import save_model as save_model
from pronghorn.saving.registry import CustomObjectScope as CustomObjectScope
from pronghorn.saving.registry import custom_object_scope as custom_object_scope
from pronghorn.saving.registry import deserialize_keras_object as deserialize_keras_object
from pronghorn.saving.registry import get_custom_objects as get_custom_objects
from pronghorn.saving.registry import get_registered_name as get_registered_name
from pronghorn.saving.registry import get_registered_object as get_registered_object
from pronghorn.saving.registry import register_keras_serializable as register_keras_serializable
from pronghorn.saving.registry import serialize_keras_object as serialize_keras_object
from pronghorn.saving.weights import load_weights as load_weights
from pronghorn.saving.weights import save_weights as save_weights
