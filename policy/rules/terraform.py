"""What terraform itself runs."""

import re

from policy.environment import Block, Place
from policy.rule import rule


@rule("stack")
def pinned_providers(stack: Block, _: Place) -> bool:
    """Providers are of one version each.

    Another version is another program, run with the caller's rights. Their checksums stand in no
    file of ours, as cdktf makes terraform's lock file anew.
    Source: https://developer.hashicorp.com/terraform/language/providers/requirements
    """
    providers = stack["terraform"]["required_providers"]
    return len(providers) > 0 and all(re.fullmatch(r"\d+\.\d+\.\d+", one["version"]) for one in providers.values())
