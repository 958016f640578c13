/*
 * kube/curl.c: libcurl, opened when the first client of an API server is made; see curl.h.
 */
#include "kube/curl.h"

#include "lib/late.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

/* Filled once, never changed; only the main thread comes here. */
static struct curl_calls calls;
static bool is_open;

#define CALL(name)                                                                                 \
	{                                                                                          \
		"curl_" #name, offsetof(struct curl_calls, name)                                   \
	}

int
curl_calls_open(void)
{
	static const struct late_call names[] = {
		CALL(global_init),
		CALL(global_cleanup),
		CALL(easy_init),
		CALL(easy_cleanup),
		CALL(easy_setopt),
		CALL(easy_getinfo),
		CALL(easy_pause),
		CALL(easy_strerror),
		CALL(multi_init),
		CALL(multi_cleanup),
		CALL(multi_add_handle),
		CALL(multi_remove_handle),
		CALL(multi_assign),
		CALL(multi_info_read),
		CALL(multi_setopt),
		CALL(multi_socket_action),
		CALL(multi_strerror),
		CALL(slist_append),
		CALL(slist_free_all),
		{ NULL, 0 },
	};
	int err;

	if (is_open)
		return 0;
	err = late_open("libcurl.so.4", "libcurl4", &calls, names);
	is_open = err == 0;
	return err;
}

const struct curl_calls *
curl_calls(void)
{
	int err = curl_calls_open();

	assert(err == 0);
	return &calls;
}
