"""The documentation of the experiment file: the docstrings of the schema's classes, and those below their fields."""

import ast
import functools
import inspect
import itertools
import re
import sys
from dataclasses import dataclass

from cnnlab.experiment.choice import Strict, fields_of


@dataclass(frozen=True)
class Documentation:
    """A map or kind of the experiment file: its description, and that of each option."""

    text: str
    options: dict[str, str]

    @property
    def summary(self) -> str:
        """The first sentence."""
        return self.text.partition("\n")[0].partition(". ")[0].rstrip(".")


def documentation(model: type[Strict]) -> Documentation:
    """The documentation in the docstrings of `model` and of its bases."""
    options: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Strict):
            options |= _field_docstrings(base)
    text = _unwrapped(model.__doc__ or "")
    fields = model.model_fields
    return Documentation(text, {fields[name].alias or name: options.get(name, "") for name in fields_of(model)})


def _field_docstrings(model: type[Strict]) -> dict[str, str]:
    """The string below each field, as pydantic's `use_attribute_docstrings` finds it.

    Read only for documentation: pydantic reads it at import, which made every command 0.1 s slower.
    """
    found = {}
    for field, docstring in itertools.pairwise(_classes_in(model.__module__)[model.__name__].body):
        match field, docstring:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = _unwrapped(text)
    return found


@functools.cache
def _classes_in(module: str) -> dict[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _unwrapped(docstring: str) -> str:
    """Each paragraph as a single line."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(docstring))
