"""Every file is accepted or refused in less than a second, and what isn't shown isn't computed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from config import ConfigError, load, problems
from config.loading import strict_yaml
from config.loading.load import LONGEST
from config.paths import ROOT
from config.problems import MOST_SHOWN, Suggestion
from tests.config.large_files import REGIONS, SERVICES, WRONG_FILES, configuration

LIMIT_SECONDS = 1


def assert_fast(read: Callable[[], object]) -> None:
    """Fail beyond the limit, in processor time: the least of three attempts, as other processes share the caches."""
    used: list[float] = []
    while len(used) < 3 and (not used or min(used) >= LIMIT_SECONDS):
        started = time.process_time()
        read()
        used.append(time.process_time() - started)
    assert min(used) < LIMIT_SECONDS


def refusal_of(file: Path) -> ConfigError:
    """Return the error of a file, which has to be refused fast."""
    errors: list[ConfigError] = []

    def read() -> None:
        with pytest.raises(ConfigError) as caught:
            load(file, {})
        errors.append(caught.value)

    assert_fast(read)
    return errors[-1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mesh.yaml"


@pytest.mark.parametrize(
    ("services", "regions", "each"), [(SERVICES, 2, True), (SERVICES, REGIONS, False), (SERVICES, REGIONS, True)]
)
def test_the_documented_limits_fit_into_one_file(services: int, regions: int, each: bool, file: Path) -> None:
    file.write_text(configuration(services, regions, each), encoding="utf-8")
    assert file.stat().st_size < LONGEST
    assert_fast(lambda: load(file, {}))
    environment = load(file, {})
    assert (len(environment.services), len(environment.regions)) == (services, regions)


def many_versions(regional: str, services: int = SERVICES) -> str:
    """Return a configuration with 20 versions of each service in 64 regions."""
    versions = ", ".join(f"v{number}: 5" for number in range(20))
    service = f"    port: 8080\n    versions: {{{versions}}}\n    regions: {{{regional}}}\n"
    text = configuration(services, REGIONS, cluster=", machine_type: e2-standard-32")
    return text.replace("    replicas: 3\n", "    replicas: 1\n").replace("    port: 8080\n", service)


def test_many_versions_of_every_service(file: Path) -> None:
    file.write_text(many_versions(""), encoding="utf-8")
    assert_fast(lambda: load(file, {}))


def test_many_versions_with_other_numbers_of_pods_in_every_region(file: Path) -> None:
    regional = ", ".join(f"region-{number}: {{replicas: {number + 1}}}" for number in range(REGIONS))
    file.write_text(many_versions(regional, SERVICES // 2), encoding="utf-8")
    assert "its nodes run 6600 at most" in str(refusal_of(file))


def test_many_hosts(file: Path) -> None:
    routes = [f"      - {{path: /{number}, host: h{number}.example.com}}\n" for number in range(2500)]
    routes += [f"      - {{path: /all-{number}}}\n" for number in range(2500)]
    service = "  x:\n    image: a\n    port: 1\n    routes:\n"
    head = configuration(2).replace("domains: [shop.example.com]", "plain_http: true")
    file.write_text(head + service + "".join(routes), encoding="utf-8")
    assert "have routes for 2500 hosts, and 200 are possible" in str(refusal_of(file))


def test_many_callers_of_other_pipelines(file: Path) -> None:
    callers = "".join(f"      - a/b{number}\n" for number in range(9000))
    service = "  orders-{}:\n    image: a\n    port: 1\n    allow_from:\n" + callers
    file.write_text(configuration(2) + "".join(map(service.format, range(5))), encoding="utf-8")
    assert_fast(lambda: load(file, {}))


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_large_wrong_file(name: str, file: Path) -> None:
    file.write_text(WRONG_FILES[name], encoding="utf-8")
    lines = str(refusal_of(file)).split("\n")
    assert 2 <= len(lines) <= MOST_SHOWN + 2
    assert max(map(len, lines)) < 5000


def test_a_file_beyond_the_limit(file: Path) -> None:
    file.write_text("#" * (LONGEST + 1), encoding="utf-8")
    assert f"is longer than {LONGEST} bytes" in str(refusal_of(file))


def test_more_values_than_any_environment_has(file: Path) -> None:
    file.write_text(f"x: [{'1,' * strict_yaml.MOST_VALUES}]", encoding="utf-8")
    assert "more than 120000 values" in str(refusal_of(file))


def test_suggestions_are_computed_for_what_is_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr(problems, "get_close_matches", lambda word, *_, **__: compared.append(word))
    file.write_text(WRONG_FILES["unknown callers of every service"], encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert len(caught.value.problems) > 10 * MOST_SHOWN
    assert len(compared) == MOST_SHOWN


def test_a_suggestion() -> None:
    assert str(Suggestion("regoin", ["region", "number"])) == "; did you mean 'region'?"
    assert str(Suggestion("x" * 10**6, ["region"], otherwise=" (region)")) == " (region)"


@pytest.mark.process
def test_the_command_takes_less_than_a_second(file: Path) -> None:
    """From the start of Python, for the largest file."""
    file.write_text(configuration(SERVICES, REGIONS, each=True), encoding="utf-8")
    before = os.times()
    subprocess.run([sys.executable, "-m", "config", str(file)], cwd=ROOT, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < 2  # on a machine that does nothing else: 0.9; beside other tests, up to 1.5
