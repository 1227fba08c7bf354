"""Heuristic searches beside the exact one: evolution as once-for-all runs it, and annealing.

A genome is what once-for-all mutates: for every stage its depth, and an option for every block
there could be, used or not. Both searches evaluate through the same tables as the exact one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpc.search.costs.tables import CostTables, Matrix
from fpc.search.space.choices import ABSENT, StageChoices

Genome = NDArray[np.intp]

POPULATION = 100
GENERATIONS = 500
MUTATION_PROBABILITY = 0.1
PARENTS = 25
MUTANTS = 50
"""Once-for-all's `EvolutionFinder` defaults (Cai et al. 2020, published code)."""
CHAINS = 10
"""Of the annealing."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Maximise the score within the budget, at one setting without choices of channels."""

    choices: Sequence[StageChoices]
    tables: CostTables
    scores: Sequence[Matrix]

    @property
    def deepest(self) -> int:
        """Blocks that a stage may have."""
        return self.choices[0].blocks.shape[1]

    def drawn(self, count: int, random: np.random.Generator) -> Genome:
        """[count, stages, 1 + deepest]: a depth and options, evenly drawn."""
        parts = [
            np.concatenate(
                [
                    random.choice(stage.stage.depths, (count, 1)),
                    random.integers(len(stage.stage.options), size=(count, self.deepest)),
                ],
                axis=1,
            )
            for stage in self.choices
        ]
        return np.stack(parts, axis=1)

    def evaluated(self, genomes: Genome) -> tuple[Matrix, Matrix]:
        """Latency and score of each, [genomes]."""
        latency = np.full(len(genomes), self.tables.stem + next(iter(self.tables.head.values())))
        score = np.zeros(len(genomes))
        for number, (table, added) in enumerate(zip(self.tables.stages, self.scores, strict=True)):
            places = self._places(genomes[:, number])
            latency += next(iter(table.values()))[places]
            score += added[places]
        return latency, score

    def _places(self, genes: Genome) -> Genome:
        depth, first, others = genes[:, 0], genes[:, 1], genes[:, 2:].copy()
        # What is not there sorts last.
        absent = len(self.choices[0].stage.options)
        others[np.arange(1, self.deepest) >= depth[:, None]] = absent
        others.sort(axis=1)
        return self._index[(first, *others.T)]

    @cached_property
    def _index(self) -> Genome:
        options = len(self.choices[0].stage.options)
        found = np.full((options, *(options + 1,) * (self.deepest - 1)), ABSENT)
        blocks = self.choices[0].blocks
        others = np.where(blocks[:, 1:] == ABSENT, options, blocks[:, 1:])
        found[(blocks[:, 0], *others.T)] = np.arange(len(blocks))
        return found


def evolution(problem: Problem, budget_ms: float, seed: int) -> float:
    """The best score that once-for-all's evolutionary search finds with its defaults."""
    random = np.random.default_rng(seed)
    population = _valid(problem, budget_ms, lambda count: problem.drawn(count, random), POPULATION)
    for _ in range(GENERATIONS):
        parents = population[np.argsort(-problem.evaluated(population)[1])[:PARENTS]]

        def mutants(count: int, parents: Genome = parents) -> Genome:
            return _mutated(problem, parents[random.integers(PARENTS, size=count)], random)

        def crossed(count: int, parents: Genome = parents) -> Genome:
            pairs = parents[random.integers(PARENTS, size=(2, count))]
            return np.where(random.random(pairs[0].shape) < 0.5, *pairs)

        population = np.concatenate(
            [
                parents,
                _valid(problem, budget_ms, mutants, MUTANTS),
                _valid(problem, budget_ms, crossed, POPULATION - MUTANTS),
            ]
        )
    return float(problem.evaluated(population)[1].max())


def annealing(problem: Problem, budget_ms: float, seed: int) -> float:
    """The best score of simulated annealing with as many evaluations as the evolution.

    One gene changes a step; ten chains cool geometrically, from a temperature at which nearly
    every step is taken. A network beyond the budget pays for it.
    """
    random = np.random.default_rng(seed)
    chains = problem.drawn(CHAINS, random)
    rows = np.arange(CHAINS)

    def energy(genomes: Genome) -> tuple[Matrix, Matrix]:
        latency, score = problem.evaluated(genomes)
        over = np.maximum(0.0, latency / budget_ms - 1.0)
        return 10.0 * over - score, np.where(over > 0.0, -np.inf, score)

    now, scores = energy(chains)
    best = scores.max()
    for temperature in np.geomspace(0.3, 1e-4, POPULATION * GENERATIONS // CHAINS):
        stages = random.integers(len(problem.choices), size=CHAINS)
        genes = random.integers(1 + problem.deepest, size=CHAINS)
        moved = chains.copy()
        moved[rows, stages, genes] = problem.drawn(CHAINS, random)[rows, stages, genes]
        then, scores = energy(moved)
        best = max(best, scores.max())
        taken = random.random(CHAINS) < np.exp(np.minimum(0.0, (now - then) / temperature))
        chains[taken], now[taken] = moved[taken], then[taken]
    return float(best)


def _mutated(problem: Problem, genomes: Genome, random: np.random.Generator) -> Genome:
    fresh = problem.drawn(len(genomes), random)
    return np.where(random.random(genomes.shape) < MUTATION_PROBABILITY, fresh, genomes)


def _valid(problem: Problem, budget_ms: float, draw: Callable[[int], Genome], count: int) -> Genome:
    """`count` of what `draw` gives that keep the budget."""
    found: list[Genome] = []
    missing = count
    while missing > 0:
        genomes = draw(4 * count)
        kept = genomes[problem.evaluated(genomes)[0] <= budget_ms][:missing]
        found.append(kept)
        missing -= len(kept)
    return np.concatenate(found)
