"""The service that a request is for."""

from collections.abc import Iterator
from dataclasses import dataclass

from cli.errors import MeshError
from config import Environment
from config.authorization import WHOLE_NAMESPACE, authorized_callers, namespace_callers
from config.naming import service_host
from config.services.service import Service


@dataclass(frozen=True)
class Callee:
    """A service.

    Attributes:
        environment: The environment.
        name: The Service's.
        namespace: The Service's.
        configured: The service in the configuration; None if it is not there.
    """

    environment: Environment
    name: str
    namespace: str
    configured: Service | None

    @classmethod
    def of(cls, environment: Environment, text: str) -> "Callee":
        """Return a service of the configuration by its name, or any other one as ``NAMESPACE/NAME``.

        Raises:
            MeshError: The configuration has no such service.
        """
        services = environment.all_services()
        namespace, slash, name = text.rpartition("/")
        known = services.get(name)
        if known is not None and namespace in ("", known.namespace):
            return cls(environment, name, known.namespace, known)
        if not slash:
            names = ", ".join(services) or "none"
            raise MeshError(
                f"the configuration has no service {text}; it has {names}",
                "name one of these, or a Service that is not in the configuration as NAMESPACE/NAME",
            )
        return cls(environment, name, namespace, None)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def host(self) -> str:
        """Its name in the mesh."""
        return service_host(self.name, self.namespace)

    @property
    def path(self) -> str:
        """The path of a request that it serves, as far as the configuration has one."""
        routes = self.configured.routes if self.configured else ()
        return next((one.path[0] for one in routes if one.redirect is None), "/")

    @property
    def public_host(self) -> str:
        """The host of requests from outside; empty where the gateways route those of every host."""
        routes = self.configured.routes if self.configured else ()
        hosts = [one.host for one in routes if one.redirect is None and one.host]
        return next(iter([*hosts, *self.environment.ingress.domains]), "")

    @property
    def regions(self) -> tuple[str, ...]:
        """Keys of the regions that should have endpoints of it."""
        if self.configured is not None:
            return tuple(self.environment.serving_deployments(self.configured))
        return tuple(one.key for one in self.environment.resolved_regions() if not one.retired)

    @property
    def drained(self) -> tuple[str, ...]:
        """Keys of the drained regions in which it has pods that get no requests."""
        if self.configured is None:
            return ()
        deployments = self.environment.deployments(self.configured)
        return tuple(key for key in deployments if self.environment.regions[key].drained)

    @property
    def namespaces(self) -> list[str]:
        """The namespaces of its pods and of those that may call it."""
        callers = (namespace for namespace, _ in self._callers())
        return list(dict.fromkeys([self.namespace, *callers]))

    def allows(self, namespace: str, account: str) -> bool:
        """Return whether the configuration authorizes the pods of a service account to call it."""
        if not self.environment.mesh.default_deny:
            return True
        return self.names(namespace, account)

    def names(self, namespace: str, account: str) -> bool:
        """Return whether a service account is among its callers in the configuration."""
        wanted = ((namespace, account), (namespace, WHOLE_NAMESPACE))
        return any(one in wanted for one in self._callers())

    def _callers(self) -> Iterator[tuple[str, str]]:
        own = () if self.configured is None else authorized_callers(self.environment, self.name)
        for one in (*own, *namespace_callers(self.environment, self.namespace)):
            yield one.namespace, one.account
