/*
 * resource/base64.h: RFC 4648 section 4, for the values of Secrets.
 */
#ifndef HERALD_RESOURCE_BASE64_H
#define HERALD_RESOURCE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Decode @len characters into @out (room for @len bytes); line breaks are skipped, padding must
 * be right.  -EINVAL: it is no base64. */
int base64_decode(const char *text, size_t len, uint8_t *out, size_t *out_len)
    __attribute__((warn_unused_result));

#endif
