"""Runs on a Ray cluster of two nodes, one of which is killed."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganbert.compare.comparison import measure
from ganbert.compare.conditions import Conditions, Outcome
from ganbert.compare.executors import on_ray
from ganbert.compare.runs import Run
from ganbert.compare.splits import Split
from ganbert.compare.store import Results, unpack
from ganbert.errors import InputError
from tests.compare.test_comparison import noted_runs
from tests.compare.test_methods import UnseenClasses

pytestmark = [  # Ray leaves its processes' pipes open, which is told when they are collected
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of two nodes with a processor each."""
    pytest.importorskip("ray", reason="Ray (extra ray) is not installed")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 10**8})
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    del cluster
    gc.collect()  # here, and not in the middle of another test


def test_a_node_that_dies_loses_nothing_and_nothing_is_done_twice(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1, object_store_memory=10**8)
    cluster.wait_for_nodes()
    results, notes = Results(tmp_path / "results.jsonl"), tmp_path / "notes"

    def kill_in_mid_run() -> None:
        raylet = node.all_processes["raylet"][0].process.pid  # the parent of all that runs on the node
        while not (notes.exists() and f" {raylet}\n" in notes.read_text()):
            if all_done.wait(0.05):
                return
        cluster.remove_node(node, allow_graceful=False)

    all_done = threading.Event()
    killer = threading.Thread(target=kill_in_mid_run)
    killer.start()
    runs = noted_runs(notes, seconds=2.0)[:6]
    records = measure(runs, results, on_ray(cluster.address, 1)).records
    all_done.set()
    killer.join()
    assert sorted((r["method"], r["seed"]) for r in records) == sorted((r.method, r.seed) for r in runs)
    assert len(results.read()) == len(runs)
    # What the dead node was doing has been begun anew, and nothing else.
    begun = notes.read_text().splitlines()
    assert len(runs) + 1 <= len(begun) <= len(runs) + 2


def first_class(split: Split, conditions: Conditions) -> Outcome:
    """A method of one's own."""
    return Outcome(np.eye(len(split.corpus.label_names))[[0] * len(split.test)], 0.0)


def test_a_method_of_ones_own_is_found_on_the_cluster(cluster: Any, tmp_path: Path) -> None:
    runs = [Run(UnseenClasses(), f"{__name__}:first_class", "20", 0)]
    measured = measure(runs, Results(tmp_path / "results.jsonl"), on_ray(cluster.address, 1))
    assert measured.problems == []
    assert set(unpack(measured.records[0]["predicted"])) == {0}


def test_a_run_that_no_node_has_room_for_is_refused(cluster: Any) -> None:
    with pytest.raises(InputError, match="--threads 64: no node of the cluster has so many processors"):
        on_ray(cluster.address, 64)


def test_a_cluster_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray (extra ray) is not installed")

    def unreachable(**options: Any) -> None:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(ray, "init", unreachable)
    with pytest.raises(InputError, match=r"no cluster at 10\.0\.0\.1:6379 \(nobody answers\)"):
        on_ray("10.0.0.1:6379", 1)
