/*
 * daemon/page_assets.S: what the browser is given, brought into the archive as bytes; page.c names it.
 */
	.macro asset name, file
	.global page_\name
	.balign 16
page_\name:
	.incbin "\file"
	.set page_\name\()_bytes, . - page_\name
	.balign 4
	.global page_\name\()_len
page_\name\()_len:
	.long page_\name\()_bytes
	.endm

	.section .rodata
	asset html, "daemon/page/index.html"
	asset css, "daemon/page/page.css"
	asset js, "daemon/page/page.js"

	.section .note.GNU-stack,"",%progbits
