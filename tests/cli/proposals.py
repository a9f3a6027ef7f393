"""Finds the texts of the package that contain a command or an option."""

import ast
import re
from pathlib import Path

import cnnlab

PACKAGE = Path(cnnlab.__file__).parent
NAMED = re.compile(r"\bcnnlab [a-z…{]|--[a-z]{2,}")
SUBJECT = re.compile(r"^--[a-z]+([-/a-z]+)?( \{\})?")
"""The option that a text is about, which it begins with."""
ELSEWHERE = ("training/coach/", "config/reference.py")
"""tests/training/test_coach.py runs what the coach proposes; the other is a page of the docs."""


def proposing_texts():
    """These texts without duplicates, with `{}` for interpolated values."""
    modules = (path for path in sorted(PACKAGE.rglob("*.py")) if not any(part in str(path) for part in ELSEWHERE))
    return list(dict.fromkeys(text for path in modules for text in _texts(path) if _names_command(text)))


def _names_command(text):
    return text.startswith("proposed(") or bool(NAMED.search(SUBJECT.sub("", text, count=1)))


def _texts(path):
    """The string literals of a module without docstrings; calls of `proposed` as source code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "proposed":
            yield ast.unparse(node)
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in ast.walk(node)}
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
