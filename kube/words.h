/*
 * kube/words.h: words of others (a server, a plugin) made fit for our own messages.
 */
#ifndef HERALD_KUBE_WORDS_H
#define HERALD_KUBE_WORDS_H

#include <stddef.h>

/* In place: one line, printable, valid UTF-8, no blanks at its ends.  Gives @text. */
char *words_clean(char *text);
/* In place: each @secret in @text becomes asterisks; NULL or a very short one is no secret. */
void words_hide(char *text, const char *secret);
/* A secret's end: wiped, then freed; NULL is fine. */
void secret_free(char *);

#endif
