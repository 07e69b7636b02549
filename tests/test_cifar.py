"""The CIFAR formats: byte truths, other people's readers, and pickles that must be refused."""

import hashlib
import os
import pickle

import numpy as np
import pytest

from cifar102 import cifar
from cifar102.workspace import arrays


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def batch(tmp_path, images):
    """A written batch of eight images with labels 0 to 7."""
    names = [f"sports_car_s_{number:06d}.png" for number in range(8)]
    return cifar.write_batch(tmp_path / "data_batch_1", images, np.arange(8), names, "training batch 1 of 1")


def _write_pickle(path, entry, protocol=2):
    path.write_bytes(pickle.dumps(entry, protocol=protocol))
    return path


def _entry(rows, **changes):
    names = [f"cat_s_{number:06d}.png" for number in range(len(rows))]
    return {"data": rows, "labels": [0] * len(rows), "filenames": names, "batch_label": "b"} | changes


def test_rows_hold_all_red_then_all_green_then_all_blue_row_by_row(images):
    rows = cifar.images_to_rows(images)
    for channel, row, column in [(0, 0, 0), (1, 5, 7), (2, 31, 30)]:
        np.testing.assert_array_equal(rows[:, 1024 * channel + 32 * row + column], images[:, row, column, channel])


def test_rows_round_trip_any_image(images):
    np.testing.assert_array_equal(cifar.rows_to_images(cifar.images_to_rows(images)), images)


def test_a_written_batch_is_read_back(batch, images):
    back = cifar.read_batch(batch)
    np.testing.assert_array_equal(back.images, images)
    np.testing.assert_array_equal(back.labels, np.arange(8))
    assert back.labels.dtype == np.int64
    assert back.filenames[3] == "sports_car_s_000003.png"
    assert back.batch_label == "training batch 1 of 1"
    assert set(back.keywords) == {"sports_car"}


def test_torchvision_reads_a_written_batch(batch, images):
    entry = pickle.loads(batch.read_bytes(), encoding="latin1")  # torchvision.datasets.CIFAR10
    pixels = np.vstack([entry["data"]]).reshape(-1, 3, 32, 32).transpose((0, 2, 3, 1))
    np.testing.assert_array_equal(pixels, images)
    assert entry["labels"] == list(range(8))
    assert entry["filenames"][0] == "sports_car_s_000000.png"


def test_keras_reads_a_written_batch(batch, images):
    entry = pickle.loads(batch.read_bytes(), encoding="bytes")  # keras.src.datasets.cifar.load_batch
    entry = {key.decode("utf8"): value for key, value in entry.items()}
    np.testing.assert_array_equal(entry["data"].reshape(8, 3, 32, 32).transpose(0, 2, 3, 1), images)
    assert entry["labels"] == list(range(8))


def test_a_cifar100_batch_keeps_both_labels(tmp_path, images):
    names = ["manual-skunk021.png"] * 8
    path = cifar.write_batch(
        tmp_path / "train", images, np.arange(92, 100), names, "b", coarse_labels=np.arange(12, 20)
    )
    back = cifar.read_batch(path)
    np.testing.assert_array_equal(back.fine_labels, np.arange(92, 100))
    np.testing.assert_array_equal(back.coarse_labels, np.arange(12, 20))
    np.testing.assert_array_equal(back.labels, back.fine_labels)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("layout", ["C", "F", "read-only"])
def test_a_batch_that_python_3_pickled_is_read_whatever_the_protocol(tmp_path, images, protocol, layout):
    rows = np.array(cifar.images_to_rows(images), order="F" if layout == "F" else "C")
    rows.flags.writeable = layout != "read-only"  # protocol 5 writes bytes, else a bytearray
    entry = _entry(rows, batch_label=b"", labels=np.arange(len(images)))
    back = cifar.read_batch(_write_pickle(tmp_path / "batch", entry, protocol))
    np.testing.assert_array_equal(back.images, images)
    np.testing.assert_array_equal(back.labels, np.arange(len(images)))
    assert back.batch_label == ""


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_protocol_5_is_read_from_either_numpy(tmp_path, images, core):
    content = pickle.dumps(_entry(cifar.images_to_rows(images)), protocol=5)
    for own in ("numpy.core", "numpy._core"):  # each name with its length before it, as pickle writes it
        old, new = f"{own}.numeric".encode(), f"{core}.numeric".encode()
        content = content.replace(bytes([len(old)]) + old, bytes([len(new)]) + new)
    assert core.encode() in content
    start = content.index(b"\x95") + 9  # one frame goes up to the array; its length changes with the name
    content = content[: start - 9] + content[start:]
    (tmp_path / "batch").write_bytes(content)
    np.testing.assert_array_equal(cifar.read_batch(tmp_path / "batch").images, images)


def test_a_buffer_that_is_used_twice_is_refused(tmp_path, images):
    rows = cifar.images_to_rows(images)
    with pytest.raises(ValueError, match="used twice"):
        cifar.read_batch(_write_pickle(tmp_path / "batch", _entry(rows, filenames=rows), 5))


def test_a_batch_without_file_names_is_read_and_says_so_where_keywords_are_needed(tmp_path, images):
    entry = _entry(cifar.images_to_rows(images))
    del entry["filenames"], entry["batch_label"]
    nameless = cifar.read_batch(_write_pickle(tmp_path / "batch", entry))
    np.testing.assert_array_equal(nameless.images, images)
    with pytest.raises(ValueError, match="these images have no file names, so their keywords are not known"):
        _ = nameless.keywords
    named = cifar.read_batch(_write_pickle(tmp_path / "named", _entry(cifar.images_to_rows(images))))
    assert cifar.join([named, nameless]).filenames == ()


def test_the_real_first_batch_is_the_published_one_and_survives_rewriting(real_data, tmp_path):
    path = real_data / "cifar-10-batches-py" / "data_batch_1"
    content = path.read_bytes()
    assert hashlib.md5(content).hexdigest() == "c99cafc152244af753f735de768cd75f"
    batch = cifar.read_batch(path)
    assert len(batch) == 10000
    assert batch.batch_label == "training batch 1 of 5"
    assert batch.filenames[0] == "leptodactylus_pentadactylus_s_000004.png"
    assert cifar.CLASS_NAMES[batch.labels[0]] == "frog"
    # its first pixel, from bytes found without any unpickler: the rows follow this length
    start = content.index(np.int32(30_720_000).tobytes()) + 4
    np.testing.assert_array_equal(batch.images[0, 0, 0], [content[start + k * 1024] for k in range(3)])
    np.testing.assert_array_equal(batch.images[0, 0, 1], [content[start + k * 1024 + 1] for k in range(3)])
    again = cifar.write_batch(tmp_path / "again", batch.images, batch.labels, batch.filenames, batch.batch_label)
    np.testing.assert_array_equal(cifar.read_batch(again).images, batch.images)


def test_the_real_cifar10_test_set_has_a_thousand_images_a_class(real_data):
    test = cifar.read_batch(real_data / "cifar-10-batches-py" / "test_batch")
    np.testing.assert_array_equal(np.bincount(test.labels), [1000] * 10)


def test_keyword_of_takes_the_name_before_the_last_number():
    assert cifar.keyword_of("ocean_liner_s_000123.png") == "ocean_liner"
    assert cifar.keyword_of("s_s_s_000001.png") == "s_s"
    assert cifar.keyword_of("manual2-skunk06.png") == "manual2-skunk"


@pytest.mark.parametrize("name", ["cat.png", "cat_s_12345.png", "_s_000001.png", "cat_s_000001.jpg", ""])
def test_keyword_of_refuses_other_names(name):
    with pytest.raises(ValueError, match="file name"):
        cifar.keyword_of(name)


class _Call:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ((os.system, ("echo hostile",)), "system"),
        ((eval, ("1 + 1",)), "eval"),
        ((getattr, ("", "join")), "getattr"),
        ((np.load, ("x.npy",)), "load"),
    ],
)
def test_a_pickle_that_calls_anything_else_is_refused_by_name(tmp_path, call, name):
    path = _write_pickle(tmp_path / "hostile", {"data": _Call(*call)})
    with pytest.raises(ValueError, match=rf"hostile: .*asks for \S*{name}"):
        arrays.read_batch_pickle(path)


def test_a_hostile_pickle_does_nothing_before_it_is_refused(tmp_path):
    _write_pickle(tmp_path / "hostile", {"a": _Call(os.mkdir, (str(tmp_path / "made"),))})
    with pytest.raises(ValueError, match="mkdir"):
        arrays.read_batch_pickle(tmp_path / "hostile")
    assert not (tmp_path / "made").exists()


def test_naming_ndarray_is_allowed_but_calling_it_is_not(tmp_path):
    path = _write_pickle(tmp_path / "hostile", {"a": _Call(np.ndarray, ((4,),))})
    with pytest.raises(ValueError, match=r"calls numpy\.ndarray"):
        arrays.read_batch_pickle(path)


def test_arrays_of_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match="u1 or i8"):
        arrays.read_batch_pickle(_write_pickle(tmp_path / "objects", {"a": np.array([{}], dtype=object)}))


@pytest.mark.parametrize("kept", [0, 1, 100, 5000, -1])
def test_a_truncated_batch_is_an_error_that_names_the_file(batch, kept):
    batch.write_bytes(batch.read_bytes()[:kept])
    with pytest.raises(ValueError, match="data_batch_1"):
        cifar.read_batch(batch)


def test_a_missing_batch_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="data_batch_9"):
        cifar.read_batch(tmp_path / "data_batch_9")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [0, 1]}, "expected 3 labels"),
        ({"labels": [0, 1, 10]}, "0 to 10, expected 0 to 9"),
        ({"labels": [0, 1, -1]}, "-1 to 1"),
        ({"labels": [0, 1, 2.5]}, "integer labels"),
        ({"labels": [[0], [1, 2], 3]}, "labels"),
        ({"filenames": ["cat_s_000001.png"]}, "3 file names, found 1"),
        ({"filenames": 7}, "list of names, found int"),
        ({"data": np.zeros((3, 3071), np.uint8)}, r"\(n, 3072\), found uint8 \(3, 3071\)"),
        ({"data": np.zeros((3, 3072), np.int64)}, "found int64"),
        ({"data": b"abc"}, "found bytes"),
        ({"fine_labels": [0, 0, 0]}, "labels"),
    ],
)
def test_a_batch_with_wrong_counts_or_ranges_says_what_was_found(tmp_path, changes, message):
    path = _write_pickle(tmp_path / "batch", _entry(np.zeros((3, 3072), np.uint8), **changes))
    with pytest.raises(ValueError, match=message) as caught:
        cifar.read_batch(path)
    assert str(path) in str(caught.value)


def test_what_could_not_be_read_back_is_not_written(tmp_path, images):
    good = [f"cat_s_{number:06d}.png" for number in range(8)]
    with pytest.raises(ValueError, match="ASCII"):
        cifar.write_batch(tmp_path / "b", images, np.zeros(8, int), ["é_s_000001.png", *good[1:]], "b")
    with pytest.raises(ValueError, match="0 to 19"):
        cifar.write_batch(tmp_path / "b", images, np.zeros(8, int), good, "b", coarse_labels=np.full(8, 20))
    with pytest.raises(ValueError, match="0 to 9"):
        cifar.write_batch(tmp_path / "b", images, np.full(8, 10), good, "b")
    assert list(tmp_path.iterdir()) == []


def _write_cifar10(folder, images, **meta):
    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        cifar.write_batch(folder / name, images, np.arange(8), [f"cat_s_{k:06d}.png" for k in range(8)], name)
    counts = {"num_train_batches": 2, "num_cases_per_batch": 8, "num_test_cases": 8, "num_vis": 3072}
    cifar.write_meta(folder / "batches.meta", counts | {"label_names": list(cifar.CLASS_NAMES)} | meta)
    return folder


def test_load_cifar10_puts_the_training_batches_behind_each_other(tmp_path, images):
    sets = cifar.load_cifar10(_write_cifar10(tmp_path, images))
    assert (len(sets["train"]), len(sets["test"])) == (16, 8)
    np.testing.assert_array_equal(sets["train"].images[8:], images)


def test_load_cifar10_says_which_batch_has_the_wrong_number_of_images(tmp_path, images):
    with pytest.raises(ValueError, match=r"data_batch_1: holds 8 images, batches\.meta says 9"):
        cifar.load_cifar10(_write_cifar10(tmp_path, images, num_cases_per_batch=9))


@pytest.mark.parametrize("names", [["cat"] * 10, 5, list(reversed(cifar.CLASS_NAMES))])
def test_load_cifar10_refuses_other_class_names(tmp_path, images, names):
    with pytest.raises(ValueError, match="label_names"):
        cifar.load_cifar10(_write_cifar10(tmp_path, images, label_names=names))
