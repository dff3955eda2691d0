"""`services.*.ports`: one name and one number for each port."""

from collections.abc import Iterator

from config.environment import Environment
from config.problems import Problem


def check_ports(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        numbers = {service.port: "port"}
        for key, one in service.ports.items():
            path = f"services.{name}.ports.{key}"
            if key == service.protocol:
                yield Problem(path, "is the name of the main port, its protocol; choose another")
            first = numbers.setdefault(one.port, f"ports.{key}")
            if first != f"ports.{key}":
                rule = f"is also the number of services.{name}.{first}; choose another"
                yield Problem(f"{path}.port", rule, one.port, other=f"services.{name}.{first}")
