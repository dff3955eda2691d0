"""Which Google service accounts suit those who deploy, and the pods of a service."""

from collections.abc import Iterator

from config.environment import Environment
from config.grammar import service_account
from config.problems import Problem


def check_service_accounts(environment: Environment) -> Iterator[Problem]:
    project = environment.project
    deployer = project.impersonate_service_account
    nodes = {
        f"{environment.region_names(key).node_service_account}@{project.id}.iam.gserviceaccount.com": key
        for key in environment.regions
    }
    for name, service in environment.services.items():
        email = service.service_account
        if email is None:
            continue
        path = f"services.{name}.service_account"
        if what := service_account.google_owner(email):
            yield Problem(path, f"is {what}; create an account for the service, and name that", email)
        elif email in nodes:
            rule = (
                f"is the account of {nodes[email]}'s nodes, whose roles are the nodes' own; create one for the service"
            )
            yield Problem(path, rule, email)
        elif email == deployer:
            rule = "is the account that deploys: the pods could change everything; create one for the service"
            yield Problem(path, rule, email)


def check_deployer(environment: Environment) -> Iterator[Problem]:
    """Warn of an account of Google's own: nobody gets a role on it, and so no token of it."""
    deployer = environment.project.impersonate_service_account
    if deployer is not None and service_account.is_service_agent(deployer):
        rule = "is a service agent, as which only Google's own services act; create an account for the deploys"
        yield Problem("project.impersonate_service_account", rule, deployer)
