"""What the docstrings of the language say, taken apart: for the JSON Schema, the reference and `cnnlab init`."""

import inspect
import re
from dataclasses import dataclass

from cnnlab.experiment.choice import Choice, Strict, fields_of

_OPTION = re.compile(r"([a-z]\w*): (.*)")
_EXAMPLE = re.compile(r"Example: (.*)")


@dataclass(frozen=True)
class Documentation:
    """A map or kind of the language: what it is, what each option means, how it is written."""

    text: str
    options: dict[str, str]
    examples: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first sentence."""
        return self.text.partition("\n")[0].partition(". ")[0].rstrip(".")


def documentation(model: type[Strict]) -> Documentation:
    """What the docstring of `model` says, with the options that it shares from those of its bases."""
    text, options, examples = _parsed(model, model)
    for base in model.__mro__[1:]:
        if issubclass(base, Strict) and base not in (Strict, Choice):
            options = _parsed(base, model)[1] | options
    return Documentation(text, {name: options[name] for name in fields_of(model)}, examples)


def _parsed(base: type[Strict], model: type[Strict]) -> tuple[str, dict[str, str], tuple[str, ...]]:
    paragraphs: list[str] = []
    options: dict[str, str] = {}
    examples: list[str] = []
    last = ""
    for line in inspect.cleandoc(base.__doc__ or "").splitlines():
        if example := _EXAMPLE.fullmatch(line):
            examples.append(example[1])
        elif (option := _OPTION.fullmatch(line)) and option[1] in model.model_fields:
            last = option[1]
            options[last] = option[2]
        elif last and line:
            options[last] += f" {line}"
        else:
            last = ""
            paragraphs.append(line)
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", "\n".join(paragraphs).strip())
    return text, options, tuple(examples)
