"""`mesh doctor`: remote secrets in the clusters."""

from tests.cli.doctor.diagnosis import KUBECTL, OSAKA, PROJECT, TOKYO, diagnose, set_mode
from tests.cli.emulated_project import EmulatedProject


def test_remote_secrets_of_which_a_fleet_knows_nothing(project: EmulatedProject) -> None:
    set_mode(project, "fleet")
    project.deploy()
    ours = f"istio-remote-secret-gke-{PROJECT}-{OSAKA}-acme-osaka-cluster-1"
    project.fake_program("kubectl", KUBECTL.format(f"printf '%s  Opaque  1  2d\\n' {ours}"))
    found = diagnose(project)
    assert (found.status, found.bad()) == (0, ["tokyo: remote secrets", "osaka: remote secrets"])
    state, text, fix = found.of("tokyo: remote secrets")
    assert (state, text) == ("warning", f"the control plane knows none, and there are {ours}: each holds a token")
    assert fix.endswith(f"--namespace istio-system delete secret {ours}")


def test_somebody_elses_remote_secrets(project: EmulatedProject) -> None:
    project.deploy()
    ours = f"istio-remote-secret-gke-{PROJECT}-{OSAKA}-acme-osaka-cluster-1"
    table = f"printf '%s  Opaque  1  2d\\n' {ours} istio-remote-secret-theirs"
    project.fake_program("kubectl", KUBECTL.format(table))
    found = diagnose(project)
    # Of what Osaka holds, its own secret is a stranger there, too.
    assert found.bad() == ["tokyo: remote secrets", "osaka: remote secrets"]
    assert found.of("tokyo: remote secrets") == (
        "failure",
        "somebody else's: istio-remote-secret-theirs",
        f"kubectl --context gke_{PROJECT}_{TOKYO}_acme-tokyo-cluster-1 --namespace istio-system "
        "delete secret istio-remote-secret-theirs",
    )
    assert ours in found.of("osaka: remote secrets")[1]
    asked = [line for line in project.calls().splitlines() if "get secrets" in line]
    assert len(asked) == 2
    assert all(line.endswith("--selector istio/multiCluster=true --no-headers") for line in asked)


def test_a_cluster_that_does_not_tell(project: EmulatedProject) -> None:
    project.deploy()
    project.fake_program("kubectl", KUBECTL.format("echo 'error: (Forbidden): no' >&2; exit 1"))
    found = diagnose(project)
    assert found.of("tokyo: remote secrets") == (
        "failure",
        "not told by the cluster: error: (Forbidden): no",
        "have roles/container.admin granted to you, and try again",
    )


def test_without_kubectl_the_rest_is_looked_at(project: EmulatedProject) -> None:
    project.deploy()
    project.remove("kubectl")
    found = diagnose(project)
    assert found.bad() == ["kubectl", "clusters"]
    assert found.of("clusters")[0] == "warning"
