"""Kills at file events: stopped before, within or after any write, a run goes on to the very weights; no file is lost.

"After" an event is "before" the next one: between two of them no file changes.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.torture import prediction_runs
from tests.torture.bases import Bases
from tests.torture.cases import Failure
from tests.torture.injector import Injector, kill, kill_within
from tests.torture.runs import Run, Variant, undisturbed


def check(rng: random.Random, folder: Path, bases: Bases) -> str:
    """Kill a run at one of its file events, perhaps its resumption as well, and bring it to its end."""
    if rng.random() < 0.15:
        return prediction_runs.check_kill(rng, folder, bases)
    variant = Variant.drawn(rng)
    expected = undisturbed(variant, bases)
    run, story = Run(variant, folder, bases), [variant.name]
    for again in [False] + [True] * rng.choice([0, 0, 1, 2]):
        n = rng.randint(1, expected.n_events)
        size = rng.choice([None, 0, 1, 100, 1000, 20_000])
        story.append(f"killed {'before' if size is None else f'at byte {size} after'} event {n}")
        injector = Injector(folder, kill if size is None else kill_within(size), n)
        ended = run.start(resume=True, disturb=injector.install) if again else run.begin(injector.install)
        story.append(f"exit status {ended.status}")
        if ended.status > 0 and ended.status != 2:
            raise Failure("fails instead of being killed", "\n".join([*story, ended.said]))
    try:
        return run.finish(expected)
    except Failure as failure:
        raise Failure(failure.how, "\n".join([*story, failure.detail])) from None
