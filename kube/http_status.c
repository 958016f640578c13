/*
 * kube/http_status.c: what the API server's Status objects say, in words for people.  Part of the
 * answers of http.h.
 */
#include "kube/http.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

void
kube_status_text(const char *body, size_t len, int status, char *to, size_t size)
{
	json_t *root = body && len ? json_loadb(body, len, 0, NULL) : NULL;
	const char *message = json_string_value(json_object_get(root, "message"));

	if (message && *message)
		snprintf(to, size, "%d: %s", status, message);
	else
		snprintf(to, size, "HTTP status %d", status);
	json_decref(root);
}
