#include "formats/enhanced_status.h"

#include "base/num.h"

enum { NUMBER_DIGITS = 3, NUMBER_MAX = 999 }; /* RFC 3463 §2 */

static int take_number(str *in, uint16_t *out)
{
	str digits;
	uint32_t n;

	if (take_digits(in, NUMBER_DIGITS, &digits) < 0 ||
	    num_parse_u32(digits, NUMBER_MAX, &n) < 0)
		return -1;
	*out = (uint16_t)n;
	return 0;
}

int take_enhanced_status(str *in, struct enhanced_status *out)
{
	struct enhanced_status s = { 0 };
	str at = *in;

	if (at.len < 5 || (at.ptr[0] != '2' && at.ptr[0] != '4' && at.ptr[0] != '5'))
		return -1;
	s.class = (uint8_t)(at.ptr[0] - '0');
	at = str_skip(at, 1);
	if (take_char(&at, '.') < 0 || take_number(&at, &s.subject) < 0 ||
	    take_char(&at, '.') < 0 || take_number(&at, &s.detail) < 0)
		return -1;
	if (at.len && at.ptr[0] != ' ' && at.ptr[0] != '\t')
		return -1;
	*in = at;
	*out = s;
	return 0;
}

void enhanced_status_print(struct enhanced_status s, struct buf *out)
{
	if (!s.class)
		return;
	buf_addu(out, s.class);
	buf_addc(out, '.');
	buf_addu(out, s.subject);
	buf_addc(out, '.');
	buf_addu(out, s.detail);
}

/* What RFC 5321 §4.2.3 says that a code means, in the words of RFC 3463; those not here are x.0.0. */
static const struct {
	uint16_t code;
	struct enhanced_status status;
} meanings[] = {
	{ 421, { 4, 3, 2 } },  /* service not available */
	{ 450, { 4, 2, 0 } },  /* mailbox unavailable */
	{ 451, { 4, 3, 0 } },  /* local error */
	{ 452, { 4, 3, 1 } },  /* insufficient storage */
	{ 500, { 5, 5, 2 } },  /* syntax error */
	{ 501, { 5, 5, 4 } },  /* in arguments */
	{ 502, { 5, 5, 1 } },  /* not implemented */
	{ 503, { 5, 5, 1 } },  /* bad sequence */
	{ 504, { 5, 5, 4 } },  /* parameter not implemented */
	{ 521, { 5, 3, 2 } },  /* RFC 7504 §3: accepts no mail */
	{ 530, { 5, 7, 0 } },  /* RFC 4954 §6 */
	{ 535, { 5, 7, 8 } },  /* RFC 4954 §6 */
	{ 551, { 5, 1, 6 } },  /* user not local */
	{ 552, { 5, 2, 2 } },  /* exceeded storage allocation */
	{ 553, { 5, 1, 3 } },  /* mailbox name not allowed */
	{ 556, { 5, 1, 10 } }, /* RFC 7504 §4, RFC 7505 §4.1: null MX */
};

struct enhanced_status enhanced_status_of_code(unsigned code)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].code == code)
			return meanings[i].status;
	if (code < 200 || code > 599 || code / 100 == 3)
		return (struct enhanced_status){ 0 };
	return (struct enhanced_status){ .class = (uint8_t)(code / 100) };
}

bool enhanced_status_eq(struct enhanced_status a, struct enhanced_status b)
{
	return a.class == b.class && a.subject == b.subject && a.detail == b.detail;
}
