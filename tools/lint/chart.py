"""tools/lint/chart.py: as much of Go's text/template as the Helm chart of this tree uses.

Not Helm: what it does not know is an error, so the templates stay as simple as this file.
"""

import re

import yaml

WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\||[^\s|]+')


class Fault(Exception):
    """A template says what this file does not understand."""


def scan(text):
    """[("text", ...), ("action", words)] with the blanks that {{- and -}} take away gone."""
    parts, at, trim = [], 0, False
    for m in re.finditer(r"\{\{(-?)(.*?)(-?)\}\}", text, re.S):
        piece = text[at : m.start()]
        piece = piece.lstrip() if trim else piece
        parts.append(("text", piece.rstrip() if m.group(1) else piece))
        parts.append(("action", WORD.findall(m.group(2))))
        at, trim = m.end(), bool(m.group(3))
    rest = text[at:]
    parts.append(("text", rest.lstrip() if trim else rest))
    return parts


def parse(parts, at=0, inner=False):
    """A list of ("text", s), ("print", words), (keyword, words, body)."""
    body = []
    while at < len(parts):
        kind, what = parts[at]
        at += 1
        if kind == "text":
            body.append(("text", what))
        elif what == ["end"]:
            if not inner:
                raise Fault("an end too many")
            return body, at
        elif what[0] in ("if", "with", "range"):
            block, at = parse(parts, at, True)
            body.append((what[0], what[1:], block))
        else:
            body.append(("print", what))
    if inner:
        raise Fault("an end is missing")
    return body, at


def look_up(path, dot, root):
    if path.startswith("$"):
        dot, path = root, path[1:]
    for name in filter(None, path.split(".")):
        if not isinstance(dot, dict):
            raise Fault(f"{path}: nothing has fields there")
        dot = dot.get(name)
    return dot


def value_of(word, dot, root):
    if word.startswith('"'):
        return yaml.safe_load(word)
    if re.fullmatch(r"-?[0-9]+", word):
        return int(word)
    if re.fullmatch(r"\$?\.[\w.]*", word):
        return look_up(word, dot, root)
    raise Fault(f"{word}: neither a value nor a function")


def call(name, args):
    if name == "toYaml":
        return yaml.safe_dump(args[0], sort_keys=True, default_flow_style=False).removesuffix("...\n").rstrip("\n")
    if name == "nindent":
        return "\n" + "\n".join(" " * args[0] + row for row in str(args[1]).split("\n"))
    if name == "quote":
        return '"' + str(args[0]).replace("\\", "\\\\").replace('"', '\\"') + '"'
    if name == "default":
        return args[1] or args[0]
    if name == "has":
        return args[0] in (args[1] or [])
    raise Fault(f"{name}: no function that is known here")


def evaluate(words, dot, root):
    """A pipeline: the value of each part is the last argument of the next."""
    value, first = None, True
    for part in " ".join(words).split(" | "):
        names = WORD.findall(part)
        known = re.fullmatch(r"[a-zA-Z]+", names[0])
        args = [value_of(w, dot, root) for w in (names[1:] if known else names)]
        if not known and (len(args) != 1 or not first):
            raise Fault(f"{part}: more than a value")
        value = call(names[0], args if first else [*args, value]) if known else args[0]
        first = False
    return value


def text_of(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<no value>" if value is None else str(value)


def run(body, dot, root):
    out = []
    for step in body:
        if step[0] == "text":
            out.append(step[1])
        elif step[0] == "print":
            out.append(text_of(evaluate(step[1], dot, root)))
        else:
            value = evaluate(step[1], dot, root)
            if step[0] == "range":
                out += [run(step[2], one, root) for one in value or []]
            elif value:
                out.append(run(step[2], value if step[0] == "with" else dot, root))
    return "".join(out)


def render(text, root):
    """The text of a template with @root for its dot."""
    return run(parse(scan(text))[0], root, root)
