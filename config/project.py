"""`project`: the Google Cloud project, the identity that deploys, and the names' prefix."""

from pydantic import Field

from config.effects import ADDS_OR_DELETES, NEW_ENVIRONMENT, NOTHING, REFUSED
from config.fields import Model, NamePrefix, ProjectId, ServiceAccountEmail


class Project(Model):
    """The Google Cloud project, which is also the host of the fleet."""

    id: ProjectId = Field(
        description="Id of the Google Cloud project; it also hosts the fleet.", json_schema_extra=NEW_ENVIRONMENT
    )
    name_prefix: NamePrefix = Field(
        default="mesh",
        description="The first part of the name of everything that is made.",
        json_schema_extra=REFUSED,
    )
    anthos_api: bool = Field(
        default=False,
        description="Enable the API anthos.googleapis.com too, for a project with a GKE Enterprise subscription; "
        "nothing here needs it. Taking the key back does not disable it.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    impersonate_service_account: ServiceAccountEmail | None = Field(
        default=None,
        description="Service account that terraform and the scripts act as. The kubernetes provider then takes "
        "short-lived tokens of that account and needs no gke-gcloud-auth-plugin (terraform 1.10 or later).",
        json_schema_extra=NOTHING,
    )
