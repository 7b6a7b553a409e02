/* fetch_att.h: what a FETCH asks for.
 *
 * Purpose    "(FLAGS BODY.PEEK[HEADER.FIELDS (From)]<0.100>)" and "(CHANGEDSINCE 5 VANISHED)" as
 *            structs. RFC 9051 §6.4.5, RFC 3501 §6.4.5, RFC 3516 §4, RFC 7162 §3.1.4 and §3.2.6,
 *            RFC 8514 §4.3, RFC 8970 §3.
 * Ownership  Results live in the lexer's arena or point into its input.
 * Threads    No state.
 * Limits     IMAP_SECTIONS_MAX sections, IMAP_PART_DEPTH_MAX path components, IMAP_FIELDS_MAX
 *            field names in one list.
 * Errors     -1 with ERR_INPUT (BAD) or ERR_LIMIT.
 * Not here   Finding the bytes: section.h.
 */
#ifndef BUZON_PROTOCOLS_IMAP_FETCH_ATT_H
#define BUZON_PROTOCOLS_IMAP_FETCH_ATT_H

#include "protocols/imap/lexer.h"

enum { IMAP_SECTIONS_MAX = 200, IMAP_PART_DEPTH_MAX = 64, IMAP_FIELDS_MAX = 500 };

enum imap_att {
	ATT_UID = 1,
	ATT_FLAGS = 2,
	ATT_INTERNALDATE = 4,
	ATT_SIZE = 8,
	ATT_MODSEQ = 16,
	ATT_SAVEDATE = 32,
	/* From here on the message row is needed. */
	ATT_ENVELOPE = 64,
	ATT_BODY = 128,
	ATT_BODYSTRUCTURE = 256,
	ATT_PREVIEW = 512,
	ATT_OF_ROW = ATT_ENVELOPE | ATT_BODY | ATT_BODYSTRUCTURE | ATT_PREVIEW,
};

enum imap_section_form {
	FORM_BODY,        /* the bytes as they are */
	FORM_BINARY,      /* content-transfer-encoding undone */
	FORM_BINARY_SIZE, /* the size of that */
};

enum imap_section_text {
	SECTION_WHOLE, /* the message, or the part's content */
	SECTION_HEADER,
	SECTION_FIELDS,
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,
};

struct imap_section {
	enum imap_section_form form;
	enum imap_section_text text;
	uint32_t *path;
	size_t depth;
	str *fields;
	size_t field_count;
	bool peek;
	bool partial;
	uint64_t offset, length; /* when partial */
	str label;               /* as the response names it: "BODY[TEXT]<0>" */
};

struct imap_fetch_atts {
	uint32_t simple; /* enum imap_att bits */
	struct imap_section *sections;
	size_t section_count;
	bool sets_seen; /* something without PEEK */
};

/* A macro, one attribute or a list in parentheses. */
int imap_fetch_atts_parse(struct imap_lexer *l, struct imap_fetch_atts *out, struct err *err);

struct imap_fetch_modifiers {
	bool has_changed_since;
	uint64_t changed_since;
	bool vanished;
};

/* The list in parentheses behind the attributes, when there is one; nothing else behind it is
 * looked at. */
int imap_fetch_modifiers_parse(
    struct imap_lexer *l, struct imap_fetch_modifiers *out, struct err *err);

#endif
