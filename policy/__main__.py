"""Checks environments against the policy: the rules of this project, and checkov's checks.

    python -m policy [FILE] [--docs]

Without a file, all examples are checked, as they are and with each mutation.

Exit status: 0 if everything passes; 1 if something fails, or if nothing was checked; 2 if the checks could not be run.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from config import ConfigError, Environment
from config import load as read_config
from config.paths import ROOT
from config.temporary_folder import own_temporary_folder
from policy import docs, mutation, skips
from policy.checkov.report import PROCESSES, PYTHON, CheckovScan, scan
from policy.claims import Node, leaves
from policy.generated import Generated, generate
from policy.mutation import IneffectiveMutationError
from policy.overrides import chosen, credentials
from policy.rule import RULES, claimed, evaluate
from policy.rules.pods import workloads
from policy.scripts import unreviewed
from policy.synthesis import Stacks, synthesize

_FORMS = ("*.yaml", "*/mesh.yaml")
EXAMPLES = (ROOT / "mesh.yaml", *(one for form in _FORMS for one in sorted(mutation.EXAMPLES.glob(form))))


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="policy", description="Check environments against the policy.")
    parser.add_argument("file", nargs="?", type=Path, help="check this configuration only, and without mutations")
    parser.add_argument("--docs", action="store_true", help="also update the tables of docs/policy.md")
    options = parser.parse_args(arguments)
    if not PYTHON.exists():
        print("policy: checkov is not installed: run `make policy`", file=sys.stderr)
        return 2
    try:
        failures = check([options.file] if options.file else EXAMPLES, mutate=not options.file, write=options.docs)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (RuntimeError, IneffectiveMutationError) as error:
        print(f"policy: {error}", file=sys.stderr)
        return 2
    return 1 if failures else 0


def check(files: Sequence[Path], *, mutate: bool, write: bool) -> int:
    """Check configurations against the policy, print the results, and return the number of failures.

    Args:
        files: the configuration files.
        mutate: also check that the rules find every mutation.
        write: with ``mutate``, update docs/policy.md.

    Raises:
        ConfigError: A configuration is invalid.
        RuntimeError: The synthesis or checkov failed.
        IneffectiveMutationError: A mutation does not change the hardened example.
    """
    configurations = {file: read_config(file) for file in files}  # reports errors at once, without a synthesis
    with ThreadPoolExecutor(PROCESSES) as pool:
        synthesized = dict(zip(files, pool.map(synthesize, files), strict=True))
    claims = {file: claimed(one) for file, one in configurations.items()}
    failures = report_scripts()
    for file in files:
        failures += report_rules(str(file), configurations[file], claims[file], synthesized[file])
    with tempfile.TemporaryDirectory() as folder:
        named = {str(file): stacks for file, stacks in synthesized.items()}
        roles = {str(file): {str(one.path[3]): one.role for one in workloads(configurations[file])} for file in files}
        failures += report_checkov(scan(named, roles, Path(folder)), all_skips_used=mutate)
    if mutate:
        failures += report_listed({file.stem: (claims[file], synthesized[file]) for file in files})
        every = [one for file in files for one in generate(claims[file], synthesized[file])]
        failures += report_generated(every)
        if write:
            docs.write(every)
    return failures


def report_scripts() -> int:
    """Print which scripts are not as reviewed; return how many."""
    for one in (found := unreviewed()):
        print(f"  {one}")
    return len(found)


def report_rules(name: str, configuration: Environment, claims: Mapping[str, Node], stacks: Stacks) -> int:
    """Print what the rules find in an environment; return the number of failures.

    What the configuration chooses is reported, and is no failure.
    """
    found, secrets, overrides = evaluate(claims, stacks), credentials(configuration), chosen(configuration)
    paths = sum(1 for _ in leaves(dict(claims)))
    print(f"{name}: {paths} paths claimed, {len(found)} findings, {len(overrides)} overrides in the configuration")
    for finding in found:
        print(f"  {finding}")
    for one in overrides:
        print(f"  {one.rule}  overridden by {one.key}; security trade-off: docs/security.md")
    for secret in secrets:
        print(f"  MESH_NO_CREDENTIALS  {secret}")
    return len(found) + len(secrets)


def report_checkov(scans: Mapping[str, CheckovScan], *, all_skips_used: bool) -> int:
    """Print checkov's results; return the number of failures.

    Args:
        scans: by environment.
        all_skips_used: a skip that covers nothing in any environment is a failure.
    """
    known, failures = skips.read(), 0
    for name, found in scans.items():
        failed = found.unskipped(known)
        skipped = len(found.failed) - len(failed)
        print(f"{name}: checkov: {len(found.passed)} passed, {len(failed)} failed, {skipped} skipped with a reason")
        for one in failed:
            print(f'  {one.check}  {one.where}: violates "{one.title}"')
        for file in found.unreadable:
            print(f"  checkov can't read {file}")
        failures += len(failed) + len(found.unreadable) + (not found.passed)
    unused = [skip for skip in known if all(skip in found.unused(known) for found in scans.values())]
    for skip in unused if all_skips_used else []:
        print(f"  {skip.check}  unused skip of {', '.join(skip.of)}: remove it from {skips.FILE.name}")
    return failures + (len(unused) if all_skips_used else 0)


def report_listed(examples: Mapping[str, tuple[Mapping[str, Node], Stacks]]) -> int:
    """Print what finds each listed mutation; return how many the rules miss.

    Args:
        examples: the claims and the JSON of each, by name.
    """
    missed = 0
    mutations = mutation.read()
    width = max(len(one.name) for one in mutations)
    for one in mutations:
        claims, stacks = examples[one.example]
        found = [{finding.found_by for finding in evaluate(claims, mutated)} for mutated in one.applied(stacks)]
        missed += not all(found)
        print(f"  {one.name:{width}}  {', '.join(sorted(found[-1])) if all(found) else 'MISSED'}")
    print(f"listed mutations: {len(mutations) - missed} of {len(mutations)} found")
    return missed


def report_generated(mutations: Sequence[Generated]) -> int:
    """Print how many generated mutations each rule finds, and those that none does; return the number of these."""
    by_rule = Counter(rule for one in mutations for rule in one.found_by)
    for rule in sorted({*RULES, *by_rule}):
        print(f"  {rule:30} {by_rule[rule]}")
    survivors = [one for one in mutations if not one.found_by]
    for one in survivors:
        print(f"  MISSED  {one}")
    print(f"generated mutations: {len(mutations) - len(survivors)} of {len(mutations)} found")
    return len(survivors) + (not mutations)


if __name__ == "__main__":
    with own_temporary_folder():
        status = main(sys.argv[1:])
    sys.exit(status)
