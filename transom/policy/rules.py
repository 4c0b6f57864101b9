"""A policy file of oslo.policy → functions that judge a request.

oslo.policy reads the file and parses each rule to a tree of checks; the tree is turned into closures once,
because walking it costs some hundred times as much as calling them (`enforce`: 270 µs, a closure: 1).
What a closure answers is what oslo.policy's own `enforce` would: a property test compares the two.

Where oslo.policy would go on with a rule that never or always matches, this refuses the file: a check it
cannot parse, a check of a kind that asks somebody else (`http:`), rules that go round in circles.

All functions raise ValueError, whose text names the rule.
"""

import ast
import logging
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import Any

from oslo_policy.policy import AndCheck, Check, NotCheck, OrCheck, RuleCheck, Rules, parse_file_contents

from transom.domain.model import Caller, Rule, Target
from transom.domain.policy import DEFAULTS, is_on_member_side

_log = logging.getLogger(__name__)

#: A tree of checks. The class that all of them derive from has no public name.
Tree = Any

#: A check string, or the older form: a list (any of) of lists (all of) of checks.
Text = str | list[Any]

#: Values a check may compare that belong to the caller, by the names that oslo.context gives them.
_OF_CALLER: Mapping[str, Callable[[Caller], Any]] = {
    "user_id": operator.attrgetter("user_id"),
    "user_domain_id": operator.attrgetter("user_domain_id"),
    "project_id": operator.attrgetter("project_id"),
    "project_domain_id": operator.attrgetter("domain_id"),
    "domain_id": lambda _caller: None,
    "system_scope": operator.attrgetter("system_scope"),
    "roles": operator.attrgetter("roles"),
    "service_roles": operator.attrgetter("service_roles"),
    "is_admin": operator.attrgetter("is_admin"),
}


def _member_id(caller: Caller, target: Target) -> str | None:
    return caller.project_id if is_on_member_side(caller, target) else None


#: Values that belong to the target, by the names that Glance gives them (glance/api/policy.py, ImageTarget).
_OF_TARGET: Mapping[str, Callable[[Caller, Target], Any]] = {
    "project_id": lambda _caller, target: target.owner,
    "owner": lambda _caller, target: target.owner,
    "visibility": lambda _caller, target: target.visibility,
    "member_id": _member_id,
    "member": _member_id,
}
#: Further ones, for images only.
_OF_IMAGE: Mapping[str, str] = {
    "image_id": "id",
    **{
        name: name
        for name in (
            *("id", "name", "status", "container_format", "disk_format", "min_disk", "min_ram", "protected"),
            *("os_hidden", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"),
        )
    },
}


def compile_rules(path: Path, asked: Collection[str] = ()) -> dict[str, Rule]:
    """Every rule in force as a function; the code's own where the file changes nothing that it rests on.
    `asked`: names that something asks for, beside those of the code."""
    found = _read(path)
    of_code: dict[str, Text] = {name: default.says.text for name, default in DEFAULTS.items()}
    texts = of_code | found
    referred = {name: set(_referred(_parse(name, text))) for name, text in texts.items()}
    for name in sorted(set(found) - {*DEFAULTS, *asked, *chain.from_iterable(referred.values())}):
        # Glance ignores a name that it does not know; so a misspelt one would go unnoticed.
        _log.warning("policy file: nothing asks for the rule %r", name)
    compiled = compile_texts(texts)

    def is_changed(name: str) -> bool:
        return name in found or any(map(is_changed, referred.get(name, ())))

    unchanged = {name: default.says.rule for name, default in DEFAULTS.items() if not is_changed(name)}
    return compiled | unchanged


def _read(path: Path) -> dict[str, Text]:
    try:
        found: Any = parse_file_contents(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(error.strerror) from None
    # oslo.policy would take no text at all for one that lets everybody.
    is_sound = isinstance(found, dict) and all(
        isinstance(name, str) and isinstance(text, str | list) for name, text in found.items()
    )
    if not is_sound:
        raise ValueError('each line must be a name and a text, as in: "add_image": "role:member"')
    rules: dict[str, Text] = found
    return rules


def compile_texts(texts: Mapping[str, Text]) -> dict[str, Rule]:
    """Every rule as a function."""
    compiled: dict[str, Rule] = {}

    def compile_rule(name: str, above: tuple[str, ...]) -> Rule:
        if name in above:
            raise ValueError(f"rule {above[0]}: it refers to itself: {' → '.join((*above, name))}")
        if name not in compiled:
            where = (*above, name)
            check = _parse(name, texts[name])
            compiled[name] = _compile(check, lambda other: compile_rule(resolve(other, name), where), name)
        return compiled[name]

    def resolve(other: str, name: str) -> str:
        if other in texts:
            return other
        # oslo.policy takes `default` for whatever is not defined. Where that lets everybody, as it does
        # unless the operator sets it, a misspelt reference would open the door.
        if texts["default"] in ("", "@", []):
            raise ValueError(f"rule {name}: it refers to the rule {other}, which is not defined")
        return "default"

    for name in texts:
        compile_rule(name, ())
    return compiled


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"rule {name}: {error}") from None


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _parse(name: str, text: Text) -> Tree:
    """The tree of checks. oslo.policy logs what it cannot parse and lets nobody pass; here it is an error."""
    parser_log = logging.getLogger("oslo_policy")
    complaints = _Complaints()
    propagates, parser_log.propagate = parser_log.propagate, False
    parser_log.addHandler(complaints)
    try:
        # A rule may be a list, which the annotation of `from_dict` leaves out.
        rules: Any = {name: text}
        check = Rules.from_dict(rules)[name]
    except (AttributeError, TypeError):
        raise ValueError(f"rule {name}: {text!r} cannot be understood") from None
    finally:
        parser_log.removeHandler(complaints)
        parser_log.propagate = propagates
    if complaints.texts:
        raise ValueError(f"rule {name}: {text!r} cannot be understood")
    return check


def _class_of(text: str) -> type:
    """The class of the check that a text is parsed to: four classes have no public name."""
    return type(_parse("", text))


_TRUE, _FALSE, _ROLE, _GENERIC = map(_class_of, ("@", "!", "role:member", "user_id:%(owner)s"))


def _referred(check: Tree) -> Iterator[str]:
    """The names of the rules that a tree refers to."""
    if isinstance(check, RuleCheck):
        yield check.match
    for below in _below(check):
        yield from _referred(below)


def _below(check: Tree) -> list[Tree]:
    if isinstance(check, AndCheck | OrCheck):
        return list(check.rules)
    return [check.rule] if isinstance(check, NotCheck) else []


# ---- checks → closures


def _compile(check: Tree, find_rule: Callable[[str], Rule], name: str) -> Rule:
    rules = [_compile(below, find_rule, name) for below in _below(check)]
    # By the very class: a plug-in's check may derive from one of these and do something else.
    kind = type(check)
    if kind is AndCheck:
        return _all_of(rules)
    if kind is OrCheck:
        return _any_of(rules)
    if kind is NotCheck:
        return _not(rules[0])
    if kind is _TRUE:
        return lambda _caller, _target: True
    if kind is _FALSE:
        return lambda _caller, _target: False
    if isinstance(check, Check):
        if kind is RuleCheck:
            return find_rule(check.match)
        with _named(name):
            if kind is _ROLE:
                return _has_role(_compile_template(check.match))
            if kind is _GENERIC:
                return _compile_comparison(check.kind, _compile_template(check.match))
    raise ValueError(f"rule {name}: the check {check} is of a kind that is not supported")


def _all_of(rules: list[Rule]) -> Rule:
    """Pairs of pairs: a generator over three rules costs more than two calls more."""
    return reduce(_both, rules)


def _any_of(rules: list[Rule]) -> Rule:
    return reduce(_either, rules)


def _both(first: Rule, second: Rule) -> Rule:
    return lambda caller, target: first(caller, target) and second(caller, target)


def _either(first: Rule, second: Rule) -> Rule:
    return lambda caller, target: first(caller, target) or second(caller, target)


def _not(rule: Rule) -> Rule:
    return lambda caller, target: not rule(caller, target)


#: The text that a check compares, or None where the target has no such value.
Template = Callable[[Caller, Target], str | None]


def _has_role(template: Template) -> Rule:
    def rule(caller: Caller, target: Target) -> bool:
        role = template(caller, target)
        return role is not None and role.lower() in caller.roles

    return rule


def _compile_comparison(kind: str, template: Template) -> Rule:
    """`kind:match`: the kind is a literal, or the name of a value of the caller."""
    try:
        literal = str(ast.literal_eval(kind))
    except ValueError:
        return _compile_lookup(kind, template)
    except (SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"{kind!r} is neither a literal nor the name of a value") from None
    return lambda caller, target: template(caller, target) == literal


def _compile_lookup(kind: str, template: Template) -> Rule:
    read = _OF_CALLER.get(kind)
    if read is None:
        _log.warning("policy file: no caller has a value %r, so a check for it never matches", kind)
        return lambda _caller, _target: False
    if kind.endswith("roles"):
        return lambda caller, target: template(caller, target) in read(caller)
    return lambda caller, target: template(caller, target) == str(read(caller))


class _Values(Mapping[str, Any]):
    """The values of a target as a mapping, for the `%` of Python."""

    def __init__(self, caller: Caller, target: Target) -> None:
        self._caller = caller
        self._target = target

    def __getitem__(self, key: str) -> Any:
        read = _OF_TARGET.get(key)
        if read is not None:
            return read(self._caller, self._target)
        image = self._target.image
        if image is None:
            raise KeyError(key)
        name = _OF_IMAGE.get(key)
        return image.properties[key] if name is None else getattr(image, name)

    def __iter__(self) -> Iterator[str]:
        return iter((*_OF_TARGET, *_OF_IMAGE))

    def __len__(self) -> int:
        return len(_OF_TARGET) + len(_OF_IMAGE)


class _Probe(dict[str, str]):
    def __missing__(self, _key: str) -> str:
        return ""


def _compile_template(text: str) -> Template:
    if "%" not in text:
        return lambda _caller, _target: text
    try:
        text % _Probe()
    except (TypeError, ValueError):
        raise ValueError(f"{text!r} is malformed: a value of the target is written %(name)s") from None
    key = text[2:-2]
    read = _OF_TARGET.get(key) if text == f"%({key})s" else None
    if read is not None:
        return lambda caller, target: str(read(caller, target))

    def fill(caller: Caller, target: Target) -> str | None:
        try:
            return text % _Values(caller, target)
        except KeyError:
            return None

    return fill
