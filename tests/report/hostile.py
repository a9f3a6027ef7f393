"""Documents whose every text is an attack."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from itertools import count
from typing import Literal, get_origin, get_type_hints

from cnnlab.report.blocks import Section

HACK = "window.hacked=true"
TEXTS = {
    "script": f"<script>{HACK}</script>",
    "image": f'"><img src=x onerror={HACK}>',
    "single quote": f"' onmouseover='{HACK}' x='",
    "cdata": f"]]><script>{HACK}</script>",
    "style": f"</style></title></textarea></svg></script><script>{HACK}</script>",
    "comment": f"--><script>{HACK}</script><!--",
    "handler": f'x" onclick="{HACK}" onfocus="{HACK}" autofocus tabindex="1',
    "link": f"javascript:{HACK}",
    "template": "{{ 7 * 7 }}{% raw %}",
    "directions": "\u202egnp.exe\u2066\u2067 \u200f",
    "nul": "a\x00b\x1b[31m\ud800\ufffe",
    "backticks": "`<b>` `` ` ``` | ~~~",
    "markdown": "![x](https://example.com/x.png) [y](javascript:alert(1)) <b>*z*</b> # | --- |\n\n# head\n\n- item",
    "address": "https://example.com www.example.com <https://example.com> user@example.com",
    "long": "w" * 10_000,
    "empty": "",
}


def hostile(value, text):
    """`value` with `text` in place of every text in it, however deep; keys of sections still differ."""
    return _replaced(value, text, count())


def _replaced(value, text, numbers):
    if isinstance(value, str):
        return text
    if isinstance(value, Mapping):
        return {key: _replaced(one, text, numbers) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(one, text, numbers) for one in value)
    if not is_dataclass(value):
        return value
    hints = get_type_hints(type(value))
    changed = {
        field.name: _replaced(getattr(value, field.name), text, numbers)
        for field in fields(value)
        if get_origin(hints[field.name]) is not Literal
    }
    if isinstance(value, Section):
        changed["key"] = f"{next(numbers)}{text}"
    return replace(value, **changed)
