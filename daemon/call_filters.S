/*
 * daemon/call_filters.S: the filters of system calls that tools/callfilter made, brought into the archive as
 * bytes; call_filter.c loads them.
 */
	.macro filter name, file
	.global call_filter_\name
	.balign 8
call_filter_\name:
	.incbin "\file"
	.set call_filter_\name\()_bytes, . - call_filter_\name
	.balign 4
	.global call_filter_\name\()_len
call_filter_\name\()_len:
	.long call_filter_\name\()_bytes
	.endm

	.section .rodata
	filter daemon, "daemon/daemon.filter"
	filter helper, "daemon/helper.filter"

	.section .note.GNU-stack,"",%progbits
