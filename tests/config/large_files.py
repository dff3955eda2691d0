"""Large configuration files: the largest of the documented limits, and wrong ones of many kinds."""

from collections.abc import Iterator

SERVICES = 200
REGIONS = 64

_HEAD = """\
project: {{id: test-project}}
network:
  address_plan:
    nodes: {{pool: 172.16.0.0/12, block: 20}}
    pods: {{pool: 10.0.0.0/8, block: 16}}
    services: {{pool: 100.64.0.0/12, block: 20}}
    control_plane: {{pool: 192.168.0.0/16, block: 24, size: 28}}
cluster: {{maintenance_windows: false, max_nodes: {nodes}{cluster}}}
ingress: {{config_cluster: region-0, domains: [shop.example.com{domains}]}}
"""


def configuration(
    services: int = SERVICES, regions: int = 2, each: bool = False, cluster: str = "", domains: str = ""
) -> str:
    """Return a valid configuration.

    Args:
        services: how many.
        regions: how many.
        each: whether each service has a version and replicas of its own in each region.
        cluster: further keys of ``cluster``.
        domains: further ones.
    """
    lines = [_HEAD.format(cluster=cluster, domains=domains, nodes=20), "regions:"]
    for number in range(regions):
        lines += [f"  region-{number}:", f"    region: moon-base{number + 1}", f"    number: {number}"]
    lines.append("services:")
    for index in range(services):
        lines += [*_service(index, services)]
        if each:
            lines += ["    regions:"]
            lines += [f"      region-{number}: {{version: v{index}, replicas: 2}}" for number in range(regions)]
    return "\n".join(lines) + "\n"


def _service(index: int, count: int) -> Iterator[str]:
    yield f"  service-{index}:"
    yield f"    image: europe-docker.pkg.dev/acme/shop/service-{index}:1.2.3"
    yield "    port: 8080"
    yield "    namespace: shop"
    yield "    replicas: 3"
    yield "    env:"
    for number in range(8):
        yield f"      SETTING_{number}: https://backend-{number}.internal.example.com/api/v1"
    yield "    routes:"
    yield f"      - path: /service-{index}"
    yield "    allow_from:"
    for number in range(1, 4):
        yield f"      - service-{(index + number) % count}"


def _wrong_files() -> dict[str, str]:
    small, large = configuration(services=2), configuration()
    callers = "".join(f"      - sarvice-{number}\n" for number in range(3000))
    service = "  x:\n    image: a\n    port: 1\n"
    networks = ", ".join(f"{{name: a, cidr: 20.{n // 256}.{n % 256}.0/24}}" for n in range(5000))
    return {
        "unknown keys at the top": small + "".join(f"servicez{number}: 1\n" for number in range(5000)),
        "unknown keys in every service": large.replace("    replicas:", "    replica:"),
        "unknown keys in place of variables": large.replace("      SETTING", "    SETTING"),
        "unknown callers of every service": large.replace("- service-", "- servicee-x"),
        "unknown callers of one": f"{small}{service}    allow_from:\n{callers}",
        "unknown callers, and a wrong field": large.replace("- service-", "- servicee-x").replace(
            "test-project", "TEST"
        ),
        "unknown regions": configuration(each=True).replace("      region-", "      regoin-"),
        "unknown regions of the demo": small
        + "demo:\n  versions:\n"
        + "".join(f"    regien-{number}: v1\n" for number in range(5000)),
        "a networks list of 5000": configuration(2, cluster=f", endpoint: public, authorized_networks: [{networks}]"),
        "one source of logs 40000 times": configuration(2, cluster=f", logs: [{'workloads, ' * 40000}]"),
        "one condition of retries 40000 times": f"{small}{service}    retries: {{retry_on: [{'503, ' * 40_000}]}}\n",
        "wrong domains": configuration(2, domains="".join(f", a{number}" for number in range(10000))),
        "one range for all regions": configuration(2, REGIONS).replace(
            "    number:", "    pods: 10.0.0.0/16\n    number:"
        ),
        "one number for all regions": configuration(2, REGIONS).replace("    number: ", "    number: 1 #"),
        "one route for all services": large.replace("      - path: /", "      - match: prefix\n        path: / #"),
        "wrong names of variables": large.replace("SETTING_", "SETTING="),
        "more variables than an object holds": small.replace(
            "    env:", "    env:\n" + "\n".join(f"      TEXT_{n}: {'x' * 4000}" for n in range(61))
        ),
        "more callers than an object holds": f"{small}{service}    allow_from:\n"
        + "".join(f"      - {'n' * 40}/{'a' * 30}-{number}\n" for number in range(2800)),
        "more routes than an object holds": f"{small}{service}    routes:\n      - path:\n"
        + "".join(f"          - /{'p' * 190}-{number}\n" for number in range(600)),
        "redirects that lead to themselves": f"{small}{service}    routes:\n"
        + "".join(f"      - {{path: /r-{number}, redirect: {{path: /r-{number}}}}}\n" for number in range(2000)),
        "very long images": large.replace("image: europe", f"image: {'a/' * 2000}"),
        "a very long value": f"project: {{id: {'a' * 900_000}}}\n",
        "a very long key": f"{'a' * 900_000}: 1\n",
        "a list in place of a mapping": f"project: [{'1, ' * 300_000}]\n",
        "a key twice, 40000 times": "project: 1\n" * 40000,
        "deep lists": f"x: {'[' * 15}{'1, ' * 100_000}{']' * 15}\n",
        "many small mappings": "".join(f"k{number}: {{x: [1, 2]}}\n" for number in range(20000)),
        "a near miss, 300000 characters long": small + f"mesh: {{control_plane: {'fleet' * 60000}}}\n",
        "nothing but comments": "#x\n" * 300_000,
    }


WRONG_FILES = _wrong_files()
