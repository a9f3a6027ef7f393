"""The files by which others adopt the project."""

import re
import tomllib
from pathlib import Path

import yaml

import cnnlab

ROOT = Path(__file__).parents[1]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_licence_is_named_alike_everywhere():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert project["license"] == yaml.safe_load(text("CITATION.cff"))["license"] == "Apache-2.0"
    assert "Apache License" in text("LICENSE")
    assert "Apache-2.0" in text("README.md")


def test_the_citation_file_has_what_its_schema_requires():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    assert citation["cff-version"] == "1.2.0"
    assert all("name" in author for author in citation["authors"])


def test_the_changelog_has_this_version_and_the_project_file_none():
    assert f"## [{cnnlab.__version__}]" in text("CHANGELOG.md")
    assert cnnlab.__version__ not in text("CITATION.cff") + text("Dockerfile")
    assert "version" in tomllib.loads(text("pyproject.toml"))["project"]["dynamic"]


def test_the_workflow_runs_what_ci_runs_on_the_oldest_python_allowed():
    job = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]["ci"]
    assert job["steps"][-1]["run"] == ".ci/run"
    assert (
        f">={job['strategy']['matrix']['python'][0]}"
        == tomllib.loads(text("pyproject.toml"))["project"]["requires-python"]
    )


def test_the_image_copies_only_what_its_context_has():
    copied = [word for line in re.findall(r"^COPY (.*)$", text("Dockerfile"), re.M) for word in line.split()[:-1]]
    assert {f"!{name}" for name in copied} <= set(text(".dockerignore").split())
    assert all((ROOT / name).exists() for name in copied)


def test_the_index_of_the_docs_has_every_page():
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", text("docs/README.md")))
    assert linked == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
