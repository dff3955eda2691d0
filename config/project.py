"""`project`: the Google Cloud project, the identity that deploys, and the names' prefix."""

from pydantic import Field

from config.effects import ADDS_OR_DELETES, NEW_ENVIRONMENT, NOTHING, REFUSED
from config.fields import Model, NamePrefix, ProjectId, ServiceAccountEmail


class Project(Model):
    """The Google Cloud project, which also hosts the fleet."""

    id: ProjectId = Field(
        description="ID of the Google Cloud project. The project also hosts the fleet.",
        json_schema_extra=NEW_ENVIRONMENT,
    )
    name_prefix: NamePrefix = Field(
        default="mesh",
        description="Prefix of the names of all resources.",
        json_schema_extra=REFUSED,
    )
    anthos_api: bool = Field(
        default=False,
        description="Also enables the API `anthos.googleapis.com`, for a project with a GKE Enterprise subscription. "
        "Removing the key does not disable the API.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    impersonate_service_account: ServiceAccountEmail | None = Field(
        default=None,
        description="Service account that terraform and the scripts impersonate. The kubernetes provider uses "
        "short-lived tokens of this account, which requires terraform 1.10 or later, and does not need "
        "`gke-gcloud-auth-plugin`. If unset, everyone who deploys needs the roles permanently.",
        json_schema_extra=NOTHING,
    )
