"""The 18 mistakes of published pipelines, each put back into this package, and the tests that must then fail.

    python -m tests.mistakes OUT.json

runs these tests once as they are (all must pass), then once per mistake. end_to_end/test_mistakes.py holds the outcome.
"""

import contextlib
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from cifar102 import cifar
from cifar102.analysis import intervals
from cifar102.annotations import labelimg
from cifar102.datasets import pools
from cifar102.dedup import exact_copies, neighbours, pair_table, similarity
from cifar102.sampling import draws, group_split
from cifar102.tiny_images import metadata
from cifar102.tiny_images.pair import TinyImages

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Mistake:
    """What was wrong (dataset.md, section 8), how it is put back, and which tests must notice."""

    number: int
    words: str
    put_back: Callable[[pytest.MonkeyPatch], None]
    tests: tuple[str, ...]


def indices_from_one(patch: pytest.MonkeyPatch) -> None:
    checked = TinyImages._checked
    patch.setattr(TinyImages, "_checked", lambda self, rows: np.minimum(checked(self, rows) + 1, len(self) - 1))


def filename_105_wide(patch: pytest.MonkeyPatch) -> None:
    names = list(metadata.WIDTHS)
    widths = metadata.WIDTHS | {"filename": 105}
    starts = np.cumsum([0, *(widths[name] for name in names)])
    offsets = [min(int(start), 768 - widths[name]) for name, start in zip(names, starts[:-1], strict=True)]
    layout = {"names": names, "formats": [f"S{widths[name]}" for name in names], "offsets": offsets, "itemsize": 768}
    patch.setattr(metadata, "WIDTHS", widths)
    patch.setattr(metadata, "RECORD", np.dtype(layout))


def farthest_for_nearest(patch: pytest.MonkeyPatch) -> None:
    nearest = neighbours.nearest

    def farthest(queries, references, k=10):
        return tuple(part[:, ::-1][:, :k] for part in nearest(queries, references, len(references)))

    patch.setattr(neighbours, "nearest", farthest)


def verified_references_only(patch: pytest.MonkeyPatch) -> None:
    whole = pools.reference_sets

    def narrowed(workspace):
        return {
            name: replace(part, images=part.images[::2], labels=part.labels[::2], filenames=part.filenames[::2])
            for name, part in whole(workspace).items()
        }

    patch.setattr(pools, "reference_sets", narrowed)


def flattened_ssim(patch: pytest.MonkeyPatch) -> None:
    def scores(a, b, first, second, max_shift):
        shape = (-1, 32, 32, 1)
        left, right = (np.repeat(part.reshape(shape), 3, axis=3) for part in (a[first], b[second]))
        none = np.zeros(len(first), np.int64)
        return similarity.ssim_flat(left, right), none, none

    patch.setattr(pair_table, "pair_scores", scores)
    patch.setattr(similarity, "ssim", lambda a, b, max_shift=2: similarity.ssim_flat(a, b))


def threshold_never_applied(patch: pytest.MonkeyPatch) -> None:
    found = pair_table.near_duplicates
    patch.setattr(
        pair_table, "near_duplicates", lambda *given, **named: found(*given, **named).assign(verdict="different")
    )


def test_images_fill_up_train(patch: pytest.MonkeyPatch) -> None:
    prepare = draws.prepare
    patch.setattr(draws, "prepare", lambda candidates, blacklist=(), seed=None: prepare(candidates, (), seed))


def first_rows_for_a_sample(patch: pytest.MonkeyPatch) -> None:
    draw = draws.draw
    patch.setattr(draws, "draw", lambda c, q, seed, blacklist=(), strategy="": draw(c, q, seed, blacklist, "first_n"))


def split_of_images(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(group_split, "_units", lambda table: np.arange(len(table)))


def jpeg_copies(patch: pytest.MonkeyPatch) -> None:
    write = labelimg._write_png

    def write_jpeg(path, image):
        file = io.BytesIO()
        Image.fromarray(image).save(file, format="JPEG", quality=75)
        write(path, np.asarray(Image.open(file)))

    patch.setattr(labelimg, "_write_png", write_jpeg)


def duplicates_inside_a_class_only(patch: pytest.MonkeyPatch) -> None:
    every = exact_copies.exact_table

    def per_class(sets):
        known = sorted({int(label) for _, labels in sets.values() for label in labels})
        tables = []
        for label in known:
            rows = {name: np.flatnonzero(np.asarray(labels) == label) for name, (_, labels) in sets.items()}
            table = every({name: (sets[name][0][r], np.full(len(r), label)) for name, r in rows.items()})
            tables.append(table.assign(row=[int(rows[s][r]) for s, r in zip(table["set"], table["row"], strict=True)]))
        return pd.concat(tables, ignore_index=True)

    patch.setattr(exact_copies, "exact_table", per_class)


def turned_export(patch: pytest.MonkeyPatch) -> None:
    rows = cifar.images_to_rows
    patch.setattr(cifar, "images_to_rows", lambda images: rows(np.ascontiguousarray(np.rot90(images, axes=(1, 2)))))


def _float_rows(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32)


def distances_by_expansion(patch: pytest.MonkeyPatch) -> None:
    def expanded(queries, references, k=10):
        x, y = _float_rows(queries), _float_rows(references)
        with np.errstate(invalid="ignore"):
            found = np.sqrt((x**2).sum(1)[:, None] - 2 * x @ y.T + (y**2).sum(1))  # no clamp at 0
        order = np.argsort(found, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(found, order, axis=1), order

    patch.setattr(neighbours, "nearest", expanded)


def wrapping_differences(patch: pytest.MonkeyPatch) -> None:
    def wrapped(queries, references, k=10):
        squares = np.array([[((q - r).astype(np.int64) ** 2).sum() for r in references] for q in queries])
        order = np.argsort(squares, axis=1, kind="stable")[:, :k]
        return np.sqrt(np.take_along_axis(squares, order, axis=1)), order

    patch.setattr(neighbours, "nearest", wrapped)


def unsorted_sampling(patch: pytest.MonkeyPatch) -> None:
    prepare = draws.prepare

    def unsorted(candidates, blacklist=(), seed=None):
        pool = prepare(candidates, (), None).sort_values("_row")
        ranks = np.arange(len(pool)) if seed is None else np.random.default_rng(seed).permutation(len(pool))
        return pool.assign(_rank=ranks)[~pool["tiny_index"].isin(list(blacklist))]

    patch.setattr(draws, "prepare", unsorted)


def preview_over_the_data(patch: pytest.MonkeyPatch) -> None:
    write = TinyImages.images_to

    def write_preview(self, path, indices):
        write(self, path, indices)
        return write(self, path, list(indices)[:10])

    patch.setattr(TinyImages, "images_to", write_preview)


def bare_except(patch: pytest.MonkeyPatch) -> None:
    read = labelimg._read_file

    def read_anyhow(path, folder):
        try:
            return read(path, folder)
        except Exception:  # "the other slash"
            parts = path.read_text(errors="replace").split("\\")
            return ("cat", "tabby", parts[-1][:20], "yes")

    patch.setattr(labelimg, "_read_file", read_anyhow)


def limits_without_edges(patch: pytest.MonkeyPatch) -> None:
    def limits(successes, n, level=0.95):
        tail = (1 - level) / 2
        low = stats.beta.ppf(tail, successes, n - successes + 1)
        return low, stats.beta.ppf(1 - tail, successes + 1, n - successes)

    patch.setattr(intervals, "clopper_pearson", limits)


MISTAKES = (
    Mistake(1, "indices counted from 1: every picture its neighbour's", indices_from_one, (
        "tiny_images/test_pair.py::test_first_record_has_index_zero",
        "tiny_images/test_pair.py::test_a_picture_is_not_its_neighbours")),
    Mistake(2, "filename read 105 bytes wide", filename_105_wide, (
        "tiny_images/test_pair.py::test_every_field_is_cut_at_its_offset",)),
    Mistake(3, "the nearest neighbour taken with max", farthest_for_nearest, (
        "dedup/test_neighbours.py::test_the_nearest_is_not_the_farthest",)),
    Mistake(4, "the reference narrowed to verified images", verified_references_only, (
        "datasets/test_pools.py::test_every_raw_format_is_there_and_reads_back",)),
    Mistake(5, "SSIM of flattened images", flattened_ssim, (
        "dedup/test_similarity.py::test_grey_ssim_without_shifts_is_that_of_scikit_image",
        "dedup/test_pair_table.py::test_a_shifted_noisy_copy_is_a_duplicate_and_its_shift_is_told")),
    Mistake(6, "a threshold announced and never applied", threshold_never_applied, (
        "dedup/test_pair_table.py::test_thresholds_decide_the_verdict_and_are_inclusive",)),
    Mistake(7, "test images drawn into train by the fill-up rule", test_images_fill_up_train, (
        "sampling/test_draws.py::test_images_of_the_test_set_never_fill_up_the_train_set",)),
    Mistake(8, "the first rows in alphabetical order for a sample", first_rows_for_a_sample, (
        "sampling/test_draws.py::test_sample_is_not_the_first_rows_in_alphabetical_order",)),
    Mistake(9, "a split of images, not of groups", split_of_images, (
        "sampling/test_draws.py::test_split_keeps_groups_whole_and_classes_exact_wherever_that_is_possible",)),
    Mistake(10, "verification on JPEG copies", jpeg_copies, (
        "annotations/test_labelimg.py::test_exported_pictures_have_the_very_pixels",)),
    Mistake(11, "duplicates looked for only inside a class", duplicates_inside_a_class_only, (
        "dedup/test_exact_copies.py::test_the_table_holds_every_member_of_every_group_with_set_and_row",)),
    Mistake(12, "export turned by rot90", turned_export, (
        "datasets/test_release.py::test_every_reader_of_cifar_gets_the_same_pixels_back",
        "test_cifar.py::test_torchvision_reads_a_written_batch")),
    Mistake(13, "distances with NaN for identical images", distances_by_expansion, (
        "dedup/test_neighbours.py::test_an_identical_image_is_at_distance_exactly_zero_and_ties_go_by_index",)),
    Mistake(14, "uint8 differences that wrap", wrapping_differences, (
        "dedup/test_neighbours.py::test_the_nearest_is_not_the_farthest",)),
    Mistake(15, "sampling from an unsorted set", unsorted_sampling, (
        "sampling/test_draws.py::test_sample_depends_on_neither_row_nor_dictionary_order",)),
    Mistake(16, "a preview that overwrote the collected data", preview_over_the_data, (
        "tiny_images/test_candidates.py::test_notebook_01_ends_only_when_all_it_collected_is_still_there",)),
    Mistake(17, "a bare except that took malformed XML for the other slash", bare_except, (
        "annotations/test_labelimg.py::test_labelimg_takes_either_slash_and_refuses_the_rest_by_name",)),
    Mistake(18, "Clopper-Pearson limits NaN at 0 and n successes", limits_without_edges, (
        "analysis/test_intervals.py::test_interval_starts_at_zero_without_a_success_and_ends_at_one_without_a_failure",)),
)  # fmt: skip


class Outcomes:
    """A pytest plugin: the tests that failed with the message of the first failure, and those that passed, by id."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self.passed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.split("[")[0].removeprefix("tests/")
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failed.setdefault(name, str(crash.message if crash else report.longrepr)[:400])
        elif report.when == "call" and report.passed:
            self.passed.add(name)


def run(tests: tuple[str, ...]) -> dict[str, object]:
    """Run tests in this process, quietly: failed, by id with the message, and passed, a list of ids."""
    outcomes = Outcomes()
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main(["-q", "-p", "no:cacheprovider", *(str(HERE / test) for test in tests)], plugins=[outcomes])
    return {"failed": outcomes.failed, "passed": sorted(outcomes.passed - outcomes.failed.keys())}


def main(path: Path) -> None:
    """Run all tests as they are, then each mistake's with the mistake put back; write the outcomes as JSON."""
    found = {"0": run(tuple(dict.fromkeys(test for mistake in MISTAKES for test in mistake.tests)))}
    for mistake in MISTAKES:
        with pytest.MonkeyPatch.context() as patch:
            mistake.put_back(patch)
            found[str(mistake.number)] = run(mistake.tests)
        failed = found[str(mistake.number)]["failed"]
        print(
            f"{mistake.number:2} {mistake.words}",
            *(f"     {name}\n       {failed[name]!r}" for name in failed),
            sep="\n",
        )
    path.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
