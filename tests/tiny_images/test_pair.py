"""The Tiny Images pair: bytes at their offsets, keywords by search and by scan, and every damaged file named."""

import warnings

import numpy as np
import pandas as pd
import pytest

from cifar102.tiny_images import keyword_index, pair
from cifar102.tiny_images import metadata as tiny_metadata
from cifar102.tiny_images.pair import TinyImages, write_tiny_images

KEYWORDS = ["ship", "abbey", "cat", "Zebra", "cat", "ship", "bird", "cat", "a", "cat-o"]


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (len(KEYWORDS), 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def metadata() -> pd.DataFrame:
    names = [f"{keyword}_s_{row:06d}.png" for row, keyword in enumerate(KEYWORDS)]
    return pd.DataFrame({"keyword": KEYWORDS, "filename": names})


@pytest.fixture
def folder(tmp_path, images, metadata):
    write_tiny_images(tmp_path, images, metadata)
    return tmp_path


def _record(**fields: bytes) -> bytes:
    """One metadata record, laid out by the offsets of the format description."""
    offsets = {
        **{"keyword": (0, 80), "filename": (80, 95), "width": (175, 2), "height": (177, 2), "colors": (179, 1)},
        **{"date": (180, 32), "engine": (212, 10), "thumb_url": (222, 200), "source_url": (422, 328)},
        **{"page": (750, 4), "ind_page": (754, 4), "ind_engine": (758, 4), "ind_overall": (762, 4), "label": (766, 2)},
    }
    record = bytearray(b" " * 768)
    plain = {"keyword": b"cat", "width": b"32", "height": b"32", "colors": b"3", "page": b"1", "label": b"-1"}
    for name, value in (plain | fields).items():
        first, width = offsets[name]
        assert len(value) <= width
        record[first : first + len(value)] = value
    return bytes(record)


def _write_raw(folder, records: list[bytes], images: np.ndarray | None = None) -> TinyImages:
    """A pair written by hand: pixel by the formula byte = row + 32*column + 1024*channel."""
    folder.mkdir(exist_ok=True)
    pixels = np.zeros((len(records), 3072), dtype=np.uint8)
    if images is not None:
        row, column, channel = np.meshgrid(np.arange(32), np.arange(32), np.arange(3), indexing="ij")
        pixels[:, row + 32 * column + 1024 * channel] = images
    (folder / "tiny_images.bin").write_bytes(pixels.tobytes())
    (folder / "tiny_metadata.bin").write_bytes(b"".join(records))
    return TinyImages(folder)


def _write_keywords(folder, keywords: list[str]) -> TinyImages:
    return _write_raw(folder, [_record(keyword=keyword.encode()) for keyword in keywords])


def test_a_pair_is_not_written_through_a_link(tmp_path, rng):
    images = rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    table = pd.DataFrame({"keyword": ["tabby"], "filename": ["tabby_s_000001.png"]})
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "other.bin").write_bytes(b"shared")
    (tmp_path / "raw").symlink_to(shared)
    (tmp_path / "tiny_metadata.bin").symlink_to(shared / "other.bin")
    for folder in (tmp_path / "raw", tmp_path):
        with pytest.raises(ValueError, match="is a link to"):
            write_tiny_images(folder, images, table)
    assert {path.name: path.read_bytes() for path in shared.iterdir()} == {"other.bin": b"shared"}


def test_a_pixel_stands_at_row_plus_32_columns_plus_1024_channels(tmp_path, images):
    tiny = _write_raw(tmp_path, [_record()] * len(images), images)
    np.testing.assert_array_equal(tiny.images(range(len(images))), images)


def test_written_pixels_stand_where_the_format_says(folder, images, metadata):
    content = (folder / "tiny_images.bin").read_bytes()
    order = sorted(range(len(KEYWORDS)), key=lambda row: KEYWORDS[row].encode())
    for record, row in enumerate(order):
        for y, x, channel in [(0, 0, 0), (3, 17, 1), (31, 5, 2)]:
            assert content[3072 * record + y + 32 * x + 1024 * channel] == images[row, y, x, channel]


def test_first_record_has_index_zero(tmp_path, images):
    records = [_record(filename=b"cat_s_%06d.png" % number) for number in range(10)]
    tiny = _write_raw(tmp_path, records, images)
    np.testing.assert_array_equal(tiny.images([0])[0], images[0])
    assert tiny.metadata([0])["filename"].tolist() == ["cat_s_000000.png"]
    assert tiny.keyword_range("cat") == range(10)


def test_a_picture_is_not_its_neighbours(tmp_path, images):
    tiny = _write_raw(tmp_path, [_record()] * len(images), images)
    for index in range(len(images)):
        np.testing.assert_array_equal(tiny.images([index])[0], images[index])


def test_every_field_is_cut_at_its_offset(tmp_path):
    fields = {
        **{"keyword": b"k" * 80, "filename": b"f" * 95, "width": b"32", "height": b"31", "colors": b"1"},
        **{"date": b"15 May 2006 12:39:30 +0000", "engine": b"altavista", "thumb_url": b"t" * 200},
        **{"source_url": b"http://caf\xe9/" + b"s" * 316, "page": b"1234", "ind_page": b"5", "ind_engine": b"67"},
        **{"ind_overall": b"9876", "label": b"co"},
    }
    row = _write_raw(tmp_path, [_record(**fields)]).metadata([0]).iloc[0].to_dict()
    text = {name: value.decode("latin-1") for name, value in fields.items()}
    numbers = {"width": 32, "height": 31, "colors": 1, "page": 1234, "ind_page": 5, "ind_engine": 67}
    assert row == text | numbers | {"ind_overall": 9876, "label": 1}


def test_metadata_has_the_14_fields_with_their_types(folder):
    table = TinyImages(folder).metadata([0])
    assert list(table.columns) == list(tiny_metadata.FIELDS)
    assert len(table.columns) == 14
    numbers = ["width", "height", "colors", "page", "ind_page", "ind_engine", "ind_overall", "label"]
    assert all(table[name].dtype == np.int64 for name in numbers)
    assert all(isinstance(table[name][0], str) for name in set(table.columns) - set(numbers))


@pytest.mark.parametrize(
    ("field", "label"), [(b"-1", -1), (b"1 ", 1), (b"0", 0), (b" 1", 1), (b"co", 1), (b"in", 0), (b"", -1)]
)
def test_labels_are_numbers_or_cut_words(tmp_path, field, label):
    record = bytearray(_record(label=b""))
    record[766:768] = field.ljust(2)
    assert _write_raw(tmp_path, [bytes(record)]).metadata([0])["label"][0] == label


def test_rows_come_in_the_order_asked(folder, images, rng):
    tiny = TinyImages(folder)
    all_images, all_metadata = tiny.images(range(len(tiny))), tiny.metadata(range(len(tiny)))
    asked = rng.integers(0, len(tiny), 40)
    np.testing.assert_array_equal(tiny.images(asked), all_images[asked])
    pd.testing.assert_frame_equal(tiny.metadata(asked), all_metadata.iloc[asked].reset_index(drop=True))


def test_the_file_of_a_shuffled_list_is_read_once_in_file_order_a_block_at_a_time(folder, tmp_path, rng, monkeypatch):
    monkeypatch.setattr(pair, "BLOCK_RECORDS", 3)
    tiny, read, was_read = TinyImages(folder), pair._read_records, []
    asked = np.concatenate([rng.permutation(len(tiny)), [4, 4]])
    expected = tiny.images(asked)

    def reading(path, record_bytes, indices):
        was_read.append(np.unique(indices))
        return read(path, record_bytes, indices)

    monkeypatch.setattr(pair, "_read_records", reading)
    path = tiny.images_to(tmp_path / "candidates.npy", asked)
    np.testing.assert_array_equal(np.load(path, mmap_mode="r", allow_pickle=False), expected)
    assert max(map(len, was_read)) <= 3
    assert (np.diff(np.concatenate(was_read)) >= 0).all()


def test_no_indices_give_no_rows(folder, tmp_path):
    tiny = TinyImages(folder)
    assert tiny.images([]).shape == (0, 32, 32, 3)
    assert list(tiny.metadata([]).columns) == list(tiny_metadata.FIELDS)
    assert np.load(tiny.images_to(tmp_path / "none.npy", [])).shape == (0, 32, 32, 3)


@pytest.mark.parametrize("index", [-1, 10, 2**40])
def test_an_index_outside_the_file_is_named(folder, index):
    for read in (TinyImages(folder).images, TinyImages(folder).metadata):
        with pytest.raises(ValueError, match=f"record {index} .* 0 to 9"):
            read([0, index])


@pytest.mark.parametrize("indices", [[0.5], [True], [[0]], ["0"]])
def test_indices_are_a_list_of_integers(folder, indices):
    with pytest.raises(ValueError, match="record numbers"):
        TinyImages(folder).images(indices)


def test_written_records_are_sorted_by_the_bytes_of_the_keyword_and_stable(folder, images, metadata, tmp_path):
    order = write_tiny_images(tmp_path / "again", images, metadata)
    assert order.tolist() == sorted(range(len(KEYWORDS)), key=lambda row: KEYWORDS[row].encode())
    tiny = TinyImages(tmp_path / "again")
    assert tiny.metadata(range(10))["filename"].tolist() == metadata["filename"].iloc[order].tolist()
    np.testing.assert_array_equal(tiny.images(range(10)), images[order])


def test_written_fields_are_read_back(tmp_path, images, metadata):
    given = metadata.assign(
        **{"width": 31, "height": 30, "colors": 1, "date": "1 May 2006 12:39:30 +0000", "engine": "google"},
        **{"thumb_url": "http://t/é", "source_url": "s" * 328, "page": 4, "ind_page": 3, "ind_engine": 1000},
        **{"ind_overall": 9999, "label": [-1, 0, 1, -1, 0, 1, -1, 0, 1, 1]},
    )[list(tiny_metadata.FIELDS)]
    order = write_tiny_images(tmp_path, images, given)
    pd.testing.assert_frame_equal(TinyImages(tmp_path).metadata(range(10)), given.iloc[order].reset_index(drop=True))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("keyword", "k" * 81, "row 4: keyword is 81 bytes wide, at most 80"),
        ("filename", "f" * 96, "row 4: filename is 96 bytes wide, at most 95"),
        ("keyword", "käse", "row 4: keyword is not ASCII"),
        ("keyword", "", "row 4: keyword is empty"),
        ("filename", None, "row 4: filename should be text"),
        ("thumb_url", "日本", "row 4: thumb_url is not LATIN-1"),
        ("page", 10000, "row 4: page is 5 bytes wide, at most 4"),
        ("page", 1.5, "row 4: page should be an integer"),
        ("page", float("nan"), "row 4: page should be an integer"),
        ("page", float("inf"), "row 4: page should be an integer"),
        ("label", 2, "row 4: label should be -1, 0 or 1"),
    ],
)
def test_a_value_that_does_not_fit_is_named_and_nothing_is_written(tmp_path, images, metadata, field, value, message):
    default = "x" if field in tiny_metadata.TEXT_WIDTHS else 1
    column = metadata[field].tolist() if field in metadata else [default] * 10
    column[4] = value
    with pytest.raises(ValueError, match=message):
        write_tiny_images(tmp_path, images, metadata.assign(**{field: pd.Series(column, dtype=object)}))
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_filenames_or_of_other_length_is_refused(tmp_path, images, metadata):
    with pytest.raises(ValueError, match="'filename'"):
        write_tiny_images(tmp_path, images, metadata[["keyword"]])
    with pytest.raises(ValueError, match="'colour'"):
        write_tiny_images(tmp_path, images, metadata.assign(colour=3))
    with pytest.raises(ValueError, match="found 9, 10"):
        write_tiny_images(tmp_path, images[:9], metadata)


def test_keyword_ranges_are_those_of_a_plain_count(tmp_path, rng):
    names = sorted({f"{word}{'_' * (number % 3)}{number}" for number, word in enumerate("abcDEfz" * 9)}, key=str.encode)
    keywords = [name for name in names for _ in range(int(rng.integers(1, 40)))]
    tiny = _write_keywords(tmp_path, keywords)
    for name in names:
        first = keywords.index(name)
        assert tiny.keyword_range(name) == range(first, first + keywords.count(name))
    assert list(tiny.keywords()) == names
    assert all(tiny.keywords()[name] == tiny.keyword_range(name) for name in names)
    assert tiny.is_sorted()


def test_a_keyword_that_begins_another_is_not_the_other(folder):
    tiny = TinyImages(folder)
    assert [len(tiny.keyword_range(name)) for name in ("a", "abbey", "cat", "cat-o")] == [1, 1, 3, 1]


def test_the_neighbours_of_a_range_have_other_keywords(folder):
    tiny = TinyImages(folder)
    for keyword, rows in tiny.keywords().items():
        outside = [index for index in (rows.start - 1, rows.stop) if 0 <= index < len(tiny)]
        assert keyword not in tiny.metadata(outside)["keyword"].tolist()


def test_an_unknown_keyword_is_named_with_those_near_it(folder):
    with pytest.raises(ValueError, match=r"no keyword 'shipp'; did you mean ship\?"):
        TinyImages(folder).keyword_range("shipp")
    with pytest.raises(KeyError):
        TinyImages(folder).keyword_range("käse")


def test_a_keyword_that_is_not_ascii_is_no_keyword_of_tiny_images(folder):
    with pytest.raises(ValueError, match="no keyword 'caf\u00e9'; keywords of Tiny Images are ASCII"):
        TinyImages(folder).keyword_range("caf\u00e9")


def test_a_search_of_all_79_million_records_reads_about_27_of_them(folder, monkeypatch):
    index = keyword_index.KeywordIndex(folder / "tiny_metadata.bin")
    monkeypatch.setattr(index, "_count", 79_302_017)
    reads = []

    def keyword_at(record: int) -> bytes:
        reads.append(record)
        return b"%08d" % (record // 1046)

    monkeypatch.setattr(index, "_at", keyword_at)
    for keyword in (0, 1, 40_000, 75_813, 75_814):
        reads.clear()
        assert index.find(f"{keyword:08d}") == range(keyword * 1046, min((keyword + 1) * 1046, 79_302_017))
        assert len(reads) <= 27 + 11  # 27 to the first record, log2(1046) more to the last
    reads.clear()
    with pytest.raises(ValueError, match="no keyword"):
        index.find("00000001x")
    assert len(reads) < 27 + keyword_index.NUM_SAMPLES + 200


@pytest.mark.parametrize("small_file", [0, 1 << 16])
def test_an_unsorted_file_brings_a_warning_and_a_scan(tmp_path, monkeypatch, small_file):
    monkeypatch.setattr(keyword_index, "SMALL_FILE", small_file)
    groups = ["ship", "cat", "dog", "bird", "truck", "ape", "frog"]
    tiny = _write_keywords(tmp_path, [name for name in groups for _ in range(5)])
    with pytest.warns(UserWarning, match="is not sorted by keyword"):
        found = tiny.keyword_range("ape")
    assert found == range(25, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        assert [tiny.keyword_range(name).start // 5 for name in groups] == list(range(7))
        assert list(tiny.keywords()) == groups
        with pytest.raises(ValueError, match="no keyword 'apf'"):
            tiny.keyword_range("apf")
    assert not tiny.is_sorted()


def test_a_listing_of_an_unsorted_file_falls_back_too(tmp_path):
    tiny = _write_keywords(tmp_path, ["b", "b", "a"])
    with pytest.warns(UserWarning, match="not sorted"):
        assert tiny.keywords() == {"b": range(2), "a": range(2, 3)}


def test_a_keyword_in_two_places_is_no_range(tmp_path):
    tiny = _write_keywords(tmp_path, ["a", "b", "a", "c"])
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=r"'a' stands in 2 places, at records \[0, 2\]"):
        tiny.keyword_range("a")


def test_a_scan_finds_every_run_across_blocks_and_windows(tmp_path, rng, monkeypatch):
    keywords = [f"{number:05d}" for number in np.sort(rng.integers(0, 600, 3000))]
    tiny = _write_keywords(tmp_path, keywords)
    expected = [row for row in range(3000) if row == 0 or keywords[row] != keywords[row - 1]]
    monkeypatch.setattr(keyword_index, "SCAN_RECORDS", 100)
    # 768 * 1024 is a whole number of pages, as offsets of a map must be
    monkeypatch.setattr(keyword_index, "WINDOW_RECORDS", 1024)
    starts, is_sorted = keyword_index.scan_runs(tiny.metadata_path)
    assert starts.tolist() == expected
    assert is_sorted


def test_a_scan_notices_a_fall_at_any_place(tmp_path, monkeypatch):
    monkeypatch.setattr(keyword_index, "WINDOW_RECORDS", 1024)
    monkeypatch.setattr(keyword_index, "SCAN_RECORDS", 100)
    for place in (1, 100, 101, 1023, 1024, 1025, 2047):
        keywords = ["b"] * place + ["a"] * (2048 - place)
        starts, is_sorted = keyword_index.scan_runs(_write_keywords(tmp_path, keywords).metadata_path)
        assert starts.tolist() == [0, place]
        assert not is_sorted


@pytest.mark.parametrize(("file", "size"), [("tiny_images.bin", 3072), ("tiny_metadata.bin", 768)])
def test_a_size_that_is_no_whole_number_of_records_is_an_error(folder, file, size):
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:-1])
    with pytest.raises(ValueError, match=f"{file}: {10 * size - 1} bytes are no whole number of {size}-byte records"):
        TinyImages(folder)
    (folder / file).write_bytes(b"")
    with pytest.raises(ValueError, match=f"{file}: 0 bytes"):
        TinyImages(folder)


@pytest.mark.parametrize(("file", "size"), [("tiny_images.bin", 3072), ("tiny_metadata.bin", 768)])
def test_two_files_of_different_counts_are_an_error(folder, file, size):
    (folder / file).write_bytes((folder / file).read_bytes()[:-size])
    with pytest.raises(ValueError, match=r"tiny_images.bin holds (9|10) records, tiny_metadata.bin (9|10)"):
        TinyImages(folder)


def test_a_missing_file_is_named(folder):
    (folder / "tiny_images.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"tiny_images\.bin"):
        TinyImages(folder)


def test_a_file_cut_after_it_was_opened_is_an_error(folder):
    tiny = TinyImages(folder)
    content = tiny.images_path.read_bytes()
    tiny.images_path.write_bytes(content[: 5 * 3072 + 100])
    with pytest.raises(ValueError, match="bytes too early"):
        tiny.images([4, 5])


@pytest.mark.parametrize("field", ["keyword", "filename"])
def test_a_byte_that_is_not_ascii_is_reported_with_its_record(tmp_path, field):
    tiny = _write_raw(tmp_path, [_record(), _record(), _record(**{field: b"caf\xe9"}), _record()])
    assert len(tiny.metadata([0, 1, 3])) == 3
    with pytest.raises(ValueError, match=f"record 2: {field} is not ASCII"):
        tiny.metadata([3, 2])


@pytest.mark.parametrize(("field", "value"), [("page", b"1a"), ("width", b"x"), ("label", b"7"), ("page", b"1 2")])
def test_a_number_that_is_none_is_reported_with_its_record(tmp_path, field, value):
    tiny = _write_raw(tmp_path, [_record(), _record(**{field: value})])
    with pytest.raises(ValueError, match=f"record 1: {field} should be an integer"):
        tiny.metadata([0, 1])


def test_columns_can_be_chosen(folder):
    assert list(TinyImages(folder).metadata([1], columns=("filename",)).columns) == ["filename"]
    with pytest.raises(ValueError, match="colour"):
        TinyImages(folder).metadata([1], columns=("colour",))
