"""Ways to carry out runs: one after the other, in local processes, or on a Ray cluster."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from ganbert.errors import InputError, RunError
from ganbert.evaluation.runs import Record, Run

Engine = Callable[[Iterable[Run]], Iterator["Done"]]
"""Takes runs lazily, one only when there is room for it, and yields each as it ends, in any order."""


@dataclass(frozen=True)
class Done:
    """A run that has ended, with its record or with what went wrong."""

    run: Run
    record: Record | None
    problem: str = ""


def carry_out(run: Run) -> Done:
    """Carry out a run in this process; what a person can mend does not stop the others."""
    try:
        return Done(run, run())
    except (InputError, RunError) as error:
        return Done(run, None, str(error))


def one_by_one(runs: Iterable[Run]) -> Iterator[Done]:
    """Carry runs out in this process."""
    return map(carry_out, runs)


def in_processes(jobs: int) -> Engine:
    """Carry out `jobs` runs at once, each in a process of its own with its share of the processors."""
    from joblib import Parallel, delayed

    threads = max(1, (os.cpu_count() or 1) // jobs)

    def engine(runs: Iterable[Run]) -> Iterator[Done]:
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch=jobs, batch_size=1)
        work = (delayed(carry_out)(replace(run, threads=run.threads or threads)) for run in runs)
        with warnings.catch_warnings():  # joblib renews processes that have grown, and warns that it does
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
            yield from parallel(work)

    return engine


def on_ray(address: str | None, threads: int) -> Engine:
    """Carry runs out on a Ray cluster; those of a node that dies are begun anew elsewhere.

    Args:
        address: of the cluster; None is the cluster of the environment, and where there is none one of this machine.
        threads: processors for each run.

    Raises:
        InputError: Ray is not installed, or the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError("--engine ray: not installed; pip install 'ganbert[ray]'") from error
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError) as error:
            raise InputError(f"--engine ray: no cluster at {address} ({error})") from error

    def engine(runs: Iterable[Run]) -> Iterator[Done]:
        remote = ray.remote(num_cpus=threads, max_retries=-1)(carry_out)
        waiting, runs = [], iter(runs)
        room = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
        while True:
            for run in runs:
                waiting.append(remote.remote(replace(run, threads=run.threads or threads)))
                if len(waiting) >= room:
                    break
            if not waiting:
                return
            ended, waiting = ray.wait(waiting, num_returns=1)
            yield ray.get(ended[0])

    return engine
