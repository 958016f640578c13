/*
 * kube/http_count.c: what became of the calls, by verb and status, for metrics.  The verbs are those of
 * the API rather than of HTTP: a GET of a collection is a list or a watch.
 */
#include "kube/http_parts.h"

#include <string.h>

static const char *const verbs[HTTP_NR_VERBS] = { "get", "list", "watch", "post", "put", "patch",
	"delete", "other" };

static unsigned
verb_of(const struct kube_call *c)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	static const unsigned of_method[] = { 0, 3, 4, 5, 6 };

	if (c->data)
		return strstr(c->url, "watch=") ? 2 : 1;
	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(c->method, methods[i]) == 0)
			return of_method[i];
	return HTTP_NR_VERBS - 1;
}

void
http_count(struct kube_http *h, const struct kube_call *c)
{
	const unsigned verb = verb_of(c);
	/* What is no status of HTTP is no answer; a server cannot make rows without end. */
	const int status = c->status >= 100 && c->status < 600 ? c->status : 0;
	size_t i;

	for (i = 0; i < h->nr_counts; i++)
		if (h->counts[i].verb == verb && h->counts[i].status == status)
			break;
	if (i == HTTP_COUNTS_MAX - 1 && i == h->nr_counts) /* the last row is for all the rest */
		h->counts[h->nr_counts++] = (struct http_counted){ .verb = HTTP_NR_VERBS - 1 };
	else if (i == HTTP_COUNTS_MAX)
		i--;
	else if (i == h->nr_counts)
		h->counts[h->nr_counts++] = (struct http_counted){ .verb = verb, .status = status };
	h->counts[i].nr++;
}

void
kube_http_counts_each(const struct kube_http *h,
    bool (*each)(void *arg, const char *verb, int status, uint64_t nr), void *arg)
{
	for (size_t i = 0; i < h->nr_counts; i++)
		if (!each(arg, verbs[h->counts[i].verb], h->counts[i].status, h->counts[i].nr))
			return;
}
