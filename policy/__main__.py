"""Checks an environment against the policy: our rules, and checkov's own checks.

    python -m policy [FILE] [--mutations] [--docs]

Exit status: 0 if everything passes; 1 if something fails, or if nothing was checked; 2 if the
checks could not be run.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from config import ConfigError, Environment
from config import load as read_config
from config.paths import ROOT
from policy import docs, mutation, overrides, skips
from policy.checkov.report import PYTHON, CheckovScan, scan
from policy.mutation import IneffectiveMutationError
from policy.rule import PolicyResult, evaluate, load
from policy.synthesis import synthesize

HARDENED = ROOT / "examples" / "hardened.yaml"
BASELINE = ""
"""The name of the environment without a mutation."""


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="policy", description="Check an environment against the policy.")
    parser.add_argument("file", nargs="?", type=Path, default=HARDENED, help="read the configuration from this file")
    parser.add_argument("--mutations", action="store_true", help="also check each mutation of the environment")
    parser.add_argument("--docs", action="store_true", help="also update the tables of docs/policy.md")
    options = parser.parse_args(arguments)
    if not PYTHON.exists():
        print("policy: checkov is not installed: run `make policy`", file=sys.stderr)
        return 2
    try:
        failures = check(options.file, mutate=options.mutations, write=options.docs)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (RuntimeError, IneffectiveMutationError) as error:
        print(f"policy: {error}", file=sys.stderr)
        return 2
    return 1 if failures else 0


def check(config: Path, *, mutate: bool, write: bool) -> int:
    """Check a configuration against the policy, print the results, and return the number of failures.

    Args:
        config: the configuration file.
        mutate: also check that our rules find every mutation.
        write: with ``mutate``, update docs/policy.md.

    Raises:
        ConfigError: The configuration is invalid.
        RuntimeError: The synthesis or checkov failed.
        IneffectiveMutationError: A mutation does not change this configuration: it is not hardened.
    """
    configuration = read_config(config)  # reports errors of the file at once, without a synthesis
    environment = synthesize(config)
    result = evaluate(environment, load().values())
    failures = report_rules(result, configuration, all_rules_apply=config == HARDENED)
    environments = {BASELINE: environment}
    mutations = mutation.read() if mutate else []
    for one in mutations:
        environments[one.name] = list(one.applied(environment))[-1]
    with tempfile.TemporaryDirectory(prefix="mesh-policy-") as folder:
        print(f"policy: running checkov, environments: {len(environments)}", file=sys.stderr, flush=True)
        scans = scan(environments, Path(folder))
    baseline = scans.pop(BASELINE)
    failures += report_checkov(baseline, result, all_skips_used=config == HARDENED)
    if mutations:
        table = docs.mutations_table(mutations, environments, scans, baseline, skips.read())
        failures += report_mutations(table)
        if write:
            docs.write(table)
    return failures


def report_rules(result: PolicyResult, configuration: Environment, *, all_rules_apply: bool) -> int:
    """Print the results of our rules; return the number of failures.

    Args:
        result: of our rules.
        configuration: the environment's configuration. What it chooses is reported, and is no failure.
        all_rules_apply: a rule that applies to nothing is a failure. Only the hardened example has something for
            every rule.
    """
    failed, chosen = overrides.split(result, configuration)
    counts = f"{len(result.passed)} passed, {len(failed)} failed, {len(chosen)} overridden by the configuration"
    print(f"rules of this project: {counts}")
    for rule, entity in failed:
        print(f'  {rule.id}  {entity}: violates "{rule.title}"; rationale: {rule.file}')
    for name, key in chosen.items():
        print(f"  {name}  overridden by {key}; security trade-off: docs/security.md")
    unmatched = result.unmatched if all_rules_apply else []
    for one in unmatched:
        print(f"  {one}  applies to no resource of this environment")
    return len(failed) + len(unmatched) + (not result.passed)


def report_checkov(found: CheckovScan, result: PolicyResult, *, all_skips_used: bool) -> int:
    """Print checkov's results; return the number of failures.

    Args:
        found: checkov's results.
        result: the results of our rules without checkov.
        all_skips_used: a skip that covers nothing is a failure. Only the hardened example needs every skip.
    """
    known = skips.read()
    failed, unused = found.unskipped(known), found.unused(known) if all_skips_used else []
    skipped = len(found.failed) - len(failed)
    print(f"checks of checkov: {len(found.passed)} passed, {len(failed)} failed, {skipped} skipped with a reason")
    for one in failed:
        print(f'  {one.check}  {one.where}: violates "{one.title}"')
    for skip in unused:
        print(f"  {skip.check}  unused skip at {skip.where}: remove it from {skips.FILE.name}")
    for file in found.unreadable:
        print(f"  checkov can't read {file}")
    mismatch = found.count_mismatch(result)
    if mismatch:
        print(f"  {mismatch}")
    return len(failed) + len(unused) + len(found.unreadable) + bool(mismatch) + (not found.passed)


def report_mutations(table: Sequence[docs.MutationRow]) -> int:
    """Print what found each mutation; return how many mutations our rules missed."""
    width = max(len(row.mutation.name) for row in table)
    for row in table:
        print(f"  {row.mutation.name:{width}}  {', '.join(row.rules) or 'MISSED':50}  {', '.join(row.checks) or '-'}")
    missed = [row for row in table if not set(row.mutation.found_by) <= set(row.rules)]
    for row in missed:
        print(f"  {row.mutation.name}: not found by {', '.join(row.mutation.found_by)}")
    counts = Counter((row.mutation.listed, bool(row.checks)) for row in table)
    listed = counts[True, True] + counts[True, False]
    print(
        f"mutations: rules of this project found {len(table) - len(missed)} of {len(table)}; checks of checkov found "
        f"{counts[True, True]} of the {listed} listed, and {counts[False, True]} of {len(table) - listed} others"
    )
    return len(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
