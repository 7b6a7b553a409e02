#include "protocols/smtp_client/capabilities.h"

#include "base/num.h"
#include "protocols/sasl/sasl.h"

typedef void value_fn(struct smtp_capabilities *c, str value);

enum { WORD_MAX = 255 };

static void read_size(struct smtp_capabilities *c, str value)
{
	str word;

	c->size = 0;
	if (take_word(&value, WORD_MAX, &word) == 0)
		(void)num_parse_u64(word, UINT64_MAX, &c->size);
}

static void read_auth(struct smtp_capabilities *c, str value)
{
	str word;

	for (; take_word(&value, WORD_MAX, &word) == 0; value = str_trim(value))
		for (size_t i = 0; sasl_mechanisms[i]; i++)
			if (str_ieq(word, sasl_mechanisms[i]->name))
				c->mechanisms |= 1u << i;
}

/* RFC 9422 §4: NAME=VALUE words; unknown ones are passed over. */
static void read_limits(struct smtp_capabilities *c, str value)
{
	const struct {
		str name;
		uint32_t *at;
	} limits[] = {
		{ STR("RCPTMAX"), &c->rcpt_max },
		{ STR("MAILMAX"), &c->mail_max },
		{ STR("RCPTDOMAINMAX"), &c->domain_max },
	};
	str word, name;

	for (; take_word(&value, WORD_MAX, &word) == 0; value = str_trim(value)) {
		uint32_t n;
		(void)str_split(&word, '=', &name);
		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
			if (str_ieq(name, limits[i].name) && num_parse_u32(word, 999999, &n) == 0)
				*limits[i].at = n;
	}
}

static void read_by(struct smtp_capabilities *c, str value)
{
	(void)num_take_u32(&value, 999999999, &c->by_min_s);
}

static void read_release(struct smtp_capabilities *c, str value)
{
	(void)num_take_u64(&value, 999999999, &c->release_max_s);
}

/* The only list. */
static const struct {
	const char *name;
	enum smtp_capability flag;
	value_fn *read;
} keywords[] = {
	{ "PIPELINING", SMTP_CAN_PIPELINING, NULL },                   /* RFC 2920 */
	{ "CHUNKING", SMTP_CAN_CHUNKING, NULL },                       /* RFC 3030 */
	{ "BINARYMIME", SMTP_CAN_BINARYMIME, NULL },                   /* RFC 3030 */
	{ "8BITMIME", SMTP_CAN_8BITMIME, NULL },                       /* RFC 6152 */
	{ "SMTPUTF8", SMTP_CAN_SMTPUTF8, NULL },                       /* RFC 6531 */
	{ "SIZE", SMTP_CAN_SIZE, read_size },                          /* RFC 1870 */
	{ "DSN", SMTP_CAN_DSN, NULL },                                 /* RFC 3461 */
	{ "STARTTLS", SMTP_CAN_STARTTLS, NULL },                       /* RFC 3207 */
	{ "REQUIRETLS", SMTP_CAN_REQUIRETLS, NULL },                   /* RFC 8689 */
	{ "AUTH", SMTP_CAN_AUTH, read_auth },                          /* RFC 4954 */
	{ "LIMITS", SMTP_CAN_LIMITS, read_limits },                    /* RFC 9422 */
	{ "ENHANCEDSTATUSCODES", SMTP_CAN_ENHANCEDSTATUSCODES, NULL }, /* RFC 2034 */
	{ "FUTURERELEASE", SMTP_CAN_FUTURERELEASE, read_release },     /* RFC 4865 */
	{ "DELIVERBY", SMTP_CAN_DELIVERBY, read_by },                  /* RFC 2852 */
	{ "MT-PRIORITY", SMTP_CAN_MT_PRIORITY, NULL },                 /* RFC 6710 */
};
enum { KEYWORDS = sizeof(keywords) / sizeof(keywords[0]) };

/* "AUTH=LOGIN PLAIN" is how servers said it before there was an RFC, for clients that still look for it. */
static bool is_keyword(str word, const char *name)
{
	str key;

	if (str_ieq(word, str_c(name)))
		return true;
	return str_split(&word, '=', &key) && str_ieq(key, str_c(name));
}

static void read_line(struct smtp_capabilities *c, str line)
{
	str whole = str_trim(line), rest = whole, word;

	if (take_word(&rest, WORD_MAX, &word) < 0)
		return;
	for (size_t i = 0; i < KEYWORDS; i++) {
		if (!is_keyword(word, keywords[i].name))
			continue;
		c->flags |= (unsigned)keywords[i].flag;
		/* Behind the name and what parts it from its value. */
		if (keywords[i].read)
			keywords[i].read(
			    c, str_trim(str_skip(whole, strlen(keywords[i].name) + 1)));
	}
}

void smtp_capabilities_parse(str text, struct smtp_capabilities *out, str *out_name)
{
	struct smtp_capabilities c = { 0 };
	str line, name = STR_NONE;

	(void)str_split(&text, '\n', &line);
	(void)take_word(&line, WORD_MAX, &name);
	while (str_split(&text, '\n', &line))
		read_line(&c, line);
	*out = c;
	*out_name = name;
}

const char *smtp_capability_name(enum smtp_capability c)
{
	for (size_t i = 0; i < KEYWORDS; i++)
		if (keywords[i].flag == c)
			return keywords[i].name;
	return "?";
}
