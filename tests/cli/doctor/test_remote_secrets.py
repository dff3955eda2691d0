"""`mesh doctor`: remote secrets in the clusters."""

from tests.cli.doctor.diagnosis import KUBECTL, OSAKA, PROJECT, TOKYO, expect
from tests.cli.emulated_project import EmulatedProject

OURS = f"istio-remote-secret-gke-{PROJECT}-{OSAKA}-acme-osaka-cluster-1"
IN_TOKYO, IN_OSAKA = "tokyo: remote secrets", "osaka: remote secrets"


def test_remote_secrets_of_which_a_fleet_knows_nothing(project: EmulatedProject) -> None:
    project.set_mode("fleet")
    project.deploy()
    project.fake_program("kubectl", KUBECTL.format(f"printf '%s  Opaque  1  2d\\n' {OURS}"))
    text = f"this control plane mode does not use remote secrets, and each holds a token: {OURS}"
    found = expect(project, IN_TOKYO, "warning", text, f"...--namespace istio-system delete secret {OURS}")
    assert (found.status, found.bad()) == (0, [IN_TOKYO, IN_OSAKA])


def test_somebody_elses_remote_secrets(project: EmulatedProject) -> None:
    project.deploy()
    table = f"printf '%s  Opaque  1  2d\\n' {OURS} istio-remote-secret-theirs"
    project.fake_program("kubectl", KUBECTL.format(table))
    text = "the mesh would watch clusters that are not configured: istio-remote-secret-theirs"
    kubectl = f"kubectl --context gke_{PROJECT}_{TOKYO}_acme-tokyo-cluster-1 --namespace istio-system"
    found = expect(project, IN_TOKYO, "failure", text, f"{kubectl} delete secret istio-remote-secret-theirs")
    # Of what Osaka holds, its own secret is a stranger there, too.
    assert found.bad() == [IN_TOKYO, IN_OSAKA]
    assert OURS in found.of(IN_OSAKA)[1]
    asked = [line for line in project.calls().splitlines() if "get secrets" in line]
    assert len(asked) == 2
    assert all(line.endswith("--selector istio/multiCluster=true --no-headers") for line in asked)


def test_a_cluster_that_does_not_tell(project: EmulatedProject) -> None:
    project.deploy()
    project.fake_program("kubectl", KUBECTL.format("echo 'error: (Forbidden): no' >&2; exit 1"))
    fix = "have roles/container.admin granted to you, and run the command again"
    expect(project, IN_TOKYO, "failure", "can't read them: error: (Forbidden): no", fix)


def test_without_kubectl_the_rest_is_looked_at(project: EmulatedProject) -> None:
    project.deploy()
    project.remove("kubectl")
    assert expect(project, "clusters", "warning", "...", "...").bad() == ["kubectl", "clusters"]
