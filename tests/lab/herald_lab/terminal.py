"""A terminal that a program believes in: a pty, and pyte to keep its screen."""
import contextlib
import fcntl
import html
import os
import pty
import select
import signal
import struct
import subprocess
import termios

import pyte

COLORS = {"default": "#d8dce0", "green": "#5fce9a", "red": "#ff8a80", "brown": "#f0bd5e", "black": "#14181c"}


class Terminal:
    def __init__(self, lab, netns, argv, lines=24, columns=80, env=None):
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._fd, inside = pty.openpty()
        self._size(inside, lines, columns)
        with netns.inside():
            self._popen = subprocess.Popen(argv, stdin=inside, stdout=inside, stderr=inside,
                                           start_new_session=True,
                                           env=dict(os.environ, TERM="linux", **(env or {})))
        os.close(inside)
        lab.own(self)

    @staticmethod
    def _size(fd, lines, columns):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, lines, columns):
        self._size(self._fd, lines, columns)
        self.screen.resize(lines, columns)
        self._popen.send_signal(signal.SIGWINCH)

    def text(self):
        """What stands on the screen now."""
        with contextlib.suppress(OSError):
            while select.select([self._fd], [], [], 0)[0]:
                got = os.read(self._fd, 65536)
                if not got:
                    break
                self._stream.feed(got)
        return "\n".join(line.rstrip() for line in self.screen.display)

    def lines(self):
        return self.text().split("\n")

    def type(self, keys):
        os.write(self._fd, keys.encode())

    def ended(self):
        """The exit status, None while it runs."""
        self.text()  # a program may wait for its last words to be read
        return self._popen.poll()

    def as_html(self):
        """The screen, for a picture."""
        self.text()
        rows = []
        for y in range(self.screen.lines):
            row = ""
            for x in range(self.screen.columns):
                c = self.screen.buffer[y][x]
                fg, bg = COLORS.get(c.fg, COLORS["default"]), COLORS["black"]
                if c.reverse:
                    fg, bg = bg, fg
                row += (f'<span style="color:{fg};background:{bg};'
                        f'font-weight:{700 if c.bold else 400}">{html.escape(c.data)}</span>')
            rows.append(row)
        return ('<body style="margin:0;background:#14181c"><pre style="font:15px/1.3 monospace;'
                'padding:10px">' + "\n".join(rows) + "</pre>")

    def close(self):
        with contextlib.suppress(OSError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(5)
        with contextlib.suppress(OSError):
            os.close(self._fd)
