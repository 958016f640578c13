"""The matrix of doc/conformance.md: a row for each case, a column for each daemon."""
from .duts import all_duts
from .notes import NOTES

BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"
WORDS = {"pass": "yes", "fail": "**no**", "unsupported": "-", "unobservable": "?"}


def _said(got):
    """What is the same for any case."""
    if "the daemon" in got["note"] and ("ends by it" in got["note"] or "died" in got["note"]):
        return "the whole daemon ends by it"
    if got["note"].startswith("the session was reset"):
        return "the session is reset for it"
    return None


def totals(cases):
    out = {w: 0 for w in WORDS}
    for r in cases.values():
        out[r["verdict"]] += 1
    return out


def summary(found):
    """A few lines for a terminal, and what fails."""
    w = []
    for name, d in found["daemons"].items():
        t = totals(d["cases"])
        w.append(f"{name:9} {d['version']:12} {t['pass']:4} pass {t['fail']:4} fail "
                 f"{t['unsupported']:4} not supported {t['unobservable']:3} not observable"
                 + (f"  (died {d['deaths']} times)" if d["deaths"] else ""))
    for name, d in found["daemons"].items():
        for c, r in d["cases"].items():
            if r["verdict"] == "fail":
                w.append(f"{name}: {c}: {r['note'][:300]}")
    return "\n".join(w)


def lines(found):
    duts = [n for n in all_duts() if n in found["daemons"]]
    titles = [f"{all_duts()[n].title} {found['daemons'][n]['version']}" for n in duts]
    yield f"| RFC, section | level | rule | case | {' | '.join(titles)} |"
    yield "| --- | --- | --- | --- |" + " --- |" * len(duts)
    notes = {}
    for c, r in found["rules"].items():
        cells = []
        for n in duts:
            got = found["daemons"][n]["cases"][c]
            cell = WORDS[got["verdict"]]
            why = NOTES.get((n, c)) or _said(got) if got["verdict"] == "fail" else None
            if why:
                cell += f" [{notes.setdefault((all_duts()[n].title, why), len(notes) + 1)}]"
            cells.append(cell)
        rule = r["rule"].replace("|", "\\|")
        yield f"| {r['rfc']} {r['section']} | {r['level']} | {rule} | `{c}` | {' | '.join(cells)} |"
    for word, label in (("pass", "yes"), ("fail", "no"), ("unsupported", "-"),
                        ("unobservable", "?")):
        sums = [str(totals(found["daemons"][n]["cases"])[word]) for n in duts]
        yield f"| | | **total of {len(found['rules'])}** | {label} | {' | '.join(sums)} |"
    musts = [c for c, r in found["rules"].items() if r["level"] == "MUST"]
    sums = []
    for n in duts:
        got = [found["daemons"][n]["cases"][c]["verdict"] for c in musts]
        sums.append(f"{got.count('pass')} of {got.count('pass') + got.count('fail')}")
    yield f"| | | **MUSTs kept, of those that apply** | | {' | '.join(sums)} |"
    if notes:
        yield ""
        for (title, why), i in notes.items():
            yield f"[{i}] {title}: {why}"
            yield ""


def write(path, found):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    with open(path, "w", encoding="utf-8") as f:
        f.write(head + BEGIN + "\n" + "\n".join(lines(found)) + "\n" + END + tail)
