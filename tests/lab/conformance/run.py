"""`make conformance`: plays the catalogue against Herald, FRR, BIRD, GoBGP and OpenBGPD, writes
<build>/conformance.json, and the matrix between the marks in doc/conformance.md.

    run.py [--dut NAME ...] [--case NAME ...] [--jobs N] [--json FILE] [--logs DIR]
           [--no-doc]

Each daemon has a process of its own here, and namespaces of its own."""
import argparse
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

# pylint: disable=wrong-import-position
from conformance import catalogue, matrix  # noqa: E402
from conformance.duts import all_duts  # noqa: E402
from conformance.stage import Stage  # noqa: E402

# Of a wait that fails.  The others have many of those, and the machine is known to keep up.
TIMEOUT = {True: 30, False: 12}
ROOT = os.path.abspath(f"{HERE}/../../..")


def play(name, cases, jobs, logs):
    """One daemon, in this process; the result as JSON on standard output."""
    def told(chance, out):
        bad = [n for n, r in out.items() if r.verdict == "fail"]
        print(f"{name}: round {chance + 1}: {len(out)} cases, {len(bad)} fail", file=sys.stderr,
              flush=True)
    with Stage(all_duts()[name], cases, timeout=TIMEOUT[name == "herald"]) as stage:
        out = {"version": stage.dut.version()}
        results = stage.play_all(jobs, told)
        out["deaths"] = stage.deaths
        if logs:
            for path, text in stage.lab.logs():
                with open(f"{logs}/{name}-{os.path.basename(path)}", "w", encoding="utf-8") as f:
                    f.write(text)
    out["cases"] = {n: vars(r) for n, r in results.items()}
    print(json.dumps(out))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    ap.add_argument("--dut", action="append", help="only this daemon (again for more)")
    ap.add_argument("--case", action="append", help="only cases whose name has this in it")
    ap.add_argument("--jobs", type=int, default=20, help="cases at a time, of each daemon")
    ap.add_argument("--json", default=f"{os.environ.get('HERALD_BUILD', 'build')}/conformance.json")
    ap.add_argument("--no-doc", action="store_true", help="leave doc/conformance.md as it is")
    ap.add_argument("--logs", help="a directory for the daemons' logs")
    ap.add_argument("--inner", help=argparse.SUPPRESS)
    args = ap.parse_args()
    cases = [c for n, c in catalogue.load().items()
             if not args.case or any(w in n for w in args.case)]
    if args.inner:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return play(args.inner, cases, args.jobs, args.logs)
    begin = time.monotonic()
    names = args.dut or list(all_duts())
    more = [a for w in args.case or () for a in ("--case", w)]
    more += ["--logs", args.logs] if args.logs else []
    running = {n: subprocess.Popen(
        [sys.executable, __file__, "--inner", n, "--jobs", str(args.jobs), *more],
        stdout=subprocess.PIPE, text=True) for n in names}
    told = {}
    for n, p in running.items():
        out, _ = p.communicate()
        if p.returncode or not out:
            print(f"conformance: {n}: could not be run (exit status {p.returncode})",
                  file=sys.stderr)
        else:
            told[n] = json.loads(out)
    found = {"daemons": told, "rules": {c.name: {
        "rfc": c.rfc, "section": c.section, "level": c.level, "rule": c.rule} for c in cases}}
    with open(args.json, "w", encoding="utf-8") as f:
        json.dump(found, f, indent=1)
    print(matrix.summary(found))
    whole = not args.case and len(told) == len(all_duts())
    if whole and not args.no_doc:
        matrix.write(f"{ROOT}/doc/conformance.md", found)
    print(f"{time.monotonic() - begin:.0f} s; {args.json}"
          + ("; doc/conformance.md written anew" if whole and not args.no_doc else ""))
    herald = told.get("herald", {}).get("cases", {})
    return 1 if len(told) < len(names) or any(
        r["verdict"] == "fail" for r in herald.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
