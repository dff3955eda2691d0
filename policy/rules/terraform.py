"""terraform's providers."""

import re

from policy.environment import Block, Entity
from policy.rule import rule


@rule("stack")
def pinned_providers(stack: Block, _: Entity) -> bool:
    """Every provider has one pinned version.

    Another version is another program with the operator's permissions. The repository has no checksums of providers, as
    cdktf recreates terraform's lock file.
    Source: https://developer.hashicorp.com/terraform/language/providers/requirements
    """
    providers = stack["terraform"]["required_providers"]
    return len(providers) > 0 and all(re.fullmatch(r"\d+\.\d+\.\d+", one["version"]) for one in providers.values())
