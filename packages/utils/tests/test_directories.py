"""Data sets from folders of texts and pictures."""

from __future__ import annotations

import numpy as np
import pytest

from pronghorn.utils import image_dataset_from_directory, save_img, text_dataset_from_directory


@pytest.fixture
def letters(tmp_path):
    """Ten texts of class b, four of class a, one of them further down; and files that are none."""
    for name, count in (("b", 10), ("a", 3)):
        (tmp_path / name).mkdir()
        for i in range(count):
            (tmp_path / name / f"{i}.txt").write_text(f"{name}{i} é", encoding="utf-8")
    (tmp_path / "a" / "more").mkdir()
    (tmp_path / "a" / "more" / "0.TXT").write_text("deep", encoding="utf-8")
    (tmp_path / "a" / "notes.md").write_text("none")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "0.txt").write_text("none")
    return tmp_path


def read(dataset) -> tuple[list, np.ndarray]:
    batches = list(dataset)
    return [text for x, _ in batches for text in x], np.concatenate([y for _, y in batches])


def test_folders_are_the_classes(letters, capsys):
    dataset = text_dataset_from_directory(letters, shuffle=False, batch_size=4)
    assert capsys.readouterr().out == "Found 14 files belonging to 2 classes.\n"
    assert dataset.class_names == ["a", "b"]
    assert len(dataset) == 4 and len(dataset.file_paths) == 14
    texts, labels = read(dataset)
    assert texts[:5] == ["a0 é", "a1 é", "a2 é", "deep", "b0 é"]
    assert labels.dtype == np.int32 and labels.tolist() == [0] * 4 + [1] * 10


@pytest.mark.parametrize(
    ("mode", "dtype", "first"), [("int", "int32", 0), ("binary", "float32", [0]), ("categorical", "float32", [1, 0])]
)
def test_labels_are_numbers_columns_or_one_hot(letters, mode, dtype, first):
    dataset = text_dataset_from_directory(letters, label_mode=mode, shuffle=False, verbose=False)
    _, labels = read(dataset)
    assert labels.dtype == dtype and labels[0].tolist() == first


@pytest.mark.parametrize("arguments", [{"labels": None}, {"label_mode": None}])
def test_without_labels_there_are_texts_alone(letters, arguments):
    dataset = text_dataset_from_directory(letters / "b", shuffle=False, verbose=False, **arguments)
    (texts,) = dataset
    assert texts.tolist() == [f"b{i} é" for i in range(10)]
    assert dataset.class_names is None


def test_labels_may_be_passed(letters):
    dataset = text_dataset_from_directory(letters / "b", labels=[5, 7] * 5, shuffle=False, verbose=False)
    assert dataset.class_names == ["5", "7"]
    assert read(dataset)[1].tolist() == [5, 7] * 5


def test_classes_may_be_chosen_and_ordered(letters):
    dataset = text_dataset_from_directory(letters, class_names=["b"], max_length=2, shuffle=False, verbose=False)
    texts, labels = read(dataset)
    assert texts[0] == "b0" and set(labels) == {0}


def test_training_and_validation_do_not_overlap_and_follow_the_seed(letters, capsys):
    whole = {"seed": 3, "validation_split": 0.3}
    both = text_dataset_from_directory(letters, subset="both", **whole)
    assert "Using 10 files for training.\nUsing 4 files for validation." in capsys.readouterr().out
    parts = [text_dataset_from_directory(letters, subset=subset, **whole) for subset in ("training", "validation")]
    assert [part.file_paths for part in both] == [part.file_paths for part in parts]
    assert len({*parts[0].file_paths, *parts[1].file_paths}) == 14
    order = np.arange(14)
    np.random.RandomState(3).shuffle(order)
    plain = text_dataset_from_directory(letters, shuffle=False, verbose=False).file_paths
    assert parts[1].file_paths == [plain[i] for i in order[-4:]]


def test_each_pass_has_an_order_of_its_own_and_a_seed_repeats_them(letters):
    passes = []
    for _ in range(2):
        dataset = text_dataset_from_directory(letters, seed=1, verbose=False)
        passes.append([read(dataset)[0], read(dataset)[0]])
    assert passes[0] == passes[1]
    assert passes[0][0] != passes[0][1] and sorted(passes[0][0]) == sorted(passes[0][1])


def test_batches_are_mapped_taken_and_made(letters):
    dataset = text_dataset_from_directory(letters, shuffle=False, batch_size=None, verbose=False)
    text, label = next(iter(dataset))
    assert (text, label) == ("a0 é", 0)
    mapped = dataset.batch(5).map(lambda x, y: (x, y + 1)).take(2)
    assert [y.tolist() for _, y in mapped] == [[1, 1, 1, 1, 2], [2] * 5]
    assert len(mapped) == 2 and mapped.class_names == ["a", "b"]
    with pytest.raises(ValueError, match="batch"):
        dataset.map(lambda x, y: x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "guessed"}, "labels is 'guessed'"),
        ({"labels": [1, 2]}, "2 items.*15 files"),
        ({"labels": None, "class_names": ["a"]}, "class_names only"),
        ({"class_names": ["c"]}, "'c'.*'a', 'b'"),
        ({"label_mode": "one_hot"}, "label_mode is 'one_hot'"),
        ({"label_mode": "binary", "class_names": ["a"]}, "two classes, but there are 1"),
        ({"validation_split": 1.5, "subset": "training"}, "validation_split is 1.5"),
        ({"validation_split": 0.5}, "go together"),
        ({"subset": "training"}, "go together"),
        ({"subset": "test", "validation_split": 0.5}, "subset is 'test'"),
        ({"subset": "training", "validation_split": 0.5}, "seed"),
        ({"subset": "training", "validation_split": 0.01, "seed": 1}, "leaves one part empty"),
        ({"max_length": 0}, "max_length"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_arguments_are_named(letters, arguments, message):
    with pytest.raises(ValueError, match=message):
        text_dataset_from_directory(letters, verbose=False, **arguments)


def test_missing_folders_files_and_libraries_are_named(letters):
    with pytest.raises(ValueError, match="no folder"):
        text_dataset_from_directory(letters / "none")
    with pytest.raises(ValueError, match=r"no files.*\.txt"):
        text_dataset_from_directory(letters / "a" / "more", labels="inferred")
    with pytest.raises(NotImplementedError, match="grain"):
        text_dataset_from_directory(letters, format="grain")


# ------------------------------------------------------------------------------------------------- pictures


@pytest.fixture
def pictures(tmp_path):
    pytest.importorskip("PIL.Image")
    for name, value in (("dark", 10), ("light", 200)):
        (tmp_path / name).mkdir()
        for i in range(3):
            save_img(tmp_path / name / f"{i}.png", np.full((4, 8, 3), value), scale=False)
    return tmp_path


def test_pictures_are_resized_and_batched(pictures):
    dataset = image_dataset_from_directory(pictures, image_size=(6, 6), batch_size=4, shuffle=False, verbose=False)
    (x, y), (rest, _) = dataset
    assert (x.shape, x.dtype, rest.shape) == ((4, 6, 6, 3), np.float32, (2, 6, 6, 3))
    np.testing.assert_allclose(x[:, 0, 0, 0], [10, 10, 10, 200])
    assert y.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({"color_mode": "grayscale"}, (6, 5, 5, 1)),
        ({"color_mode": "rgba", "data_format": "channels_first"}, (6, 4, 5, 5)),
        ({"image_size": (2, 7), "crop_to_aspect_ratio": True}, (6, 2, 7, 3)),
    ],
)
def test_pictures_come_in_other_forms(pictures, arguments, shape):
    dataset = image_dataset_from_directory(pictures, label_mode=None, verbose=False, **{"image_size": 5, **arguments})
    (x,) = dataset
    assert x.shape == shape


def test_padding_keeps_the_whole_picture(pictures):
    (x,) = image_dataset_from_directory(
        pictures / "light", labels=None, image_size=8, pad_to_aspect_ratio=True, interpolation="nearest", verbose=False
    )
    np.testing.assert_allclose(x[0, :, 0, 0], [0, 0, 200, 200, 200, 200, 0, 0])


def test_a_model_reads_pictures(pictures):
    import pronghorn as keras

    dataset = image_dataset_from_directory(pictures, label_mode="binary", image_size=2, seed=0, verbose=False)
    inputs = keras.Input((2, 2, 3))
    model = keras.Model(inputs, keras.ops.mean(inputs, axis=(1, 2, 3))[:, None] / 255)
    model.compile(optimizer=None, loss=lambda y, p: keras.ops.mean((y - p) ** 2, axis=-1))
    np.testing.assert_allclose(model.evaluate(dataset, verbose=0), ((10 / 255) ** 2 + (55 / 255) ** 2) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"color_mode": "cmyk"}, "color_mode"),
        ({"interpolation": "cubic"}, "interpolation"),
        ({"image_size": (1, 2, 3)}, "image_size"),
        ({"image_size": 0}, "image_size"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "exclude"),
    ],
)
def test_wrong_picture_arguments_are_named(pictures, arguments, message):
    with pytest.raises(ValueError, match=message):
        image_dataset_from_directory(pictures, verbose=False, **arguments)


def test_a_damaged_picture_is_named(pictures):
    (pictures / "dark" / "1.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"1\.png is damaged"):
        list(image_dataset_from_directory(pictures, image_size=2, verbose=False))
