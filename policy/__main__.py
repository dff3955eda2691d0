"""Holds an environment against the policy: our rules, and checkov's own checks.

    python -m policy [FILE] [--weakenings] [--docs]

Exit status: 0 if all holds; 1 if something does not, or if nothing was looked at; 2 if it
could not be found out.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from config import ConfigError
from config.loading.load import CONFIG_VARIABLE
from config.paths import ROOT
from policy import docs, skips, weakening
from policy.checkov.report import PYTHON, Scan, scan
from policy.rule import Verdict, judge, load
from policy.synthesis import synthesize
from policy.weakening import WeakensNothingError

HARDENED = ROOT / "examples" / "hardened.yaml"
UNWEAKENED = ""


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="policy", description="Holds an environment against the policy.")
    parser.add_argument("file", nargs="?", type=Path, default=HARDENED, help=f"as {CONFIG_VARIABLE} would name it")
    parser.add_argument("--weakenings", action="store_true", help="also weaken it, one thing at a time")
    parser.add_argument("--docs", action="store_true", help="and write the tables of docs/policy.md anew")
    options = parser.parse_args(arguments)
    if not PYTHON.exists():
        print("policy: checkov is not installed: run `make policy`", file=sys.stderr)
        return 2
    try:
        wrong = examine(options.file, weaken=options.weakenings, write=options.docs)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (RuntimeError, WeakensNothingError) as error:
        print(f"policy: {error}", file=sys.stderr)
        return 2
    return 1 if wrong else 0


def examine(config: Path, *, weaken: bool, write: bool) -> int:
    """Hold a configuration against the policy, say what is wrong, and return how much.

    Raises:
        ConfigError: the configuration can't be used.
        RuntimeError: it could not be synthesized, or checkov could not be run.
        WeakensNothingError: it is not hardened, so that it can't be weakened.
    """
    environment = synthesize(config)
    verdict = judge(environment, load().values())
    wrong = report_ours(verdict)
    cases = {UNWEAKENED: environment}
    weakenings = weakening.read() if weaken else []
    for one in weakenings:
        cases[one.name] = list(one.applied(environment))[-1]
    with tempfile.TemporaryDirectory(prefix="mesh-policy-") as folder:
        print(f"policy: checkov looks at {len(cases)} environment(s)", file=sys.stderr, flush=True)
        scans = scan(cases, Path(folder))
    unweakened = scans.pop(UNWEAKENED)
    wrong += report_checkov(unweakened, verdict, all_skips_used=config == HARDENED)
    if weakenings:
        table = docs.weakenings_table(weakenings, cases, scans, unweakened, skips.read())
        wrong += report_weakenings(table)
        if write:
            docs.write(table)
    return wrong


def report_ours(verdict: Verdict) -> int:
    """Print what our rules say; return how much is wrong."""
    print(f"our rules: {len(verdict.passed)} passed, {len(verdict.failed)} failed")
    for rule, place in verdict.failed:
        print(f"  {rule.id}  {rule.title}: not so at {place}; why it should be: {rule.file}")
    for silent in verdict.silent:
        print(f"  {silent}  found nothing that it is about")
    return len(verdict.failed) + len(verdict.silent) + (not verdict.passed)


def report_checkov(result: Scan, verdict: Verdict, *, all_skips_used: bool) -> int:
    """Print what checkov says; return how much is wrong.

    Args:
        all_skips_used: every skip has to cover something: of another file some may have nothing to cover.
    """
    known = skips.read()
    failed, idle = result.after(known), result.idle(known) if all_skips_used else []
    skipped = len(result.failed) - len(failed)
    print(f"checkov's checks: {len(result.passed)} passed, {len(failed)} failed, {skipped} skipped with a reason")
    for one in failed:
        print(f"  {one.check}  {one.title}: not so at {one.place}")
    for skip in idle:
        print(f"  {skip.check}  is skipped at {skip.where}, where nothing fails: take it out of {skips.FILE.name}")
    for file in result.unreadable:
        print(f"  checkov can't read {file}")
    differs = result.unlike(verdict)
    if differs:
        print(f"  {differs}")
    return len(failed) + len(idle) + len(result.unreadable) + bool(differs) + (not result.passed)


def report_weakenings(table: Sequence[docs.Row]) -> int:
    """Print who caught what; return how many weakenings our rules missed."""
    width = max(len(row.weakening.name) for row in table)
    for row in table:
        print(f"  {row.weakening.name:{width}}  {', '.join(row.ours) or 'MISSED':50}  {', '.join(row.checkov) or '-'}")
    missed = [row for row in table if not set(row.weakening.found_by) <= set(row.ours)]
    for row in missed:
        print(f"  not found by {', '.join(row.weakening.found_by)}: {row.weakening.name}")
    counts = Counter((row.weakening.listed, bool(row.checkov)) for row in table)
    listed = counts[True, True] + counts[True, False]
    print(
        f"weakenings: our rules caught {len(table) - len(missed)} of {len(table)}; checkov's own checks "
        f"{counts[True, True]} of the {listed} listed, and {counts[False, True]} of {len(table) - listed} others"
    )
    return len(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
