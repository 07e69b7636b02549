"""A judged model in the forms of others: a row for a model card, Hugging Face's eval results, Every Eval Ever records.

Sources: https://huggingface.co/docs/hub/eval-results (marked as work in progress there) and
https://github.com/evaleval/every_eval_ever, eval.schema.json and instance_level_eval.schema.json, version 0.2.2.
"""

import hashlib
import html
import importlib.metadata
import json
import re
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from cifar102.analysis import corruption_tables
from cifar102.analysis.scorecard import ORIGINAL, TestSet
from cifar102.cifar import CLASS_NAMES
from cifar102.evaluation.answers import Answers
from cifar102.evaluation.records import Record, slug
from cifar102.evaluation.score_texts import title_of
from cifar102.workspace.files import write_json, write_text
from cifar102.workspace.names import visible

SCHEMA = "0.2.2"
HUB_SETS = {ORIGINAL: ("uoft-cs/cifar10", "default")}  # data sets on the Hub that hold the very images, and their task
COLLECTION = "cifar102"


def model_card(record: Record, sets: Mapping[str, TestSet]) -> str:
    """Return a table in Markdown for a model card: a row a set, accuracy and gap with their intervals, in percent.

    Of a family of corrupted sets the mean has a row, its members have none.
    """
    gaps = {row["new"]: row for row in record["gaps"]}
    lines = [
        "| model | test set | images | accuracy (%) | gap to CIFAR-10 (points) | above the line (points) |",
        "|---|---|---|---|---|---|",
    ]
    means = [row for row in record.get("corruptions", ()) if row["corruption"] == corruption_tables.ALL]
    means = [row | {"name": f"{row['set']}, mean of {row['severities']} sets"} for row in means]
    for row in [*(row for row in record["sets"] if not sets[row["name"]].severity), *means]:
        gap = gaps.get(row["name"], {})
        names = [_in_markdown(name) for name in (record["model"], title_of(row["name"], sets))]
        cells = [*names, f"{row['n']:,}", _cell(row, "accuracy", "low", "high")]
        cells += [_cell(gap, "gap", "low", "high")]
        cells += [_cell(gap, "robustness", "robustness_low", "robustness_high")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _in_markdown(name: str) -> str:
    """A name as one line of text in a table of Markdown: no markup, no HTML, nothing that a terminal runs."""
    text = html.escape(visible(" ".join(name.split())), quote=False)
    return re.sub(r"([\\|`*\[\]])", r"\\\1", text)


def _cell(row: Mapping, name: str, low: str, high: str) -> str:
    if row.get(name) is None:
        return ""
    ends = "" if row[low] is None else f" [{100 * row[low]:.1f}, {100 * row[high]:.1f}]"
    return f"{100 * row[name]:.1f}{ends}"


def write(
    record: Record, answers: Answers, sets: Mapping[str, TestSet], level: float, folder: Path, now: int | None = None
) -> list[Path]:
    """Write Hugging Face's entry and the Every Eval Ever record of one model into a folder; returns the paths.

    sets: those that were judged; now: seconds since 1970, for the records' time stamp (default: the clock).
    """
    files = []
    if entries := hub_entries(record):
        text = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)
        files.append(write_text(folder / ".eval_results" / "cifar102.yaml", text))
    now = int(time.time()) if now is None else now
    aggregate, samples = eval_records(record, answers, sets, level, now)
    place = folder / "every_eval_ever" / Path(aggregate["detailed_evaluation_results"]["file_path"]).parent
    number = aggregate["detailed_evaluation_results"]["file_path"].rpartition("/")[2].removesuffix("_samples.jsonl")
    files.append(write_text(place / f"{number}_samples.jsonl", samples))
    return [*files, write_json(place / f"{number}.json", aggregate)]


def hub_entries(record: Record) -> list[dict]:
    """Return the entries of `.eval_results/*.yaml`, one for each judged set that is a data set on the Hub.

    The Hub shows them once that data set is registered as a benchmark.
    """
    found = []
    for row in record["sets"]:
        if row["name"] in HUB_SETS:
            place, task = HUB_SETS[row["name"]]
            notes = f"accuracy (0-1) on {row['n']:,} images, interval [{row['low']:.4f}, {row['high']:.4f}]"
            found.append({"dataset": {"id": place, "task_id": task}, "value": row["accuracy"], "notes": notes})
    return found


def eval_records(
    record: Record, answers: Answers, sets: Mapping[str, TestSet], level: float, now: int
) -> tuple[dict, str]:
    """Return the record of one evaluation and its instance-level lines (JSON lines), in the form of Every Eval Ever.

    Members of a family (CIFAR-10-C) are in the record and have no lines: 75 times 10,000 would be 400 MB.
    """
    model = f"local/{slug(record['model'])}"
    evaluation = f"{COLLECTION}/{model.replace('/', '_')}/{now}"
    lines = [
        line
        for name, test in sets.items()
        if not test.family
        for line in _instances(name, test, answers.predictions[name].class_ids, evaluation, model)
    ]
    samples = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    results = [_result(row, sets[row["name"]], level) for row in record["sets"]]
    told_apart_by = json.dumps([model, answers.digest, results])  # not by the time: a run again is the same evaluation
    seed = hashlib.blake2b(told_apart_by.encode(), digest_size=16).digest()
    number = uuid.UUID(bytes=seed, version=4)
    path = f"data/{COLLECTION}/{model}/{number}_samples.jsonl"
    detailed = {"format": "jsonl", "file_path": path, "hash_algorithm": "sha256", "total_rows": len(lines)}
    version = importlib.metadata.version("cifar102")
    source = {"source_name": "cifar102 evaluate", "source_type": "evaluation_run"}
    source |= {"source_organization_name": "unknown", "evaluator_relationship": "other"}
    return {
        "schema_version": SCHEMA,
        "evaluation_id": evaluation,
        "retrieved_timestamp": str(now),
        "source_metadata": source,
        "eval_library": {"name": "cifar102", "version": version},
        "model_info": {
            "name": record["model"],
            "id": model,
            "additional_details": {"digest": answers.digest or "unknown", "digest_algorithm": "blake2b-256"},
        },
        "evaluation_results": results,
        "detailed_evaluation_results": detailed | {"checksum": hashlib.sha256(samples.encode()).hexdigest()},
    }, samples


def _result(row: Mapping, test: TestSet, level: float) -> dict:
    labels = hashlib.sha256(np.asarray(test.labels, dtype=np.int64).tobytes()).hexdigest()
    share, n = row["accuracy"], row["n"]
    deviation = float(np.sqrt(share * (1 - share)))
    interval = {"lower": row["low"], "upper": row["high"], "confidence_level": level, "method": "Clopper-Pearson"}
    return {
        "evaluation_result_id": f"{row['name']}/accuracy",
        "evaluation_name": row["name"],
        "source_data": {
            "dataset_name": row["name"],
            "source_type": "other",
            "source_version": f"labels sha256 {labels}",
            "additional_details": {"provenance": row["provenance"] or "unknown"},
        },
        "metric_config": {
            "metric_id": "accuracy",
            "metric_name": "Accuracy",
            "metric_kind": "accuracy",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
        },
        "score_details": {
            "score": share,
            "uncertainty": {
                "standard_error": {"value": deviation / n**0.5, "method": "analytic"},
                "confidence_interval": interval,
                "standard_deviation": deviation,
                "num_samples": n,
            },
        },
    }


def _instances(name: str, test: TestSet, said: np.ndarray, evaluation: str, model: str) -> list[dict]:
    """A line an image: which class is right, which was said."""
    lines = []
    for row, (truth, answer) in enumerate(zip(test.labels.tolist(), said.tolist(), strict=True)):
        sample, right = f"{name}/{row}", CLASS_NAMES[truth]
        found = {"turn_idx": 0, "source": "output.raw", "extracted_value": CLASS_NAMES[answer]}
        found |= {"extraction_method": "argmax", "is_terminal": True}
        lines.append(
            {
                "schema_version": SCHEMA,
                "evaluation_id": evaluation,
                "model_id": model,
                "evaluation_name": name,
                "evaluation_result_id": f"{name}/accuracy",
                "sample_id": sample,
                "interaction_type": "single_turn",
                "input": {"raw": f"image {row} of {name}", "reference": [right], "choices": list(CLASS_NAMES)},
                "output": {"raw": [CLASS_NAMES[answer]]},
                "answer_attribution": [found],
                "evaluation": {"score": float(truth == answer), "is_correct": truth == answer},
            }
        )
    return lines
