"""The package is layered: a module imports from its own layer and from lower ones, inside functions too."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import cnnlab

LAYERS = [  # lowest first
    {"errors", "messages", "paths", "quantities", "memory", "terminal"},
    {"images", "experiment"},
    *(
        {name}
        for name in (
            "config",
            "data",
            "runs",
            "models",
            "plots",
            "lessons",
            "evaluation",
            "explain",
            "robustness",
            "training",
            "analysis",
            "export",
            "jobs",
            "sweep",
            "report",
        )
    ),
    {"cli", "workers", "__main__"},
]
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
PACKAGE = Path(cnnlab.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part_of(module):
    """The subpackage or top-level module of a module."""
    return module.parts[0].removesuffix(".py")


def parts_imported_by(module):
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for package, part, *_ in (f"{name}..".split(".") for name in names):
            assert package, f"{module}: a relative import"
            if package == "cnnlab" and part in RANKS:
                yield part


def test_every_part_of_the_package_has_a_layer():
    assert {part_of(module) for module in MODULES} == RANKS.keys()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_nothing_is_imported_from_a_higher_layer(module):
    higher = {part for part in parts_imported_by(module) if RANKS[part] > RANKS[part_of(module)]}
    assert not higher


def test_the_parts_have_no_circular_imports():
    graph = {part: set() for part in RANKS}
    for module in MODULES:
        graph[part_of(module)] |= {*parts_imported_by(module)} - {part_of(module)}
    TopologicalSorter(graph).prepare()
