"""Each strategy against a plain computation of its paper on a small pool; and what holds for all of them."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from ganbert.errors import InputError
from ganbert.plugins import found as entry_points_found
from ganbert.select.pool import NEAR, Pool, near_duplicate_cosine, nearest_cosine, pick
from ganbert.select.strategies import (
    AUTO,
    STRATEGIES,
    Strategy,
    badge,
    cluster_margin,
    coverage,
    facility_location,
    margin,
    pure_radius,
    random,
    strategy_named,
    typical,
)
from tests.select.conftest import drawn_probabilities, groups, pool_of

ALL = pytest.mark.parametrize("name", list(STRATEGIES))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def as_clustered(vectors: Any, k: int, seed: int = 0, weights: Any = None) -> KMeans:
    """Cluster as the strategies do where there is little to do, with the first number that they draw as the seed."""
    number = int(rng(seed).integers(2**31))
    return KMeans(k, n_init=3, random_state=number).fit(vectors, sample_weight=weights)


def test_typical_is_typiclust() -> None:
    vectors, _ = groups(8, 25, spread=0.25)
    labelled = {3: 0, 50: 1}
    pool = pool_of(vectors, labelled)
    n = 5
    cluster = as_clustered(vectors, len(labelled) + n).labels_
    expected: list[int] = []
    sizes = np.bincount(cluster)
    for j in sorted(range(len(sizes)), key=lambda j: -sizes[j]):
        members = [i for i in range(len(vectors)) if cluster[i] == j]
        if {*members} & labelled.keys() or len(expected) == n:
            continue
        distances = np.sort(cdist(vectors[members], vectors[members]), axis=1)[:, 1:]  # without itself
        expected.append(members[distances[:, : min(20, len(members) // 2)].mean(axis=1).argmin()])
    assert len(expected) == n
    assert typical(pool, n, rng()).tolist() == expected


def test_typical_finds_every_group_before_it_returns_to_one() -> None:
    vectors, of = groups(10, 30)
    found = typical(pool_of(vectors, {}), 10, rng())
    assert {*of[found]} == {*range(10)}
    labelled = {int(np.flatnonzero(of == j)[0]): j for j in range(6)}
    assert {*of[typical(pool_of(vectors, labelled), 4, rng())]} == {6, 7, 8, 9}


def test_a_typical_row_is_not_an_outlier() -> None:
    vectors, of = groups(4, 50, spread=0.3)
    for row in typical(pool_of(vectors), 4, rng()):
        same = vectors[of == of[row]]
        distances = cdist(same, same).mean(axis=1)
        own = cdist(vectors[[row]], same).mean()
        assert own < np.quantile(distances, 0.25)


def purity(vectors: Any, cluster: Any, radius: float) -> float:
    """Return the share of balls whose rows are of one cluster, by looking at each."""
    distances = cdist(vectors, vectors)
    return float(np.mean([len({*cluster[distances[i] < radius]}) == 1 for i in range(len(vectors))]))


def test_the_radius_of_coverage_is_the_largest_at_which_balls_are_pure() -> None:
    vectors, _ = groups(5, 40, spread=0.3)
    radius = pure_radius(vectors, 5, rng())
    cluster = as_clustered(vectors, 5).labels_
    assert purity(vectors, cluster, radius - 1e-5) >= 0.95  # the row at the very edge is a matter of rounding
    assert purity(vectors, cluster, radius + 1e-3) < 0.95


def test_coverage_is_greedy_over_balls() -> None:
    vectors, _ = groups(5, 30, spread=0.2)
    pool = pool_of(vectors, {0: 0}, drawn_probabilities(150, 5))
    distances = cdist(vectors, vectors)
    generator = rng()
    balls = distances < pure_radius(vectors[1:], 5, generator)
    covered, expected = balls[0].copy(), []
    for _ in range(6):
        gains = (balls[1:] & ~covered).sum(axis=1)
        expected.append(1 + int(gains.argmax()))
        covered |= balls[expected[-1]]
    assert coverage(pool, 6, rng()).tolist() == expected


def test_coverage_goes_on_where_everything_is_covered() -> None:
    vectors, _ = groups(1, 30, spread=0.01)
    pool = pool_of(vectors, {0: 0}, drawn_probabilities(30, 2))
    covered = Pool(vectors, pool.labels, pool.probabilities, np.arange(30) < 29, np.arange(30) == 29)
    assert coverage(covered, 1, rng()).tolist() == [29]


def test_margin_takes_the_closest_pairs_of_classes() -> None:
    p = drawn_probabilities(300, 4)
    pool = pool_of(groups(3, 100)[0], {7: 0, 8: 1}, p)
    two = np.sort(p, axis=1)
    expected = [i for i in np.argsort(two[:, -1] - two[:, -2]) if i not in (7, 8)][:25]
    assert margin(pool, 25, rng()).tolist() == expected


def test_badge_is_k_means_plus_plus_over_the_gradients() -> None:
    vectors, _ = groups(4, 50)
    p = drawn_probabilities(200, 6)
    pool = pool_of(vectors, {3: 1, 4: 2}, p)
    gradients = np.einsum("nk,nd->nkd", p - np.eye(6)[p.argmax(axis=1)], vectors).reshape(200, -1)
    generator, chosen = rng(3), [int(np.where(pool.open, (gradients**2).sum(axis=1), 0).argmax())]
    while len(chosen) < 20:
        squares = cdist(gradients, gradients[chosen], "sqeuclidean").min(axis=1)
        squares[[3, 4, *chosen]] = 0
        chosen.append(int(generator.choice(200, p=squares / squares.sum())))
    assert badge(pool, 20, rng(3)).tolist() == chosen


def test_cluster_margin_is_weighted_k_means_and_the_row_nearest_to_each_centre() -> None:
    vectors, _ = groups(6, 40, spread=0.3)
    p = drawn_probabilities(240, 3)
    pool = pool_of(vectors, {0: 0, 1: 1}, p)
    two = np.sort(p, axis=1)
    weights = 1 - (two[:, -1] - two[:, -2])
    weights[:2] = 0
    kmeans = as_clustered(vectors, 9, weights=weights)
    order = np.argsort([-weights[kmeans.labels_ == j].sum() for j in range(9)], kind="stable")
    nearest = [2 + int(row) for row in cdist(kmeans.cluster_centers_, vectors[2:]).argmin(axis=1)]
    assert cluster_margin(pool, 9, rng()).tolist() == [nearest[j] for j in order]


def test_cluster_margin_leaves_groups_alone_that_it_is_sure_of() -> None:
    vectors, of = groups(8, 40)
    p = np.full((320, 2), 0.5)
    p[of < 5] = (0.999, 0.001)
    found = pick(cluster_margin, pool_of(vectors, {}, p), 3)
    assert {*of[found]} == {5, 6, 7}


def test_random_draws_every_open_row_alike() -> None:
    pool = pool_of(groups(2, 10)[0], {0: 0})
    drawn = np.bincount(np.concatenate([random(pool, 5, rng(seed)) for seed in range(400)]), minlength=20)
    assert drawn[0] == 0
    assert (np.abs(drawn[1:] / 400 - 5 / 19) < 0.1).all()


@ALL
@pytest.mark.parametrize("known", [False, True], ids=["from nothing", "after some labels"])
def test_no_row_is_labelled_repeated_or_as_good_as_another(name: str, known: bool) -> None:
    vectors, of = groups(6, 30, spread=0.2)
    twins = vectors + 0.005 * rng().normal(size=vectors.shape).astype(np.float32)
    twins /= np.linalg.norm(twins, axis=1, keepdims=True)
    vectors = np.concatenate([vectors, vectors, twins])  # every row three times
    of = np.tile(of, 3)
    labelled = {i: int(of[i]) for i in range(25)} if known else {}
    p = drawn_probabilities(len(vectors), 6) if known else None
    pool = pool_of(vectors, labelled, p)

    found = pick(STRATEGIES[name].choose, pool, 40)

    assert len({*found.tolist()}) == 40
    assert not {*found.tolist()} & labelled.keys()
    cosines = vectors[found] @ vectors[found].T
    assert cosines[~np.eye(40, dtype=bool)].max() <= NEAR
    if known:
        assert (vectors[found] @ vectors[list(labelled)].T).max() <= NEAR


@ALL
def test_the_same_seed_chooses_the_same_rows_and_a_new_one_others(name: str) -> None:
    vectors, _ = groups(20, 200, spread=0.4)
    pool = pool_of(vectors, {i: i % 7 for i in range(40)}, drawn_probabilities(4000, 7))
    first = pick(STRATEGIES[name].choose, pool, 30, seed=5)
    assert pick(STRATEGIES[name].choose, pool, 30, seed=5).tolist() == first.tolist()
    if name not in ("margin", "coverage", "facility-location"):  # they draw nothing of few rows
        assert pick(STRATEGIES[name].choose, pool, 30, seed=6).tolist() != first.tolist()


@ALL
def test_all_that_is_left_is_returned_where_more_is_wanted(name: str) -> None:
    vectors, _ = groups(4, 6, spread=0.5)
    vectors[5] = vectors[0]
    pool = pool_of(vectors, {0: 0, 1: 1}, drawn_probabilities(24, 2))
    found = pick(STRATEGIES[name].choose, pool, 100)
    rest = [i for i in range(2, 24) if i not in found]
    assert found[-1] == 5  # a near-duplicate of a labelled row
    assert (nearest_cosine(vectors[rest], vectors[found]) > near_duplicate_cosine(vectors)).all()


@ALL
def test_nothing_known_and_nothing_to_tell_apart_is_no_error(name: str) -> None:
    vectors, _ = groups(3, 10)
    for p in (np.zeros((30, 0)), np.ones((30, 1)), np.full((30, 3), 1 / 3)):
        assert len(pick(STRATEGIES[name].choose, pool_of(vectors, {}, p), 3)) == 3
    certain = np.eye(3)[np.zeros(30, int)]
    assert len(pick(STRATEGIES[name].choose, pool_of(vectors, {}, certain), 3)) == 3
    alike = np.tile(vectors[:1], (30, 1))
    assert len(pick(STRATEGIES[name].choose, pool_of(alike), 3)) == 1
    assert len(pick(STRATEGIES[name].choose, pool_of(vectors, dict.fromkeys(range(30), 0)), 3)) == 0


@ALL
def test_memory_does_not_grow_with_the_square_of_the_rows(name: str) -> None:
    vectors, of = groups(50, 600, width=8, spread=0.6)
    pool = pool_of(vectors, {i: int(of[i]) for i in range(100)}, drawn_probabilities(30_000, 50))
    tracemalloc.start()
    try:
        found = pick(STRATEGIES[name].choose, pool, 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == 20
    assert peak < 150e6  # a matrix of all pairs takes 900 million bytes at one each


def test_an_encoder_whose_vectors_are_all_alike_still_has_texts_that_differ() -> None:
    vectors, _ = groups(5, 20)
    offset = vectors + 8 * np.eye(1, 16, dtype=np.float32)
    alike = offset / np.linalg.norm(offset, axis=1, keepdims=True)
    assert (alike @ alike.T).min() > NEAR
    assert 0.99 < near_duplicate_cosine(alike) < 1
    assert len(pick(typical, pool_of(alike), 5)) == 5
    assert near_duplicate_cosine(vectors) == pytest.approx(NEAR)


def test_pick_keeps_a_strategy_of_another_package_from_proposing_what_it_must_not() -> None:
    vectors, _ = groups(4, 10)
    pool = pool_of(vectors, {0: 0, 5: 1})

    def careless(pool: Pool, n: int, rng: np.random.Generator) -> Any:
        return np.concatenate([[0, 0, 5, 7, 7], pool.candidates])

    found = pick(careless, pool, 6)
    assert len({*found.tolist()}) == len(found)
    assert not {0, 5} & {*found.tolist()}
    assert len(pick(lambda pool, n, rng: np.array([0, 5]), pool, 3)) == 0


def test_the_registry_takes_functions_and_strategies_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def newest(pool: Pool, n: int, rng: np.random.Generator) -> Any:
        """Take the last rows."""
        return pool.candidates[-n:]

    offered = {"newest": lambda: newest, "mine": lambda: Strategy(newest, "mine"), "number": lambda: 3}
    monkeypatch.setattr("ganbert.plugins.found", lambda group: offered if group == "ganbert.strategies" else {})
    entry_points_found.cache_clear()
    assert STRATEGIES["newest"].says == "Take the last rows"
    assert STRATEGIES["mine"].says == "mine"
    with pytest.raises(InputError, match=r"ganbert\.strategies number: 3 is neither"):
        STRATEGIES["number"]
    for name in ("newest", "mine"):
        STRATEGIES._loaded.pop(name)


@ALL
def test_every_strategy_says_what_it_does_and_all_but_chance_where_it_is_from(name: str) -> None:
    strategy = STRATEGIES[name]
    assert strategy.says
    assert bool(strategy.paper) == (name != "random")


def test_facility_location_serves_uncertain_rows_first() -> None:
    vectors, _ = groups(6, 20, spread=0.3)
    p = drawn_probabilities(len(vectors), 4)
    pool, n = pool_of(vectors, {7: 0, 90: 1}, p), 8
    weights = 1 - np.diff(np.sort(p, axis=1)[:, -2:], axis=1)[:, 0]
    cosines = (vectors @ vectors.T).clip(0)

    def served(rows: list[int]) -> float:
        return float(weights @ cosines[rows].max(axis=0))

    expected: list[int] = []
    for _ in range(n):
        rest = [row for row in range(len(vectors)) if row not in (7, 90, *expected)]
        expected.append(max(rest, key=lambda row: served([7, 90, *expected, row])))
    assert facility_location(pool, n, rng()).tolist() == expected


def test_facility_location_without_any_class_stands_for_the_whole_pile() -> None:
    vectors, of = groups(6, 20, spread=0.1)
    assert sorted(of[facility_location(pool_of(vectors), 6, rng())]) == list(range(6))


def test_auto_is_one_of_them_and_a_wrong_name_lists_them() -> None:
    assert strategy_named("auto") is STRATEGIES[AUTO]
    with pytest.raises(InputError, match="no strategy 'margins': choose one of auto, random, facility-location"):
        strategy_named("margins")


@pytest.mark.parametrize("name", ["typical", "coverage", "cluster-margin"])
def test_clusters_of_repeated_rows_do_not_warn(name: str) -> None:
    vectors = np.repeat(groups(1, 3, spread=0.5)[0], 20, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(pick(STRATEGIES[name].choose, pool_of(vectors), 10)) == 3
