/* Domain names: the part of formats/mailbox.h that needs IDNA. */
#include "formats/mailbox.h"

#include <idn2.h>

static bool is_label(str label)
{
	if (label.len == 0 || label.len > DOMAIN_LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.len; i++) {
		bool is_inner = i > 0 && i + 1 < label.len;
		/* The underscore is no host name character, but real mail domains have it. */
		if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '_' &&
		    !(is_inner && label.ptr[i] == '-'))
			return false;
	}
	return true;
}

/* Checks and lower-cases an all-ASCII name. */
static int add_ascii(str domain, struct buf *out, struct err *err)
{
	str rest = domain, label;

	if (domain.len == 0)
		return err_set(err, ERR_INPUT, "the domain is missing");
	if (domain.len > DOMAIN_MAX)
		return err_set(err, ERR_LIMIT, "the domain is longer than %d bytes", DOMAIN_MAX);
	while (str_split(&rest, '.', &label)) {
		if (!is_label(label))
			return err_set(err, ERR_INPUT, "the domain is not a valid domain name");
	}
	if (domain.len > out->max - out->len)
		return err_set(err, ERR_LIMIT, "the domain is too long");
	for (size_t i = 0; i < domain.len; i++)
		buf_addc(out, ascii_lower(domain.ptr[i]));
	return 0;
}

static int add_idna(str domain, struct buf *out, struct err *err)
{
	/* Each U-label of n bytes becomes at most 63; a name longer than this cannot be one. */
	enum { UTF8_MAX = 4 * DOMAIN_MAX };
	char name[UTF8_MAX + 1], *ascii = NULL;

	if (domain.len > UTF8_MAX)
		return err_set(err, ERR_LIMIT, "the domain is too long");
	if (!str_is_utf8(domain) || memchr(domain.ptr, '\0', domain.len))
		return err_set(err, ERR_INPUT, "the domain is not valid UTF-8");
	memcpy(name, domain.ptr, domain.len);
	name[domain.len] = '\0';
	/* Not IDN2_USE_STD3_ASCII_RULES: it drops the characters it does not like instead of refusing
	 * the name. add_ascii refuses them. */
	int code = idn2_to_ascii_8z(name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (code != IDN2_OK)
		return err_set(err, ERR_INPUT,
		    "the domain is not a valid international domain name: %s", idn2_strerror(code));
	int result = add_ascii(str_c(ascii), out, err);
	idn2_free(ascii);
	return result;
}

int domain_normalise(str domain, bool utf8, struct buf *out, struct err *err)
{
	if (domain.len > 1 && domain.ptr[domain.len - 1] == '.')
		domain.len--;
	if (str_is_ascii(domain))
		return add_ascii(domain, out, err);
	if (!utf8)
		return err_set(
		    err, ERR_INPUT, "the domain has characters outside ASCII, which need SMTPUTF8");
	return add_idna(domain, out, err);
}

void domain_display(str domain, struct buf *out)
{
	char name[DOMAIN_MAX + 1], *text = NULL;

	if (str_ifind(domain, STR("xn--")) == STR_NPOS || domain.len > DOMAIN_MAX) {
		buf_add(out, domain);
		return;
	}
	memcpy(name, domain.ptr, domain.len);
	name[domain.len] = '\0';
	if (idn2_to_unicode_8z8z(name, &text, 0) == IDN2_OK && text) {
		buf_addz(out, text);
		idn2_free(text);
	} else {
		buf_add(out, domain);
	}
}
