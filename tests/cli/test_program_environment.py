"""The environment of the programs that the CLI runs."""

import pytest

from cli.sources.program_environment import program_environment

PERSONAL = {
    "BASH_ENV": "/nowhere",
    "BASH_FUNC_kubectl%%": "() { echo trapped; }",
    "CLOUDSDK_CORE_USER_OUTPUT_ENABLED": "false",
    "CLOUDSDK_CORE_VERBOSITY": "none",
    "KUBECONFIG": "/nowhere",
    "KUBERC": "/nowhere",
    "KUBE_EDITOR": "vi",
    "KUBE_TOKEN": "t",
    "SHELLOPTS": "xtrace",
    "TF_WORKSPACE": "other",
}


def test_personal_settings_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSONAL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/home/me/gcloud")
    found = program_environment({"MESH_CONFIG": "a.yaml"})
    assert [name for name, value in PERSONAL.items() if found.get(name) == value] == []
    assert (found["KUBERC"], found["CLOUDSDK_CORE_VERBOSITY"]) == ("off", "warning")
    assert found["CLOUDSDK_CORE_USER_OUTPUT_ENABLED"] == "true"
    assert (found["CLOUDSDK_CONFIG"], found["MESH_CONFIG"]) == ("/home/me/gcloud", "a.yaml")
