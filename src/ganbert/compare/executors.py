"""Ways to carry out runs: one after the other, in local processes, or on a Ray cluster."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from ganbert.compare.runs import Run
from ganbert.compare.store import Record
from ganbert.errors import InputError, InterruptedRunError, RunError
from ganbert.extras import require

Engine = Callable[[Iterable[Run]], Iterator["Done"]]
"""Takes runs lazily, one only when there is room for it, and yields each as it ends, in any order."""


KILLED = "its process was killed, by the system perhaps for want of memory. The same command again does what is missing"


@dataclass(frozen=True)
class Done:
    """A run that has ended, with its record or with what went wrong."""

    run: Run
    record: Record | None
    problem: str = ""


def carry_out(run: Run) -> Done:
    """Carry out a run in this process; one that fails does not stop the others, being asked to stop does."""
    try:
        return Done(run, run())
    except InterruptedRunError as error:  # its checkpoint is gone with its folder: the run will start again
        raise KeyboardInterrupt(error.signal_number) from error
    except (InputError, RunError) as error:
        return Done(run, None, str(error))
    except OSError as error:  # a disk that is full, a folder that is gone
        place = f": {error.filename}" if error.filename else ""
        return Done(run, None, f"{error.strerror or error}{place}")
    except Exception as error:  # of a library, on these rows or this encoder
        return Done(run, None, f"{type(error).__name__}: {' '.join(str(error).split())}")


def one_by_one(
    runs: Iterable[Run],
    *,
    begun: Callable[[Run], None] = lambda run: None,
    on_step: Callable[[int, int], None] | None = None,
) -> Iterator[Done]:
    """Carry runs out in this process.

    Args:
        runs: all of them.
        begun: called with each run as it begins.
        on_step: called after each training step with its number and the number of steps.
    """
    for run in runs:
        begun(run)
        yield carry_out(replace(run, on_step=on_step))


def in_processes(jobs: int) -> Engine:
    """Carry out `jobs` runs at once, each in a process of its own with its share of the processors.

    A process that is killed takes all running ones with it: those runs start again, one at a time.
    """
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed

    threads = max(1, (os.cpu_count() or 1) // jobs)

    def at_once(runs: Iterable[Run]) -> Iterator[Done]:
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch=jobs, batch_size=1)
        with warnings.catch_warnings():  # joblib renews processes that have grown, and warns that it does
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
            yield from parallel(delayed(carry_out)(replace(run, threads=run.threads or threads)) for run in runs)

    def alone(run: Run) -> Done:
        try:
            (done,) = at_once([run])
        except BrokenProcessPool:
            return Done(run, None, KILLED)
        return done

    def engine(runs: Iterable[Run]) -> Iterator[Done]:
        runs, under_way = iter(runs), dict[str, Run]()

        def begun() -> Iterator[Run]:
            for run in runs:
                under_way[run.key] = run
                yield run

        while True:
            try:
                for done in at_once(begun()):
                    del under_way[done.run.key]
                    yield done
                return
            except BrokenProcessPool:
                yield from map(alone, under_way.values())
                under_way.clear()

    return engine


def on_ray(address: str | None, threads: int, *, gpu: bool = True) -> Engine:
    """Carry runs out on a Ray cluster; those of a node that dies start again elsewhere.

    Args:
        address: of the cluster; None is the cluster of the environment, and where there is none one of this machine.
        threads: processors for each run.
        gpu: give each run a GPU to itself where the cluster has any.

    Raises:
        InputError: Ray is not installed, the cluster cannot be reached, or no node of it has so many processors.
    """
    require("ray", "ray")
    import ray

    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError) as error:
            raise InputError(f"--engine ray: no cluster at {address} ({error})") from error

    if all(node["Resources"].get("CPU", 0) < threads for node in ray.nodes() if node["Alive"]):
        raise InputError(f"--threads {threads}: no node of the cluster has so many processors")
    gpus = int(ray.cluster_resources().get("GPU", 0)) if gpu else 0

    def engine(runs: Iterable[Run]) -> Iterator[Done]:
        remote = ray.remote(num_cpus=threads, num_gpus=min(gpus, 1), max_retries=-1)(carry_out)
        waiting, runs = [], iter(runs)
        room = gpus or max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
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
