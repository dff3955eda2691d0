"""`mesh status`, of what an interrupted drill or verification has left."""

from tests.cli.deployed_mesh import DeployedMesh

OSAKA = "kubectl --context gke_test-project_asia-northeast2_matt-osaka-cluster-1 --namespace sample"


def test_a_drilled_deployment(mesh: DeployedMesh) -> None:
    """It is told once, with the number before the drill, and what to remove."""
    found = mesh.object("osaka", "Deployment", "helloworld")
    found["spec"]["replicas"] = 0
    found["status"] = {}
    found["metadata"]["annotations"]["multi-region-mesh/drill"] = "1"
    mesh.object("osaka", "EndpointSlice")["endpoints"] = []
    [(where, finding)] = mesh.run_json("status").findings("failure").items()
    assert where == ("osaka", "Deployment sample/helloworld-v2")
    assert finding["text"] == "mesh drill has scaled it from 1 to 0, and was interrupted unless it still runs"
    assert finding["fix"] == (
        f"{OSAKA} scale deployment.apps helloworld-v2 --replicas=1 && "
        f"{OSAKA} annotate deployment.apps helloworld-v2 multi-region-mesh/drill-"
    )


def test_other_changes_of_a_drilled_deployment(mesh: DeployedMesh) -> None:
    found = mesh.object("osaka", "Deployment", "helloworld")
    found["metadata"]["annotations"]["multi-region-mesh/drill"] = "1"
    found["metadata"]["labels"]["version"] = "v9"
    failures = [
        one["text"]
        for section in mesh.run_json("status").data["sections"]
        for one in section["findings"]
        if one["state"] == "failure"
    ]
    assert len(failures) == 2
    assert any("metadata.labels.version was changed from v2 to v9" in one for one in failures)


def test_jobs_of_a_verification(mesh: DeployedMesh) -> None:
    for name, labels in (("mesh-verify-x7k", {"multi-region-mesh/temporary": "verify"}), ("nightly", {})):
        metadata = {"name": name, "namespace": "sample", "labels": labels, "creationTimestamp": "2026-11-28T03:00:00Z"}
        mesh.add("osaka", {"kind": "Job", "metadata": metadata})
    report = mesh.run_json("status")
    [(where, finding)] = report.findings("warning").items()
    assert where == ("osaka", "Job sample/mesh-verify-x7k")
    assert finding["text"] == "mesh verify was interrupted, unless it still runs; made at 2026-11-28T03:00:00Z"
    assert finding["fix"] == f"{OSAKA} delete job.batch mesh-verify-x7k"
    assert report.status == 0


def test_any_object_of_a_drill(mesh: DeployedMesh) -> None:
    labels = {"multi-region-mesh/temporary": "drill"}
    mesh.add("tokyo", {"kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "sample", "labels": labels}})
    policy = {"name": "y", "namespace": "sample", "labels": labels}
    mesh.add("tokyo", {"kind": "AuthorizationPolicy", "metadata": policy})
    failures = mesh.run_json("status").findings("failure")
    assert failures["tokyo", "ServiceAccount sample/x"]["text"].startswith("mesh drill was interrupted")
    assert failures["tokyo", "AuthorizationPolicy sample/y"]["text"].startswith("a mesh drill has made it")
    assert len(failures) == 2
