"""keras.tree's long tail."""

from __future__ import annotations

from collections import namedtuple

import pytest

from pronghorn import tree

Pair = namedtuple("Pair", "a b")
NESTED = {"b": [1, (2, 3)], "a": Pair(4, None)}


def test_walking() -> None:
    assert tree.traverse(lambda x: x + 1 if isinstance(x, int) else None, NESTED) == {
        "b": [2, (3, 4)],
        "a": Pair(5, None),
    }
    seen: list[object] = []
    tree.traverse(lambda x: seen.append(x), [1, [2]])
    assert seen == [[1, [2]], 1, [2], 2]
    seen.clear()
    tree.traverse(lambda x: seen.append(x), [1, [2]], top_down=False)
    assert seen == [1, 2, [2], [1, [2]]]
    assert tree.traverse(lambda x: tree.MAP_TO_NONE if x == 2 else None, [1, [2]]) == [1, [None]]
    assert tree.lists_to_tuples({"x": [1, [2, (3,)]]}) == {"x": (1, (2, (3,)))}


def test_paths() -> None:
    assert tree.flatten_with_path(NESTED) == [
        (("a", 0), 4),
        (("a", 1), None),
        (("b", 0), 1),
        (("b", 1, 0), 2),
        (("b", 1, 1), 3),
    ]
    tree.assert_same_paths([1, (2,)], (3, [4]))
    with pytest.raises(ValueError, match="do not have the same paths"):
        tree.assert_same_paths([1, 2], [1, [2]])


def test_mapping_up_to_a_depth() -> None:
    assert tree.map_structure_up_to(
        {"x": None, "y": [0]}, lambda a, b: (a, b), {"x": [1], "y": [2]}, {"x": 3, "y": [4]}
    ) == {
        "x": ([1], 3),
        "y": [(2, 4)],
    }
    assert tree.map_shape_structure(lambda s: len(s), {"x": (None, 3), "y": [(1, 2, 3), [4]]}) == {"x": 2, "y": [3, 1]}
    with pytest.raises(ValueError, match="do not match"):
        tree.map_structure_up_to([1, 2], lambda x: x, [1])
    with pytest.raises(ValueError, match="at least one structure"):
        tree.map_structure_up_to([1], lambda: 0)


def test_types() -> None:
    tree.assert_same_structure([1], (2,))
    tree.assert_same_structure([1, {"x": 2}], [3, {"x": 4}], check_types=True)
    with pytest.raises(ValueError, match="list and tuple"):
        tree.assert_same_structure([1, [2]], [1, (2,)], check_types=True)
    with pytest.raises(AttributeError, match="'pronghorn.tree' has no attribute 'prune'"):
        tree.prune  # noqa: B018
