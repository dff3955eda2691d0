"""A local state belongs to one configuration."""

from pathlib import Path

import pytest

from config import ConfigError, load

ONE = """\
project: {id: test-project}
regions: {tokyo: {region: asia-northeast1, number: 0}}
ingress: {config_cluster: tokyo, plain_http: true}
"""
IN_A_BUCKET = ONE + "backend: {type: gcs, bucket: acme-state}\n"


def write(folder: Path, *names: str, text: str = ONE) -> None:
    for name in names:
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "other", "state"),
    [
        ("prod.yaml", "prod.yml", "terraform.prod.*.tfstate"),
        ("prod.yml", "prod.yaml", "terraform.prod.*.tfstate"),
        ("prod.json", "prod.yaml", "terraform.prod.*.tfstate"),
        ("prod", "prod.yaml", "terraform.prod.*.tfstate"),
        ("mesh.yml", "mesh.yaml", "terraform.*.tfstate"),
        ("mesh.yaml~", "mesh.yaml", "terraform.*.tfstate"),  # the backup is what is being deployed
        ("prod.eu.yaml", "prod.eu.yml", "terraform.prod.eu.*.tfstate"),
    ],
)
def test_two_files_with_one_state(file: str, other: str, state: str, tmp_path: Path) -> None:
    write(tmp_path, file, other)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / file, {})
    [problem] = caught.value.problems
    assert f"has the same state files as {other} beside it, {state}" in problem.rule


@pytest.mark.parametrize(
    ("file", "other"),
    [
        ("mesh.yaml", "mesh.yaml~"),  # an editor's backup
        ("mesh.yaml", "mesh.yaml.bak"),
        ("mesh.yaml", "prod.yaml"),
        ("prod.yaml", "prod.eu.yaml"),
        ("prod.eu.yaml", "prod.us.yaml"),
    ],
)
def test_files_with_states_of_their_own(file: str, other: str, tmp_path: Path) -> None:
    write(tmp_path, file, other)
    load(tmp_path / file, {})


def test_another_kind_of_file_has_no_state(tmp_path: Path) -> None:
    write(tmp_path, "mesh.yaml")
    write(tmp_path, "mesh.yml", text="apiVersion: v1\nkind: ConfigMap\n")
    write(tmp_path, "mesh.json", text="{")
    (tmp_path / "mesh").mkdir()
    load(tmp_path / "mesh.yaml", {})


def test_a_link_is_the_same_configuration(tmp_path: Path) -> None:
    write(tmp_path, "prod.yaml")
    (tmp_path / "prod.yml").symlink_to("prod.yaml")
    load(tmp_path / "prod.yaml", {})
    load(tmp_path / "prod.yml", {})


def test_a_state_in_a_bucket_is_not_named_after_the_file(tmp_path: Path) -> None:
    write(tmp_path, "prod.yaml", "prod.yml", text=IN_A_BUCKET)
    load(tmp_path / "prod.yaml", {})


def test_a_state_has_a_name_that_a_file_can_have(tmp_path: Path) -> None:
    longest = "x" * (244 - len("terraform..clusters.tfstate"))
    write(tmp_path, f"{longest}.yaml", f"{longest}x.yaml")
    load(tmp_path / f"{longest}.yaml", {})
    with pytest.raises(ConfigError, match="would have 245 bytes in its own, and 244 are possible"):
        load(tmp_path / f"{longest}x.yaml", {})
