"""``python -m tests.fuzz --seconds 3600 --seed 1 [--validate-every 20]``: the count of files, and what was found."""

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import yaml

from tests.fuzz import oracle
from tests.fuzz.generator import Generator


@dataclass
class Result:
    """What a run has seen.

    Attributes:
        counts: files by what became of them.
        slowest: most seconds of processor time that one file took to read.
        findings: what is wrong, each once, with the file that shows it.
    """

    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0
    findings: dict[str, str] = field(default_factory=dict)


def run(seed: int, seconds: float, validate_every: int = 0) -> Result:
    """Try files for a time.

    Args:
        seed: of the sequence of files.
        seconds: how long.
        validate_every: hold each such accepted file against the real providers; 0 for none.
    """
    result, generator = Result(), Generator(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        text = generator.file()
        started = time.process_time()
        environment, found = oracle.read(text)
        result.slowest = max(result.slowest, time.process_time() - started)
        if environment is None:
            result.counts["refused"] += 1
        else:
            result.counts["accepted"] += 1
            validate = bool(validate_every) and result.counts["accepted"] % validate_every == 1
            result.counts["validated"] += validate
            found += oracle.check(environment, yaml.safe_load(text), validate)
        for one in found:
            if one not in result.findings:
                result.findings[one] = text
    return result


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.fuzz", description="Try configuration files that are generated.")
    parser.add_argument("--seed", type=int, default=1, metavar="NUMBER")
    parser.add_argument("--seconds", type=float, default=60, metavar="NUMBER")
    parser.add_argument("--validate-every", type=int, default=0, metavar="NUMBER", help="terraform validate of each")
    options = parser.parse_args()
    result = run(options.seed, options.seconds, options.validate_every)
    for finding, text in result.findings.items():
        print(f"--- {finding}\n{text}")
    counts = ", ".join(f"{count} {name}" for name, count in sorted(result.counts.items()))
    print(f"seed {options.seed}: {counts}; slowest file {result.slowest:.2f} s; {len(result.findings)} findings")
    return 1 if result.findings else 0


if __name__ == "__main__":
    sys.exit(main())
