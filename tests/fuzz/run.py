"""A run of the fuzzer: files are generated, read, and held against the oracle."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
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


FILES_PER_PROCESS = 200
"""Files after which a new process goes on: the kernel of jsii keeps every construct, and has 4 GB."""


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        accepted: whether it was.
        seconds: of processor time that reading it took.
        findings: what is wrong.
    """

    accepted: bool
    seconds: float
    findings: list[str]


def try_file(text: str, validate: bool) -> Outcome:
    """Read a file, and hold it against the oracle if it is accepted.

    Args:
        text: of the file.
        validate: hold it against the real providers, too.
    """
    started = time.process_time()
    environment, found = oracle.read(text)
    seconds = time.process_time() - started
    if environment is not None:
        found += oracle.check(environment, yaml.safe_load(text), validate)
    return Outcome(environment is not None, seconds, found)


def files_for(seconds: float, seed: int) -> Iterator[str]:
    """Yield files until the time is over, from the sequence of a seed."""
    generator = Generator(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield generator.file()


def run(files: Iterable[str], validate_every: int = 0) -> Result:
    """Try files.

    Args:
        files: of configurations.
        validate_every: hold each such accepted file against the real providers; 0 for none.
    """
    result = Result()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=FILES_PER_PROCESS) as process:
        for text in files:
            validate = bool(validate_every) and result.counts["accepted"] % validate_every == 0
            outcome = process.submit(try_file, text, validate).result()
            result.slowest = max(result.slowest, outcome.seconds)
            result.counts["accepted" if outcome.accepted else "refused"] += 1
            result.counts["validated"] += outcome.accepted and validate
            for one in outcome.findings:
                result.findings.setdefault(one, text)
    return result
