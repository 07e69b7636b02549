"""The cards of a release: its datasheet (Gebru et al. 2018) and its Croissant metadata, filled from the run."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from cifar102.cifar import CLASS_NAMES
from cifar102.decisions.tables import datasheet_template
from cifar102.workspace.files import hash_file, plain
from cifar102.workspace.folders import MANIFEST

UNKNOWN = "not recorded in this run"


def datasheet_text(manifest: pd.DataFrame, facts: Mapping[str, object]) -> str:
    """Fill the datasheet: counts come from the manifest, everything else from `facts` (flat or nested).

    A fact that the run did not give reads "not recorded in this run"; every fact that was given is listed at the end.
    """
    values = {name: _text(value) for name, value in _flat(facts)}
    pieces = {
        "title": values.get("name", "CIFAR-10.2 rebuild"),
        "splits": _splits(manifest),
        "classes": _classes(manifest),
        "duplicates": _duplicates(manifest),
        "facts": _table(["fact", "value"], sorted(values.items())) if values else f"(facts: {UNKNOWN})",
    }
    return datasheet_template().format_map(_Known(values | pieces))


class _Known(dict):
    """Facts by name, with a plain statement for those that the run did not give."""

    def __missing__(self, key: str) -> str:
        return UNKNOWN


def _flat(facts: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: object) -> str:
    value = plain(value)
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return str(value).replace("|", "\\|").replace("\n", " ")


def _table(columns: list[str], rows: list[tuple]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _splits(manifest: pd.DataFrame) -> str:
    rows = []
    for split, part in manifest.groupby("split", sort=False):
        rows.append((split, len(part), part["keyword"].nunique(), int(part["in_cifar10_train"].sum())))
    return _table(["split", "images", "keywords", "near-duplicates of CIFAR-10 train"], rows)


def _classes(manifest: pd.DataFrame) -> str:
    counts = pd.crosstab(manifest["class_name"], manifest["split"])
    counts = counts.reindex(index=list(CLASS_NAMES), columns=list(manifest["split"].unique()), fill_value=0)
    rows = [(name, *(int(count) for count in row)) for name, row in zip(counts.index, counts.to_numpy(), strict=True)]
    return _table(["class", *counts.columns], rows)


def _duplicates(manifest: pd.DataFrame) -> str:
    drawn = manifest[(manifest["group"] >= 0) & manifest["split"].isin(["train", "test"])]
    sizes = drawn["group"].value_counts()
    sizes = sizes[sizes > 1]
    if sizes.empty:
        return "No two images of train and test are known to be near-duplicates of each other."
    return f"{sizes.sum()} images of train and test form {len(sizes)} groups of near-duplicates, each on one side."


CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
FORMATS = {".npz": "application/x-npz", ".parquet": "application/x-parquet", ".md": "text/markdown"}
FIELDS = {
    "split": ("sc:Text", "train, test, leftover (accepted, not drawn) or uniform (a second, uniform draw)"),
    "row": ("sc:Integer", "place of the image in its split, as in the npz file and the batches"),
    "tiny_index": ("sc:Integer", "0-based index of the image in Tiny Images or in the pool that stands for it"),
    "keyword": ("sc:Text", "the search word of the image"),
    "class_name": ("sc:Text", "the CIFAR-10 class"),
    "label": ("sc:Integer", "the CIFAR-10 class as a number, 0 to 9"),
    "filename": ("sc:Text", "the file name, of keyword and number"),
    "num_raters": ("sc:Integer", "raters who judged the image"),
    "num_yes": ("sc:Integer", "raters who accepted it"),
    "nearest_set": ("sc:Text", "reference set of the most similar reference image"),
    "nearest_row": ("sc:Integer", "row of that image in its set, -1 where none is known"),
    "nearest_ssim": ("sc:Float", "structural similarity to that image"),
    "group": ("sc:Integer", "near-duplicate group, -1 for an image alone"),
    "in_cifar10_train": ("sc:Boolean", "whether a near-duplicate is in CIFAR-10's training set"),
}


def croissant_metadata(folder: Path, names: Sequence[str], facts: Mapping[str, object]) -> dict[str, object]:
    """Describe the files `names` of a release folder as Croissant JSON-LD.

    facts: name, version, description, license, url and date of the data set where known; nothing is made up, except
    a name, version 0.1.0 and a description. Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
    """
    entry = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": str(facts.get("name", "CIFAR-10.2 rebuild")),
        "description": str(facts.get("description") or _description(facts)),
        "version": str(facts.get("version", "0.1.0")),
    }
    known = {"license": "license", "url": "url", "datePublished": "date", "citeAs": "cite_as", "creator": "creator"}
    entry |= {key: _property(key, facts[fact]) for key, fact in known.items() if facts.get(fact)}
    entry["distribution"] = [_file_object(Path(folder), name) for name in names]
    return entry | {"recordSet": [_record_set()]}


def _description(facts: Mapping[str, object]) -> str:
    pool = facts.get("pool", "a Tiny Images pool")
    return (
        f"Images of 32x32 pixels in the ten classes of CIFAR-10, collected from {pool} by the protocol of CIFAR-10.2: "
        "keyword-matched candidates, verified by raters, near-duplicates kept on one side of the split."
    )


def _property(key: str, value: object) -> object:
    return {"@type": "sc:Person", "name": str(value)} if key == "creator" else str(value)


def _file_object(folder: Path, name: str) -> dict[str, str]:
    path = folder / name
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": FORMATS.get(path.suffix, "application/octet-stream"),
        "sha256": hash_file(path),
    }


def _record_set() -> dict[str, object]:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"images/{name}",
            "name": name,
            "description": description,
            "dataType": kind,
            "source": {"fileObject": {"@id": MANIFEST}, "extract": {"column": name}},
        }
        for name, (kind, description) in FIELDS.items()
    ]
    key = [{"@id": "images/split"}, {"@id": "images/row"}]
    description = "One record an image: where it stands, what it shows, how it was judged."
    return {"@type": "cr:RecordSet", "@id": "images", "name": "images", "description": description} | {
        "key": key,
        "field": fields,
    }
