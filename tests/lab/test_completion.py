"""Completion of heraldctl's commands in bash and zsh as people's shells load it, on a daemon that runs."""
import os
import pty
import shutil
import subprocess

import pytest

from herald_lab import until
from herald_lab.lab import program, root_dir
from herald_lab.pair import Pair

FOLDER = os.path.join(root_dir(), "etc/completion")

# What is typed, and what may be there then: all of it, or (with ...) at least that.
TYPED = {
    "heraldctl bgp pe": {"peers"},
    "heraldctl ipp": {"ippools"},
    "heraldctl bgp clear ": {"r4", "r6"},
    "heraldctl bgp clear r4 so": {"soft"},
    "heraldctl explain service ": {"default/web"},
    "heraldctl explain ": {"service", "address", "peer", "route", "--node"},
    "heraldctl -o js": {"json"},
    "heraldctl nonsense ": set(),
}
# Left over when a shell has put all of them in: of what ends alike.
FILES = "heraldctl plan -f ./only-"


@pytest.fixture(scope="module")
def env(module_lab):
    pair = Pair(module_lab).start()
    folder = module_lab.path("typing")
    for name in ("only-one.yaml", "other.yaml"):
        with open(os.path.join(folder, name), "w", encoding="utf-8"):
            pass
    return {"PATH": f"{os.path.dirname(program('heraldctl'))}:{os.environ['PATH']}", "HOME": folder,
            "HERALD_SOCKET": pair.herald.socket, "LANG": "C.UTF-8", "TERM": "vt100"}


# ---- bash ----

BASH = r"""
source "$1/heraldctl.bash"
COMP_LINE=$2 COMP_POINT=${#2}
read -ra COMP_WORDS <<<"$2"
[[ $2 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
[[ $(complete -p heraldctl) == *"-F _heraldctl heraldctl" ]] || exit 9
_heraldctl heraldctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def in_bash(env, typed):
    done = subprocess.run(["bash", "--norc", "-c", BASH, "bash", FOLDER, typed], env=env, text=True,
                          cwd=env["HOME"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {w for w in done.stdout.split("\n") if w}


@pytest.mark.parametrize("typed", TYPED)
def test_bash(env, typed):
    assert in_bash(env, typed) == TYPED[typed]


def test_bash_files(env):
    assert in_bash(env, FILES) == {"./only-one.yaml"}


# ---- zsh ----

# Every match at once into the line, and the line into a file; both on a key of their own.
ZSH = r"""
unsetopt zle_bracketed_paste prompt_sp beep auto_list
fpath=($FOLDER $fpath)
autoload -Uz compinit && compinit -u -d $HOME/zcompdump
_all() { _main_complete; compstate[insert]=all; compstate[list]= }
zle -C all complete-word _all
say() { print -r -- "$BUFFER" >$HOME/line.new; mv $HOME/line.new $HOME/line; BUFFER= }
zle -N say
bindkey '^A' all
bindkey '^E' say
print -r -- "${_comps[heraldctl]}" >$HOME/ready
"""


class Zsh:
    """`zsh -f` on a terminal of its own."""

    def __init__(self, lab, env):
        self.home = env["HOME"]
        self.master, slave = pty.openpty()
        with open(os.path.join(self.home, "setup.zsh"), "w", encoding="utf-8") as f:
            f.write(ZSH)
        self.popen = subprocess.Popen(
            ["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            cwd=self.home, env={**env, "FOLDER": FOLDER, "PS1": "% "})
        os.close(slave)
        os.set_blocking(self.master, False)
        lab.own(self)
        self.said = b""
        self.write(". ./setup.zsh\r")
        until(lambda: self.look("ready"), 120, lambda: f"zsh is set up; {self.said[-2000:]}")

    def look(self, name):
        """What stands in a file; what the terminal shows is taken away meanwhile."""
        try:
            self.said += os.read(self.master, 65536)
        except OSError:
            pass
        path = os.path.join(self.home, name)
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as f:
            return f.read()

    def write(self, text):
        os.write(self.master, text.encode())

    def line(self, typed):
        """The line once everything that may be there has been put in."""
        path = os.path.join(self.home, "line")
        if os.path.exists(path):
            os.unlink(path)
        self.write(f"{typed}\x01\x05")
        return until(lambda: self.look("line"), 60, lambda: f"{typed!r}; {self.said[-2000:]}").rstrip("\n")

    def close(self):
        self.popen.kill()
        self.popen.wait(10)
        os.close(self.master)


@pytest.fixture(scope="module")
def zsh(module_lab, env):
    if not shutil.which("zsh"):
        pytest.skip("needs zsh (Debian: zsh)")
    return Zsh(module_lab, env)


def test_zsh_knows_whose_completion_it_is(zsh):
    assert zsh.look("ready").strip() == "_heraldctl"


@pytest.mark.parametrize("typed", TYPED)
def test_zsh(zsh, typed):
    word = typed.rpartition(" ")[2]
    before = typed[:len(typed) - len(word)]
    got = zsh.line(typed)
    if not TYPED[typed]:
        assert got == typed
        return
    assert got.startswith(before), got
    assert set(got[len(before):].split()) == TYPED[typed]


def test_zsh_files(zsh):
    assert zsh.line(FILES).split()[-1] == "./only-one.yaml"
