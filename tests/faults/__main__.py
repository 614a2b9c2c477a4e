"""Every write, fsync, rename and commit of a command, killed or failing in turn, and the same command again.

    python -m tests.faults [SCENARIO ...] [--how kill torn once full] [--at N ...] [--every N] [--seed S --cases N]

Afterwards the same files with the same bits must be there, MLflow must have each run once and none RUNNING, and no
temporary file may stay; the command that met a fault must have said so in a sentence.
"""

import argparse
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.cases import HOW, Bench, Case
from tests.faults.scenarios import SCENARIOS


def main() -> None:
    """Try the cases; exit status 1 if one broke a promise."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS), metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--how", nargs="+", default=list(HOW), choices=HOW)
    parser.add_argument("--at", nargs="+", type=int, help="these calls only, to replay a case")
    parser.add_argument("--every", type=int, default=1, help="every n-th call")
    parser.add_argument("--cases", type=int, help="so many, drawn at random from all")
    parser.add_argument("--seed", type=int, default=None, help="of the draw")
    parser.add_argument("--jobs", type=int, default=2, help="at once")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    n_wrong = n_done = 0
    with tempfile.TemporaryDirectory(prefix="faults-") as name, Bench(Path(name), options.jobs) as bench:
        for scenario in options.scenarios:
            n_calls = bench.prepare(scenario)
            places = options.at or range(1, n_calls + 1, options.every)
            cases = [Case(scenario, how, at) for how in options.how for at in places]
            if options.cases:
                cases = random.Random(f"{seed} {scenario}").sample(cases, min(options.cases, len(cases)))
            print(f"{scenario}: {n_calls} calls, {len(cases)} cases" + (f", seed {seed}" if options.cases else ""))
            with ThreadPoolExecutor(options.jobs) as pool:
                for case, wrong in zip(cases, pool.map(bench.try_case, cases), strict=True):
                    n_done += 1
                    if wrong:
                        n_wrong += 1
                        print(f"{case}:", *wrong, sep="\n    ", flush=True)
    print(f"{n_done} cases, {n_wrong} broke a promise")
    sys.exit(int(n_wrong > 0))


if __name__ == "__main__":
    main()
