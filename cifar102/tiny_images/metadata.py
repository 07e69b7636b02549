"""The 768-byte metadata record of the Tiny Images: its 14 fields, read into a table and laid out from one.

Fields are ASCII, padded with blanks and abut without separators, so they are cut by offset and never split.
Source of the offsets: the Tiny Images Matlab reader (Torralba, Fergus & Freeman 2008).
"""

import numpy as np
import pandas as pd

TEXT_WIDTHS = {"keyword": 80, "filename": 95, "date": 32, "engine": 10, "thumb_url": 200, "source_url": 328}
INTEGER_WIDTHS = {
    **{"width": 2, "height": 2, "colors": 1},
    **{"page": 4, "ind_page": 4, "ind_engine": 4, "ind_overall": 4, "label": 2},
}
FIELDS = (
    *("keyword", "filename", "width", "height", "colors", "date", "engine", "thumb_url", "source_url"),
    *("page", "ind_page", "ind_engine", "ind_overall", "label"),
)
WIDTHS = {name: (TEXT_WIDTHS | INTEGER_WIDTHS)[name] for name in FIELDS}
RECORD = np.dtype([(name, f"S{width}") for name, width in WIDTHS.items()])
RECORD_BYTES = RECORD.itemsize  # 768
LATIN_FIELDS = ("thumb_url", "source_url")  # URLs as they were found; all other text is ASCII
LABEL_WORDS = {b"co": 1, b"in": 0}  # `correct` and `incorrect`, cut to the two bytes of the field
NO_NUMBER = -1  # an integer field of blanks
# what write_tiny_images puts where a table has no such column: nothing is known about the source of the image
DEFAULTS = {
    **{"width": 32, "height": 32, "colors": 3, "date": "1 Jan 1970 00:00:00 +0000"},
    **{"engine": "", "thumb_url": "", "source_url": ""},
    **{"page": 0, "ind_page": 0, "ind_engine": 0, "ind_overall": 0, "label": -1},
}


def decode_records(
    records: np.ndarray, indices: np.ndarray, columns: tuple[str, ...] = FIELDS, where: str = "metadata"
) -> pd.DataFrame:
    """Read metadata records into a table: text fields as str, integer fields and `label` (-1, 0, 1) as int64.

    records: RECORD (n,); indices: their record numbers, used in errors only. An integer field of blanks is -1.
    Raises ValueError with file, record number and field for a byte that is not ASCII or a field that is no integer.
    """
    unknown = [name for name in columns if name not in WIDTHS]
    if unknown:
        raise ValueError(f"columns {unknown} are no metadata fields; the fields are {list(FIELDS)}")
    decode = {name: _decode_text if name in TEXT_WIDTHS else _decode_integers for name in columns}
    return pd.DataFrame({name: decode[name](records[name], name, indices, where) for name in columns})


def decode_keyword(field: bytes, index: int, where: str) -> str:
    """Read one keyword field; ValueError names the record of a byte that is not ASCII."""
    return _decode_text(np.array([field], dtype="S80"), "keyword", np.array([index]), where)[0]


def encode_records(metadata: pd.DataFrame) -> np.ndarray:
    """Lay out a table as metadata records, RECORD (n,), in its row order; columns it lacks take DEFAULTS.

    `keyword` and `filename` are needed. Raises ValueError naming the row (0-based) and field of a value that is
    missing, too wide, not ASCII (latin-1 for the URLs) or no integer, and the columns that are no field.
    """
    missing = [name for name in ("keyword", "filename") if name not in metadata.columns]
    unknown = [name for name in metadata.columns if name not in WIDTHS]
    if missing or unknown:
        raise ValueError(f"metadata: columns {missing} are missing, {unknown} are no fields; fields are {list(FIELDS)}")
    records = np.zeros(len(metadata), dtype=RECORD)
    for name in FIELDS:
        if name in metadata.columns:
            encode = _encode_text if name in TEXT_WIDTHS else _encode_integer
            records[name] = [encode(value, name, row) for row, value in enumerate(metadata[name].tolist())]
        else:
            records[name] = str(DEFAULTS[name]).encode("ascii")
    rows = records.view(np.uint8)
    rows[rows == 0] = ord(" ")  # numpy pads with zero bytes, the file with blanks
    return records


def _decode_text(column: np.ndarray, name: str, indices: np.ndarray, where: str) -> list[str]:
    encoding = "latin-1" if name in LATIN_FIELDS else "ascii"
    if encoding == "ascii":
        column = np.ascontiguousarray(column)
        is_bad = (column.view(np.uint8).reshape(-1, WIDTHS[name]) > 127).any(axis=1)
        if is_bad.any():
            row = int(is_bad.argmax())
            raise ValueError(f"{where}: record {indices[row]}: {name} is not ASCII: {column[row]!r}")
    return [value.rstrip(b" ").decode(encoding) for value in column.tolist()]


def _decode_integers(column: np.ndarray, name: str, indices: np.ndarray, where: str) -> np.ndarray:
    distinct, inverse = np.unique(column, return_inverse=True)
    numbers = np.zeros(len(distinct), dtype=np.int64)
    for position, field in enumerate(distinct.tolist()):
        number = _integer(field.strip(b" "), name)
        if number is None:
            index = indices[int((inverse == position).argmax())]
            raise ValueError(f"{where}: record {index}: {name} should be an integer, found {field!r}")
        numbers[position] = number
    return numbers[inverse]


def _integer(field: bytes, name: str) -> int | None:
    if name == "label" and field in LABEL_WORDS:
        return LABEL_WORDS[field]
    if not field:
        return NO_NUMBER
    if not field.removeprefix(b"-").isdigit():
        return None
    number = int(field)
    return None if name == "label" and number not in (-1, 0, 1) else number


def _encode_text(value: object, name: str, row: int) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"metadata row {row}: {name} should be text, found {value!r}")
    encoding = "latin-1" if name in LATIN_FIELDS else "ascii"
    try:
        field = value.encode(encoding)
    except UnicodeEncodeError as error:
        raise ValueError(f"metadata row {row}: {name} is not {encoding.upper()}: {value!r}") from error
    if b"\0" in field or value != value.rstrip(" ") or (not field and name in ("keyword", "filename")):
        raise ValueError(f"metadata row {row}: {name} is empty, ends in a blank or holds a zero byte: {value!r}")
    return _fitting(field, name, row)


def _encode_integer(value: object, name: str, row: int) -> bytes:
    text = value.encode("ascii", "replace") if isinstance(value, str) else None
    if text is not None:
        number = _integer(text, name)
    else:
        number = int(value) if isinstance(value, int | float | np.number) and value == value // 1 else None
    if number is None or (name == "label" and number not in (-1, 0, 1)):
        expected = "-1, 0 or 1" if name == "label" else "an integer"
        raise ValueError(f"metadata row {row}: {name} should be {expected}, found {value!r}")
    return _fitting(str(number).encode("ascii"), name, row)


def _fitting(field: bytes, name: str, row: int) -> bytes:
    if len(field) > WIDTHS[name]:
        raise ValueError(f"metadata row {row}: {name} is {len(field)} bytes wide, at most {WIDTHS[name]}: {field!r}")
    return field
