"""Documents of JSON:API that describe an organization."""

from typing import Any

from tests.fake_cloud.terraform_cloud.model import AUTO_APPLY, PLAN_ONLY, StateVersion, TerraformRun, Upload, Workspace

Document = dict[str, Any]

ALLOWED = ("can-update", "can-queue-run", "can-queue-apply", "can-queue-destroy", "can-lock", "can-unlock")


def document(kind: str, id_: str, attributes: Document, relationships: Document | None = None) -> Document:
    return {"data": {"id": id_, "type": kind, "attributes": attributes, "relationships": relationships or {}}}


def one(kind: str, id_: str) -> Document:
    """Return a reference to another document."""
    return {"data": {"id": id_, "type": kind}}


def entitlements(organization: str) -> Document:
    names = ("operations", "state-storage", "teams", "agents")
    return document("entitlement-sets", f"org-{organization}", dict.fromkeys(names, True))


def workspace(it: Workspace, organization: str) -> Document:
    attributes = {
        "name": it.name,
        "execution-mode": it.execution,
        "operations": it.execution != "local",
        "locked": bool(it.locked_by),
        "auto-apply": False,
        "terraform-version": it.terraform,
        "working-directory": "",
        "global-remote-state": False,
        "structured-run-output-enabled": False,
        "permissions": dict.fromkeys(ALLOWED, True),
    }
    return document("workspaces", it.id, attributes, {"organization": one("organizations", organization)})


def state(it: StateVersion, base: str) -> Document:
    attributes: Document = {
        "serial": it.serial,
        "status": "pending" if it.content is None else "finalized",
        "resources-processed": True,
        "hosted-state-upload-url": f"{base}/uploads/states/{it.id}",
        "hosted-json-state-upload-url": f"{base}/uploads/json-states/{it.id}",
        "hosted-state-download-url": f"{base}/downloads/states/{it.id}",
    }
    return document("state-versions", it.id, attributes)


def output(id_: str, name: str, it: Document, *, shown: bool) -> Document:
    """Return the document of an output.

    Args:
        id_: of the API.
        name: of the output.
        it: the output in terraform's state.
        shown: whether the value is part of the document.
    """
    attributes = {
        "name": name,
        "sensitive": it.get("sensitive", False),
        "value": it["value"] if shown else None,
        "type": it["type"] if isinstance(it["type"], str) else it["type"][0],
        "detailed-type": it["type"],
    }
    return {"id": id_, "type": "state-version-outputs", "attributes": attributes}


def upload(it: Upload, base: str) -> Document:
    attributes = {
        "status": "pending" if it.content is None else "uploaded",
        "upload-url": f"{base}/uploads/configurations/{it.id}",
        "source": "tfe-api",
    }
    return document("configuration-versions", it.id, attributes)


def run(it: TerraformRun) -> Document:
    waits = it.status == "planned"
    attributes = {
        "status": it.status,
        "auto-apply": it.wanted == AUTO_APPLY,
        "plan-only": it.wanted == PLAN_ONLY,
        "is-destroy": "-destroy" in it.options,
        "has-changes": it.has_changes,
        "actions": {"is-cancelable": False, "is-confirmable": waits, "is-discardable": waits},
        "permissions": dict.fromkeys(("can-apply", "can-cancel", "can-discard"), True),
        "source": "terraform+cloud",
    }
    relationships = {
        "workspace": one("workspaces", it.workspace),
        "configuration-version": one("configuration-versions", it.upload),
        "plan": one("plans", f"plan-{it.id}"),
        "apply": one("applies", f"apply-{it.id}"),
    }
    return document("runs", it.id, attributes, relationships)


def phase(it: TerraformRun, name: str, base: str) -> Document:
    """Return the document of a plan or an apply.

    Args:
        it: the run.
        name: ``plan`` or ``apply``.
        base: URL of the server.
    """
    attributes = {
        "status": it.phases[name],
        "has-changes": it.has_changes,
        "log-read-url": f"{base}/downloads/logs/{it.id}/{name}",
    }
    return document("plans" if name == "plan" else "applies", f"{name}-{it.id}", attributes)
