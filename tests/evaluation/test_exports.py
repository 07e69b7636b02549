"""The exports: facts of the published forms, read from their sources (named in exports), hold for what is written."""

import hashlib
import json
import re
import uuid
from pathlib import Path

import numpy as np
import pytest
import yaml

from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import exports, verdict

# Every Eval Ever 0.2.2: fields that are required, fields that there are (both levels allow no other).
AGGREGATE = {"schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info"}
AGGREGATE |= {"eval_library", "evaluation_results"}
MAY = AGGREGATE | {"evaluation_timestamp", "detailed_evaluation_results"}
INSTANCE = {"schema_version", "evaluation_id", "model_id", "evaluation_name", "sample_id", "interaction_type", "input"}
INSTANCE |= {"answer_attribution", "evaluation", "output"}  # output: of single_turn
MAY_INSTANCE = INSTANCE | {"evaluation_result_id", "sample_hash", "messages", "token_usage", "performance", "error"}


@pytest.fixture
def folder(data: Path, workspace, tmp_path: Path) -> Path:
    np.save(tmp_path / "cifar10.npy", (np.arange(60) % 10) * (np.arange(60) > 5))
    verdict.evaluate(tmp_path / "cifar10.npy", workspace=workspace, data=data, name="my|net", output=tmp_path / "out")
    return tmp_path / "out"


def test_hub_entry_has_the_fields_that_are_required_and_no_other(folder: Path) -> None:
    (path,) = (folder / ".eval_results").glob("*.yaml")
    (entry,) = yaml.safe_load(path.read_text())
    assert set(entry) <= {"dataset", "value", "verifyToken", "date", "source", "evaluation_framework", "notes"}
    assert entry["dataset"] == {"id": "uoft-cs/cifar10", "task_id": "default"}
    assert entry["value"] == pytest.approx(55 / 60)


def test_record_of_every_eval_ever_has_value_standard_error_set_version_and_model_hash(folder: Path) -> None:
    (path,) = (folder / "every_eval_ever").rglob("*.json")
    record = json.loads(path.read_text())
    assert AGGREGATE <= set(record) <= MAY and uuid.UUID(path.stem).version == 4
    assert record["source_metadata"]["source_type"] == "evaluation_run"
    assert {"source_organization_name", "evaluator_relationship"} <= set(record["source_metadata"])
    assert len(record["model_info"]["additional_details"]["digest"]) == 64
    (result,) = record["evaluation_results"]
    assert {"evaluation_name", "source_data", "metric_config", "score_details"} <= set(result)
    assert {"dataset_name", "source_type"} <= set(result["source_data"])
    labels = hashlib.sha256((np.arange(60) % 10).astype(np.int64).tobytes()).hexdigest()
    assert result["source_data"]["source_version"].endswith(labels)
    assert {"lower_is_better", "min_score", "max_score"} <= set(result["metric_config"])
    error = result["score_details"]["uncertainty"]["standard_error"]["value"]
    assert error == pytest.approx(np.sqrt(55 / 60 * 5 / 60 / 60))


def test_instances_link_to_their_record_and_add_up_to_its_score(folder: Path) -> None:
    (path,) = (folder / "every_eval_ever").rglob("*.json")
    record = json.loads(path.read_text())
    detailed = record["detailed_evaluation_results"]
    samples = folder / "every_eval_ever" / detailed["file_path"]
    assert detailed["checksum"] == hashlib.sha256(samples.read_bytes()).hexdigest()
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    assert len(lines) == detailed["total_rows"] == 60
    for line in lines:
        assert INSTANCE <= set(line) <= MAY_INSTANCE and line["interaction_type"] == "single_turn"
        assert line["evaluation_id"] == record["evaluation_id"] and line["model_id"] == record["model_info"]["id"]
        assert line["evaluation_result_id"] == record["evaluation_results"][0]["evaluation_result_id"]
        assert {"raw", "reference"} <= set(line["input"]) and isinstance(line["output"]["raw"], list)
    scores = [line["evaluation"]["score"] for line in lines]
    assert np.mean(scores) == pytest.approx(record["evaluation_results"][0]["score_details"]["score"])


def test_row_for_a_model_card_keeps_its_columns_whatever_the_model_is_called(folder: Path) -> None:
    lines = (folder / "model_card.md").read_text().splitlines()
    assert len(lines) == 3 and lines[2].startswith("| my\\|net | CIFAR-10 | 60 | 91.7 [")


@pytest.mark.parametrize(
    "name", ["a\nb|c", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "\x1b[31mred", "`c`\\|"]
)
def test_name_of_a_model_is_one_line_of_text_in_a_model_card(folder: Path, name: str) -> None:
    record = json.loads((folder / "record.json").read_text()) | {"model": name}
    lines = exports.model_card(record, {"cifar10": TestSet("cifar10", np.arange(60) % 10)}).splitlines()
    assert len(lines) == 3
    cell = lines[2].split(" | CIFAR-10 | ")[0]
    assert not re.search(r"<|\x1b|(?<!\\)(\\\\)*[`\[]", cell) and len(re.findall(r"(?<!\\)(?:\\\\)*\|", cell)) == 1
