"""``python -m tests.fuzz --seconds 3600 --seed 1 [--validate-every 20]``: the count of files, and what was found."""

import argparse
import sys

from tests.fuzz.run import files_for, run


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.fuzz", description="Try configuration files that are generated.")
    parser.add_argument("--seed", type=int, default=1, metavar="NUMBER")
    parser.add_argument("--seconds", type=float, default=60, metavar="NUMBER")
    parser.add_argument("--validate-every", type=int, default=0, metavar="NUMBER", help="terraform validate of each")
    options = parser.parse_args()
    result = run(files_for(options.seconds, options.seed), options.validate_every)
    for finding, text in result.findings.items():
        print(f"--- {finding}\n{text}")
    counts = ", ".join(f"{count} {name}" for name, count in sorted(result.counts.items()))
    print(f"seed {options.seed}: {counts}; slowest file {result.slowest:.2f} s; {len(result.findings)} findings")
    return 1 if result.findings else 0


if __name__ == "__main__":
    sys.exit(main())
