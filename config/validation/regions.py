"""`regions`: locations, numbers, zones, and windows for maintenance."""

from collections.abc import Iterator
from itertools import combinations

from config.environment import Environment
from config.maintenance import WINDOWS_A_WEEK
from config.problems import Problem
from config.validation.duplicates import check_duplicates


def check_regions(environment: Environment) -> Iterator[Problem]:
    locations: dict[str, str] = {}
    numbers: dict[int, str] = {}
    for key, region in environment.regions.items():
        path = f"regions.{key}"
        if region.region in locations:
            rule = f"is also the region of {locations[region.region]}; choose another, as a region has one cluster"
            yield Problem(f"{path}.region", rule, region.region)
        locations.setdefault(region.region, key)
        if region.number is not None:
            if region.number in numbers:
                rule = (
                    f"is also the number of {numbers[region.number]}; choose one that no region has or ever had, as it "
                    "decides the address ranges"
                )
                yield Problem(f"{path}.number", rule, region.number)
            numbers.setdefault(region.number, key)
        for index, zone in enumerate(region.zones):
            if not zone.startswith(f"{region.region}-"):
                yield Problem(f"{path}.zones[{index}]", f"is not in {region.region}; choose a zone of the region", zone)
        yield from check_duplicates(f"{path}.zones", region.zones)
    if all(region.retired for region in environment.regions.values()):
        yield Problem(
            "regions", "all are retired; to destroy the environment, run cdktf destroy network clusters mesh ingress"
        )


def check_maintenance(environment: Environment) -> Iterator[Problem]:
    if not environment.cluster.maintenance_windows:
        return
    windows = environment.maintenance_windows()
    given = [key for key, region in environment.regions.items() if region.maintenance_start is not None]
    for first, second in combinations(given, 2):
        if windows[first].overlaps(windows[second]):
            rule = (
                f"overlaps the window of {first} ({windows[first]}), so that both could be in maintenance at once; "
                "move one of them"
            )
            yield Problem(f"regions.{second}.maintenance_start", rule, environment.regions[second].maintenance_start)
    left = [key for key in environment.regions if key not in windows]
    if left:
        rule = (
            f"leave no maintenance window of 12 hours for {', '.join(left)}, as a week has {WINDOWS_A_WEEK}; move "
            "those with a maintenance_start, or set cluster.maintenance_windows: false: GKE then upgrades at any time"
        )
        yield Problem("regions", rule)


def check_secrets_keys(environment: Environment) -> Iterator[Problem]:
    keys = {key: region.secrets_key for key, region in environment.regions.items() if region.secrets_key is not None}
    elsewhere = [key for key, name in keys.items() if name.split("/")[3] != environment.regions[key].region]
    for key in elsewhere:
        place, home = keys[key].split("/")[3], environment.regions[key].region
        rule = f"is in {place}, and the cluster in {home}; name a key in {home}"
        yield Problem(f"regions.{key}.secrets_key", rule, keys[key])
    if not keys or elsewhere:
        return
    for key, region in environment.regions.items():
        if key not in keys and not region.retired:
            rule = (
                f"is missing, and {next(iter(keys))} has one; set it for all, as each cluster holds remote secrets of "
                "the others"
            )
            yield Problem(f"regions.{key}.secrets_key", rule)
