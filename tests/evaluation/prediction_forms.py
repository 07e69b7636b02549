"""Predictions of one set, written in every form that people and tools leave them in; each form a function.

A form gets a folder, class ids (n,), probabilities (n, 10) whose largest are these ids, and the labels (n,) of the set.
It returns the file.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.cifar import CLASS_NAMES

NAMES = np.array(CLASS_NAMES)
Form = Callable[[Path, np.ndarray, np.ndarray, np.ndarray], Path]
IDS: dict[str, Form] = {}
SHARES: dict[str, Form] = {}


def of_ids(form: Form) -> Form:
    """Register a form that keeps class ids."""
    IDS[form.__name__] = form
    return form


def of_shares(form: Form) -> Form:
    """Register a form that keeps probabilities, or logits that a softmax turns into them."""
    SHARES[form.__name__] = form
    return form


def text(folder: Path, name: str, content: str, encoding: str = "utf-8", end: str = "\n") -> Path:
    (folder / name).write_bytes(content.replace("\n", end).encode(encoding))
    return folder / name


def saved(folder: Path, array: np.ndarray) -> Path:
    np.save(folder / "p.npy", array)
    return folder / "p.npy"


def packed(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "p.npz", **arrays)
    return folder / "p.npz"


def dumped(folder: Path, value: object, name: str = "p.json") -> Path:
    return text(folder, name, json.dumps(value))


def table(folder: Path, columns: dict, name: str = "p.csv", **settings: object) -> Path:
    pd.DataFrame(columns).to_csv(folder / name, **({"index": False} | settings))
    return folder / name


def lines(values: object) -> str:
    return "".join(f"{value}\n" for value in values)


@of_ids
def npy_uint8(folder, ids, shares, labels):
    return saved(folder, ids.astype(np.uint8))


@of_ids
def npy_float16_ids(folder, ids, shares, labels):
    return saved(folder, ids.astype(np.float16))


@of_ids
def npy_one_column(folder, ids, shares, labels):
    return saved(folder, ids[:, None])


@of_ids
def npy_one_hot_bool(folder, ids, shares, labels):
    return saved(folder, np.eye(10, dtype=bool)[ids])


@of_ids
def npy_one_hot_int(folder, ids, shares, labels):
    return saved(folder, np.eye(10, dtype=int)[ids])


@of_ids
def npy_class_names(folder, ids, shares, labels):
    return saved(folder, NAMES[ids])


@of_ids
def npy_classes_from_one(folder, ids, shares, labels):
    return saved(folder, ids + 1)


@of_ids
def npz_y_pred(folder, ids, shares, labels):
    return packed(folder, y_pred=ids)


@of_ids
def npz_arr_0(folder, ids, shares, labels):
    return packed(folder, arr_0=ids)


@of_ids
def npz_y_pred_and_y_true(folder, ids, shares, labels):
    return packed(folder, y_true=labels, y_pred=ids)


@of_ids
def npz_key_of_the_set(folder, ids, shares, labels):
    return packed(folder, cifar10=ids)


@of_ids
def json_list(folder, ids, shares, labels):
    return dumped(folder, ids.tolist())


@of_ids
def json_class_names(folder, ids, shares, labels):
    return dumped(folder, NAMES[ids].tolist())


@of_ids
def json_label_and_score(folder, ids, shares, labels):
    return dumped(folder, [{"label": f"LABEL_{k}", "score": 0.9} for k in ids.tolist()])


@of_ids
def json_top_three_scores(folder, ids, shares, labels):
    best = np.argsort(-shares, axis=1)[:, :3].tolist()
    rows = [[{"label": CLASS_NAMES[k], "score": row[k]} for k in top] for top, row in zip(best, shares, strict=True)]
    return dumped(folder, rows)


@of_ids
def json_predictions(folder, ids, shares, labels):
    return dumped(folder, {"model": "resnet", "predictions": ids.tolist()})


@of_ids
def json_by_index(folder, ids, shares, labels):
    return dumped(folder, {str(k): int(value) for k, value in enumerate(ids)})


@of_ids
def json_by_file_name(folder, ids, shares, labels):
    order = sorted(range(len(ids)), key=str)
    return dumped(folder, {f"test/{k}.png": CLASS_NAMES[ids[k]] for k in order})


@of_ids
def json_of_pandas(folder, ids, shares, labels):
    return text(folder, "p.json", pd.DataFrame({"pred": ids, "label": labels}).to_json())


@of_ids
def json_records(folder, ids, shares, labels):
    return text(folder, "p.json", pd.DataFrame({"id": range(len(ids)), "pred": ids}).to_json(orient="records"))


@of_ids
def json_lines(folder, ids, shares, labels):
    return text(folder, "p.jsonl", lines(json.dumps({"id": k, "prediction": int(v)}) for k, v in enumerate(ids)))


@of_ids
def json_lines_in_json(folder, ids, shares, labels):
    return text(folder, "p.json", lines(json.dumps({"pred": int(value)}) for value in ids))


@of_ids
def json_with_mark(folder, ids, shares, labels):
    return text(folder, "p.json", json.dumps(ids.tolist()), "utf-8-sig")


@of_ids
def csv_bare(folder, ids, shares, labels):
    return text(folder, "p.csv", lines(ids))


@of_ids
def csv_bare_names(folder, ids, shares, labels):
    return text(folder, "p.csv", lines(NAMES[ids]))


@of_ids
def csv_names_with_header(folder, ids, shares, labels):
    other = {"automobile": "Car", "airplane": "Plane"}
    return text(folder, "p.csv", "label\n" + lines(other.get(name, name.title()) for name in NAMES[ids]))


@of_ids
def csv_trailing_blanks(folder, ids, shares, labels):
    return text(folder, "p.csv", "prediction \n" + lines(f"{k}  " for k in ids) + "\n\n  \n", end="\r\n")


@of_ids
def csv_quoted(folder, ids, shares, labels):
    return text(folder, "p.csv", '"pred"\n' + lines(f'"{k}"' for k in ids))


@of_ids
def csv_savetxt(folder, ids, shares, labels):
    np.savetxt(folder / "p.csv", ids.astype(float))
    return folder / "p.csv"


@of_ids
def csv_one_line(folder, ids, shares, labels):
    return text(folder, "p.csv", ",".join(map(str, ids)))


@of_ids
def csv_to_csv(folder, ids, shares, labels):
    return table(folder, {"pred": ids}, index=True)


@of_ids
def csv_series(folder, ids, shares, labels):
    pd.Series(ids).to_csv(folder / "p.csv")
    return folder / "p.csv"


@of_ids
def csv_series_without_index(folder, ids, shares, labels):
    pd.Series(ids).to_csv(folder / "p.csv", index=False)
    return folder / "p.csv"


@of_ids
def csv_to_csv_without_header(folder, ids, shares, labels):
    return table(folder, {"pred": ids}, index=True, header=False)


@of_ids
def csv_kaggle(folder, ids, shares, labels):
    return table(folder, {"id": np.arange(1, len(ids) + 1), "label": NAMES[ids]})


@of_ids
def csv_shuffled_ids(folder, ids, shares, labels):
    order = np.random.default_rng(1).permutation(len(ids))
    return table(folder, {"image_id": order, "pred": ids[order]})


@of_ids
def csv_file_names(folder, ids, shares, labels):
    names = [f"img_{k}.png" for k in range(len(ids))]
    order = sorted(range(len(ids)), key=lambda k: names[k])
    columns = {"filename": [names[k] for k in order], "pred": ids[order], "confidence": shares.max(axis=1)[order]}
    return table(folder, columns)


@of_ids
def csv_truth(folder, ids, shares, labels):
    return table(folder, {"y_true": labels, "y_pred": ids, "correct": (labels == ids).astype(int)})


@of_ids
def csv_truth_and_shuffled_ids(folder, ids, shares, labels):
    order = np.random.default_rng(1).permutation(len(ids))
    return table(folder, {"idx": order, "label": NAMES[labels][order], "prediction": NAMES[ids][order]})


@of_ids
def csv_truth_without_header(folder, ids, shares, labels):
    return table(folder, {"a": labels, "b": ids}, header=False)


@of_ids
def csv_excel_id_and_class(folder, ids, shares, labels):
    return text(folder, "p.csv", "Id;Label\n" + lines(f"{k};{v}" for k, v in enumerate(ids)), "utf-8-sig", "\r\n")


@of_ids
def csv_utf16(folder, ids, shares, labels):
    return text(folder, "p.csv", "id\tpred\n" + lines(f"{k}\t{v}" for k, v in enumerate(ids)), "utf-16", "\r\n")


@of_ids
def tsv(folder, ids, shares, labels):
    return table(folder, {"file": [f"{k:05}.png" for k in range(len(ids))], "class": NAMES[ids]}, "p.tsv", sep="\t")


@of_ids
def txt_blanks(folder, ids, shares, labels):
    return text(folder, "p.txt", lines(f"img_{k:05}.png {v}" for k, v in enumerate(ids)))


@of_ids
def parquet_ids(folder, ids, shares, labels):
    pd.DataFrame({"pred": ids, "label": labels}).to_parquet(folder / "p.parquet")
    return folder / "p.parquet"


@of_shares
def npy_float64(folder, ids, shares, labels):
    return saved(folder, shares)


@of_shares
def npy_float16(folder, ids, shares, labels):
    return saved(folder, shares.astype(np.float16))


@of_shares
def npy_logits(folder, ids, shares, labels):
    return saved(folder, np.log(shares) + 3)


@of_shares
def npy_log_probabilities(folder, ids, shares, labels):
    return saved(folder, np.log(shares))


@of_shares
def npy_bfloat16(folder, ids, shares, labels):
    upper = (shares.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return saved(folder, upper.view("V2"))


@of_shares
def npz_logits(folder, ids, shares, labels):
    return packed(folder, logits=np.log(shares) + 3, labels=labels)


@of_shares
def npz_ids_and_probabilities(folder, ids, shares, labels):
    return packed(folder, class_ids=ids, probabilities=shares)


@of_shares
def npz_other_class_order(folder, ids, shares, labels):
    return packed(folder, probabilities=shares[:, ::-1], label_names=NAMES[::-1])


@of_shares
def json_rows(folder, ids, shares, labels):
    return dumped(folder, shares.tolist())


@of_shares
def json_all_scores(folder, ids, shares, labels):
    rows = [[{"label": CLASS_NAMES[k], "score": row[k]} for k in np.argsort(-row)] for row in shares]
    return dumped(folder, rows)


@of_shares
def json_logits(folder, ids, shares, labels):
    return dumped(folder, {"logits": (np.log(shares) + 3).tolist(), "labels": labels.tolist()})


@of_shares
def json_rows_by_file_name(folder, ids, shares, labels):
    return dumped(folder, {f"{k}.png": row for k, row in enumerate(shares.tolist())})


@of_shares
def csv_rows(folder, ids, shares, labels):
    return table(folder, dict(enumerate(shares.T)), header=False)


@of_shares
def csv_rows_of_a_data_frame(folder, ids, shares, labels):
    return table(folder, dict(enumerate(shares.T)))


@of_shares
def csv_rows_with_index(folder, ids, shares, labels):
    return table(folder, dict(enumerate(shares.T)), index=True)


@of_shares
def csv_rows_in_order_of_names(folder, ids, shares, labels):
    return table(folder, {f"prob_{name}": shares[:, CLASS_NAMES.index(name)] for name in sorted(CLASS_NAMES)[::-1]})


@of_shares
def csv_rows_ids_and_files(folder, ids, shares, labels):
    files = {"filename": [f"{k:05}.png" for k in range(len(ids))], "predicted_class": NAMES[ids]}
    return table(folder, files | {f"p{k}": column for k, column in enumerate(shares.T)})


@of_shares
def csv_excel_decimal_commas(folder, ids, shares, labels):
    table(
        folder, {name: shares[:, k] for k, name in enumerate(CLASS_NAMES)}, sep=";", decimal=",", encoding="utf-8-sig"
    )
    return folder / "p.csv"


@of_shares
def csv_savetxt_rows(folder, ids, shares, labels):
    np.savetxt(folder / "p.txt", shares, header=" ".join(CLASS_NAMES), fmt="%.17e")
    return folder / "p.txt"


@of_shares
def csv_of_r(folder, ids, shares, labels):
    return table(folder, {"": range(1, len(ids) + 1)} | {f"V{k + 1}": column for k, column in enumerate(shares.T)})


@of_shares
def parquet_rows(folder, ids, shares, labels):
    pd.DataFrame({"probabilities": shares.tolist(), "label": labels}).to_parquet(folder / "p.parquet")
    return folder / "p.parquet"
