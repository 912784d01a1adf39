"""IMDB and Reuters: files in the real format, from a server, numbered as Keras numbers them."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from pronghorn.datasets import imdb, reuters
from pronghorn_datasets.pickles import read_npz


def ragged(*texts: list[int]) -> np.ndarray:
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


TEXTS = [[1, 5, 2, 8], [3], [7, 7, 1, 1, 2, 9], [4, 2], [6, 1]]
TRAIN = ragged(*TEXTS)
TEST = ragged([2, 3], [10, 1, 4], [1], [5])


def serve(monkeypatch, site, module, name: str, **arrays: np.ndarray) -> None:
    folder, address = site
    np.savez(folder / name, **arrays)
    monkeypatch.setattr(module, "ADDRESS", address + name)
    monkeypatch.setattr(module, "HASH", hashlib.sha256((folder / name).read_bytes()).hexdigest())


@pytest.fixture
def reviews(monkeypatch, site):
    labels = {"y_train": np.arange(5), "y_test": np.arange(4)}
    serve(monkeypatch, site, imdb, "imdb.npz", x_train=TRAIN, x_test=TEST, **labels)


@pytest.fixture
def wires(monkeypatch, site):
    serve(monkeypatch, site, reuters, "reuters.npz", x=TRAIN, y=np.arange(5))


def lists(array: np.ndarray) -> dict:
    return {tuple(text) for text in array}


def order(n: int, seed: int = 113, after: int = 0) -> list[int]:
    """Keras's order of n texts, where its generator has shuffled `after` others before."""
    random = np.random.RandomState(seed)
    for size in (after, n):
        indices = np.arange(size)
        random.shuffle(indices)
    return indices.tolist()


def test_reviews_are_shuffled_marked_and_shifted(reviews):
    (x_train, y_train), (x_test, y_test) = imdb.load_data(num_words=100)
    assert x_train.tolist() == [[1, *(word + 3 for word in TEXTS[i])] for i in order(5)]
    assert y_train.tolist() == order(5)
    assert (x_train.dtype, x_train.shape) == (object, (5,))
    assert y_test.tolist() == order(4, after=5) != order(4)
    assert imdb.load_data(num_words=100, seed=1)[0][1].tolist() == order(5, 1)


def test_words_out_of_range_are_replaced_or_left_out(reviews):
    """Without num_words the largest number of all is the limit, and so not kept: Keras's way."""
    plain = {"start_char": None, "index_from": 0}
    (x_train, _), (x_test, _) = imdb.load_data(**plain)
    assert (1, 5, 2, 8) in lists(x_train) and (2, 1, 4) in lists(x_test)
    (x_train, _), _ = imdb.load_data(num_words=8, skip_top=2, oov_char=99, **plain)
    assert (99, 5, 2, 99) in lists(x_train)
    (x_train, _), _ = imdb.load_data(num_words=8, skip_top=2, oov_char=None, **plain)
    assert lists(x_train) == {(5, 2), (3,), (7, 7, 2), (4, 2), (6,)}


def test_long_texts_are_left_out_with_their_labels(reviews):
    (x_train, y_train), _ = imdb.load_data(maxlen=4)
    assert y_train.tolist() == [i for i in order(5) if len(TEXTS[i]) < 3]
    assert max(map(len, x_train)) == 3
    with pytest.raises(ValueError, match="maxlen=1"):
        imdb.load_data(maxlen=1)


def test_newswires_are_cut_into_training_and_test(wires):
    (x_train, y_train), (x_test, y_test) = reuters.load_data(num_words=100, test_split=0.4)
    assert [*y_train, *y_test] == order(5) and len(y_test) == 2
    assert x_test.tolist() == [[1, *(word + 3 for word in TEXTS[i])] for i in order(5)[3:]]
    with pytest.raises(ValueError, match="test_split"):
        reuters.load_data(test_split=1)


def test_label_names_are_46():
    names = reuters.get_label_names()
    assert (len(set(names)), names[3], names[-1]) == (46, "earn", "lead")


@pytest.mark.parametrize("module", [imdb, reuters], ids=["imdb", "reuters"])
def test_word_indices_are_read(monkeypatch, site, module):
    folder, address = site
    (folder / "index.json").write_text(json.dumps({"the": 1, "été": 2}))
    monkeypatch.setattr(module, "INDEX_ADDRESS", f"{address}index.json")
    monkeypatch.setattr(module, "INDEX_HASH", hashlib.md5((folder / "index.json").read_bytes()).hexdigest())
    assert module.get_word_index() == {"the": 1, "été": 2}


def test_a_file_elsewhere_is_read_by_its_absolute_path(wires, site):
    (x_train, _), _ = reuters.load_data(path=str(site[0] / "reuters.npz"))
    assert len(x_train) == 4
    with pytest.raises(FileNotFoundError, match="missing.npz"):
        reuters.load_data(path=str(site[0] / "missing.npz"))


class Evil:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize("content", [[Evil()], [[1], Evil()]])
def test_nothing_in_a_file_is_executed(tmp_path, capsys, content):
    np.savez(tmp_path / "evil.npz", x=ragged(*content))
    with pytest.raises(ValueError, match="evil.npz: x.npy.*builtins.print"):
        read_npz(tmp_path / "evil.npz")
    assert not capsys.readouterr().out


def test_arrays_of_any_kind_come_back(tmp_path):
    arrays = {
        "numbers": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(ragged(*"abcdef").reshape(2, 3)),
        "empty": ragged(),
    }
    np.savez(tmp_path / "some.npz", **arrays)
    found = read_npz(tmp_path / "some.npz")
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "some.npz").read_bytes()[:-40])
    with pytest.raises(ValueError, match="cut.npz is damaged"):
        read_npz(tmp_path / "cut.npz")
