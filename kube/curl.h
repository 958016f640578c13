/*
 * kube/curl.h: libcurl, opened when the first client of an API server is made (lib/late.h).  In place of
 * <curl/curl.h>; its functions are called by their names.
 */
#ifndef HERALD_KUBE_CURL_H
#define HERALD_KUBE_CURL_H

#include <curl/curl.h>

/* These are macros that check types, and would hide ours. */
#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt

struct curl_calls {
	typeof(curl_global_init) *global_init;
	typeof(curl_global_cleanup) *global_cleanup;
	typeof(curl_easy_init) *easy_init;
	typeof(curl_easy_cleanup) *easy_cleanup;
	typeof(curl_easy_setopt) *easy_setopt;
	typeof(curl_easy_getinfo) *easy_getinfo;
	typeof(curl_easy_pause) *easy_pause;
	typeof(curl_easy_strerror) *easy_strerror;
	typeof(curl_multi_init) *multi_init;
	typeof(curl_multi_cleanup) *multi_cleanup;
	typeof(curl_multi_add_handle) *multi_add_handle;
	typeof(curl_multi_remove_handle) *multi_remove_handle;
	typeof(curl_multi_assign) *multi_assign;
	typeof(curl_multi_info_read) *multi_info_read;
	typeof(curl_multi_setopt) *multi_setopt;
	typeof(curl_multi_socket_action) *multi_socket_action;
	typeof(curl_multi_strerror) *multi_strerror;
	typeof(curl_slist_append) *slist_append;
	typeof(curl_slist_free_all) *slist_free_all;
};

/* Open libcurl; again is fine.  -ENOENT: it is not there, which was logged. */
int curl_calls_open(void) __attribute__((warn_unused_result));
/* Its functions; opens it when that was not done, and there is no way on without it. */
const struct curl_calls *curl_calls(void);

#define curl_global_init curl_calls()->global_init
#define curl_global_cleanup curl_calls()->global_cleanup
#define curl_easy_init curl_calls()->easy_init
#define curl_easy_cleanup curl_calls()->easy_cleanup
#define curl_easy_setopt curl_calls()->easy_setopt
#define curl_easy_getinfo curl_calls()->easy_getinfo
#define curl_easy_pause curl_calls()->easy_pause
#define curl_easy_strerror curl_calls()->easy_strerror
#define curl_multi_init curl_calls()->multi_init
#define curl_multi_cleanup curl_calls()->multi_cleanup
#define curl_multi_add_handle curl_calls()->multi_add_handle
#define curl_multi_remove_handle curl_calls()->multi_remove_handle
#define curl_multi_assign curl_calls()->multi_assign
#define curl_multi_info_read curl_calls()->multi_info_read
#define curl_multi_setopt curl_calls()->multi_setopt
#define curl_multi_socket_action curl_calls()->multi_socket_action
#define curl_multi_strerror curl_calls()->multi_strerror
#define curl_slist_append curl_calls()->slist_append
#define curl_slist_free_all curl_calls()->slist_free_all

#endif
