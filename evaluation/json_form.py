"""Whether a JSON document has the form that its reader relies on."""

from __future__ import annotations

from typing import Any

Form = Any
"""A type, or several; ``[form]`` for a list of such; a dict of forms by key, where ``key?`` may be
absent and ``*`` stands for every other key."""


def misfit(content: object, form: Form, at: str = "") -> str:
    """Where a document departs from a form, in words; nothing where it does not.

    >>> misfit({"a": [1, "2"]}, {"a": [int]})
    'a[1] is a str'
    """
    if isinstance(form, dict):
        if not isinstance(content, dict):
            return _is(content, at)
        return _of_dict(content, form, at)
    if isinstance(form, list):
        if not isinstance(content, list):
            return _is(content, at)
        found = (misfit(value, form[0], f"{at}[{i}]") for i, value in enumerate(content))
        return next(filter(None, found), "")
    numbers = isinstance(content, bool) and form is not bool and bool not in _several(form)
    return _is(content, at) if numbers or not isinstance(content, form) else ""


def _of_dict(content: dict[str, Any], form: dict[str, Form], at: str) -> str:
    before = f"{at}." if at else ""
    named = set()
    for key, inner in form.items():
        name = key.removesuffix("?")
        named.add(name)
        if name == "*":
            continue
        if name not in content:
            if key == name:
                return f"{before}{name} is not there"
            continue
        if wrong := misfit(content[name], inner, before + name):
            return wrong
    others = form.get("*")
    if others is not None:
        for key, value in content.items():
            if key not in named and (wrong := misfit(value, others, before + key)):
                return wrong
    return ""


def _is(content: object, at: str) -> str:
    return f"{at or 'it'} is a {type(content).__name__}"


def _several(form: Form) -> tuple[Any, ...]:
    return form if isinstance(form, tuple) else (form,)
