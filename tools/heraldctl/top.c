/*
 * tools/heraldctl/top.c: see top.h.  Asks the daemon every second or two, draws what top_model.c makes of
 * its answers, and goes on when the daemon is away for a while.
 */
#include "tools/heraldctl/top.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "tools/heraldctl/client.h"
#include "tools/heraldctl/top_model.h"

#include <curses.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EVERY_S 2
#define CTRL_C 3
#define ESCAPE 27
#define FILTER_MAX 60

struct top {
	const char *socket;
	uint64_t every_us;
	struct top_model model;
	bool known; /* there was an answer */
	char *error;
	bool paused, typing; /* typing: what is filtered by */
	char filter[FILTER_MAX + 1];
	enum top_pane_id pane; /* that keys scroll */
	size_t first[TOP_NR_PANES];
	size_t page; /* rows of that pane on the screen */
};

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- asking ---- */

static void
look(struct top *t)
{
	static const struct {
		const char *words[3];
		int nr;
	} questions[] = { { { "status" }, 1 }, { { "bgp", "peers" }, 2 },
		{ { "service", "list", "--stats" }, 3 }, { { "l2" }, 1 } };
	json_t *answers[4] = { NULL };
	int status = CTL_OK;

	free(t->error);
	t->error = NULL;
	for (int i = 0; i < 4 && status == CTL_OK; i++)
		status = client_ask(
		    t->socket, questions[i].nr, questions[i].words, "json", &answers[i], &t->error);
	if (status == CTL_OK) {
		top_model_take(&t->model, now_us(), answers[0], answers[1], answers[2], answers[3]);
		t->known = true;
	}
	for (int i = 0; i < 4; i++)
		json_decref(answers[i]);
}

/* ---- drawing ---- */

/* What a terminal would take for more than text is not given to it. */
static void
put(int y, int x, int width, const char *text, attr_t attr)
{
	struct buf b;

	if (width <= 0)
		return;
	buf_init(&b, 4096);
	for (const char *c = text; *c && b.len < (size_t)width; c++)
		buf_putc(&b, *c >= ' ' && *c <= '~' ? *c : '?');
	attron(attr);
	mvaddnstr(y, x, buf_text(&b), width);
	attroff(attr);
	buf_fini(&b);
}

static attr_t
mood_attr(enum top_mood mood)
{
	if (mood == TOP_PLAIN)
		return A_NORMAL;
	if (!has_colors())
		return mood == TOP_BAD ? A_BOLD : A_NORMAL;
	return (attr_t)COLOR_PAIR(mood) | (mood == TOP_BAD ? A_BOLD : A_NORMAL);
}

static bool
is_shown(const struct top *t, const struct top_row *r)
{
	if (!*t->filter)
		return true;
	for (int c = 0; c < TOP_COLUMNS_MAX && r->cells[c]; c++)
		if (strstr(r->cells[c], t->filter))
			return true;
	return false;
}

static size_t
nr_matching(const struct top *t, enum top_pane_id id)
{
	const struct top_pane *p = &t->model.panes[id];
	size_t nr = 0;

	for (size_t i = 0; i < p->nr; i++)
		nr += is_shown(t, &p->rows[i]);
	return nr;
}

/* As wide as what is in them, over all rows, so that scrolling moves nothing sideways. */
static void
column_widths(const struct top_pane *p, int widths[TOP_COLUMNS_MAX])
{
	for (int c = 0; c < TOP_COLUMNS_MAX && p->columns[c]; c++) {
		widths[c] = (int)strlen(p->columns[c]);
		for (size_t i = 0; i < p->nr; i++) {
			const int len = (int)strlen(p->rows[i].cells[c]);

			if (len > widths[c])
				widths[c] = len;
		}
	}
}

static void
draw_row(int y, const struct top_pane *p, const int *widths, const char *const *cells, attr_t attr)
{
	int x = 0;

	for (int c = 0; c < TOP_COLUMNS_MAX && p->columns[c] && x < COLS; c++) {
		const int pad = p->right >> c & 1 ? widths[c] - (int)strlen(cells[c]) : 0;

		put(y, x + pad, COLS - x - pad, cells[c], attr);
		x += widths[c] + 2;
	}
}

static void
draw_pane(struct top *t, enum top_pane_id id, int y, size_t height)
{
	const struct top_pane *p = &t->model.panes[id];
	const attr_t focus = id == t->pane ? A_REVERSE : A_NORMAL;
	int widths[TOP_COLUMNS_MAX] = { 0 };
	size_t shown = 0, matching = nr_matching(t, id), room = height - 2;
	char *title;

	column_widths(p, widths);
	draw_row(y + 1, p, widths, p->columns, A_DIM);
	if (t->first[id] + room > matching)
		t->first[id] = matching > room ? matching - room : 0;
	for (size_t i = 0, at = 0; i < p->nr && shown < room; i++) {
		if (!is_shown(t, &p->rows[i]) || at++ < t->first[id])
			continue;
		draw_row(y + 2 + (int)shown++, p, widths, (const char *const *)p->rows[i].cells,
		    mood_attr(p->rows[i].mood));
	}
	if (id == t->pane)
		t->page = room;
	title = matching > shown ? xasprintf(" %s: %zu to %zu of %zu ", p->title, t->first[id] + 1,
				       t->first[id] + shown, matching)
				 : xasprintf(" %s: %zu ", p->title, matching);
	put(y, 0, COLS, title, focus | A_BOLD);
	free(title);
}

static void
draw_foot(const struct top *t)
{
	if (t->typing || *t->filter) {
		char *text = xasprintf("/%s%s", t->filter, t->typing ? "_" : "");

		put(LINES - 1, 0, COLS, text, A_BOLD);
		free(text);
	} else {
		put(LINES - 1, 0, COLS,
		    t->paused ? "PAUSED  space goes on  q quits"
			      : "q quits  tab next  arrows scroll  / filters  space pauses",
		    A_DIM);
	}
}

static void
draw(struct top *t)
{
	size_t heights[TOP_NR_PANES], nr[TOP_NR_PANES];
	int y = 3;

	erase();
	if (t->known) {
		put(0, 0, COLS, t->model.head[0], A_BOLD);
		put(1, 0, COLS, t->model.head[1], A_NORMAL);
	}
	if (t->error) {
		put(2, 0, COLS, t->error, mood_attr(TOP_BAD) | A_BOLD);
		y = 4;
	}
	for (int id = 0; id < TOP_NR_PANES; id++)
		nr[id] = nr_matching(t, (enum top_pane_id)id);
	top_heights(LINES > y + 1 ? (size_t)(LINES - y - 1) : 0, nr, heights);
	if (heights[t->pane] == 0)
		t->pane = TOP_SERVICES;
	for (int id = 0; id < TOP_NR_PANES && t->known; id++) {
		if (heights[id])
			draw_pane(t, (enum top_pane_id)id, y, heights[id]);
		y += (int)heights[id];
	}
	draw_foot(t);
	refresh();
}

/* ---- keys ---- */

static void
type_key(struct top *t, int key)
{
	const size_t len = strlen(t->filter);

	if (key == '\n' || key == KEY_ENTER || key == '\r') {
		t->typing = false;
	} else if (key == ESCAPE) {
		t->typing = false;
		t->filter[0] = '\0';
	} else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && len) {
		t->filter[len - 1] = '\0';
	} else if (key >= ' ' && key <= '~' && len < FILTER_MAX) {
		t->filter[len] = (char)key;
		t->filter[len + 1] = '\0';
	}
}

static void
scroll_by(struct top *t, long rows)
{
	size_t *first = &t->first[t->pane];

	if (rows < 0)
		*first = *first > (size_t)-rows ? *first - (size_t)-rows : 0;
	else
		*first += (size_t)rows; /* draw_pane() knows where the end is */
}

/* False: the user leaves. */
static bool
take_key(struct top *t, int key)
{
	const long page = t->page > 1 ? (long)t->page - 1 : 1;

	if (key == CTRL_C)
		return false;
	if (t->typing) {
		type_key(t, key);
		return true;
	}
	switch (key) {
	case 'q':
		return false;
	case '\t':
		t->pane = (enum top_pane_id)((t->pane + 1) % TOP_NR_PANES);
		if (t->pane == TOP_L2 && t->model.panes[TOP_L2].nr == 0)
			t->pane = TOP_PEERS;
		break;
	case ' ':
		t->paused = !t->paused;
		break;
	case '/':
		t->typing = true;
		break;
	case KEY_UP:
	case 'k':
		scroll_by(t, -1);
		break;
	case KEY_DOWN:
	case 'j':
		scroll_by(t, 1);
		break;
	case KEY_PPAGE:
		scroll_by(t, -page);
		break;
	case KEY_NPAGE:
		scroll_by(t, page);
		break;
	case KEY_HOME:
		t->first[t->pane] = 0;
		break;
	default:
		break;
	}
	return true;
}

/* ---- all of it ---- */

static void
screen_begin(void)
{
	const char *plain = getenv("NO_COLOR");

	initscr();
	raw(); /* so that an interrupt comes as a key, and the terminal is left as it was */
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	define_key("\033[H", KEY_HOME); /* terminals do not agree on this one */
	curs_set(0);
	if (plain && *plain)
		return;
	start_color();
	use_default_colors();
	init_pair(TOP_GOOD, COLOR_GREEN, -1);
	init_pair(TOP_WARN, COLOR_YELLOW, -1);
	init_pair(TOP_BAD, COLOR_RED, -1);
}

static void
run(struct top *t)
{
	uint64_t next = 0, now;
	int key;

	for (;;) {
		now = now_us();
		if (now >= next && !t->paused) {
			look(t);
			now = now_us();
			next = now + t->every_us;
		}
		draw(t);
		timeout(t->paused ? 1000 : (int)((next - now) / 1000) + 1);
		key = getch();
		if (key != ERR && !take_key(t, key))
			return;
	}
}

int
top_run(const char *socket, int argc, const char *const *argv)
{
	struct top t = { .socket = socket, .every_us = EVERY_S * 1000000ull, .pane = TOP_SERVICES };
	const char *delay = NULL;
	uint64_t seconds = EVERY_S;

	if (argc == 2 && strcmp(argv[0], "-d") == 0)
		delay = argv[1];
	else if (argc == 1 && strncmp(argv[0], "-d", 2) == 0)
		delay = argv[0] + 2;
	if ((argc > 0 && !delay) ||
	    (delay && (text_u64(delay, 3600, &seconds) < 0 || seconds == 0))) {
		fprintf(stderr, "heraldctl: top: usage: heraldctl top [-d SECONDS], 1 to 3600\n");
		return CTL_USAGE;
	}
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
		fprintf(stderr,
		    "heraldctl: top: wants a terminal; heraldctl status, or monitor -o json, is "
		    "for "
		    "scripts\n");
		return CTL_USAGE;
	}
	t.every_us = seconds * 1000000;
	top_model_init(&t.model);
	/* Who starts it while no daemon is there is told so at once, as by any other command. */
	look(&t);
	if (!t.known) {
		fprintf(stderr, "heraldctl: %s\n", t.error);
		free(t.error);
		top_model_fini(&t.model);
		return CTL_NO_DAEMON;
	}
	screen_begin();
	run(&t);
	endwin();
	top_model_fini(&t.model);
	free(t.error);
	return CTL_OK;
}
