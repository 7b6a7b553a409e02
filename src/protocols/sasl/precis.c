#include "protocols/sasl/precis.h"

#include <stdlib.h>

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/fd.h"
#include "base/secret.h"

/* How one profile treats a code point: what it becomes, or -1 when it is forbidden. */
typedef int32_t precis_map_fn(ucs4_t c);

static bool is_noncharacter(ucs4_t c)
{
	return (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
}

/* RFC 8264 §9: what neither string class takes. Soft hyphens and other ignorable characters cannot
 * be seen, so two strings that look alike would differ; joiners are the exception that scripts
 * need. */
static bool is_forbidden(ucs4_t c)
{
	if (c == 0x200c || c == 0x200d)
		return false;
	return uc_is_general_category_withtable(
	           c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cs | UC_CATEGORY_MASK_Cn) ||
	       uc_is_property_default_ignorable_code_point(c) || is_noncharacter(c);
}

static int32_t map_password(ucs4_t c)
{
	if (is_forbidden(c))
		return -1;
	if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Zs))
		return ' ';
	return (int32_t)c;
}

/* RFC 8264 §4.2: letters, digits and marks; of ASCII everything that can be seen. */
static int32_t map_username(ucs4_t c)
{
	ucs4_t narrow[UC_DECOMPOSITION_MAX_LENGTH];
	int tag, count;

	count = uc_decomposition(c, &tag, narrow);
	if (count == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
		c = narrow[0];
	if (c > 0x20 && c < 0x7f)
		return (int32_t)uc_tolower(c);
	if (is_forbidden(c) || !uc_is_general_category_withtable(c,
	                           UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_Nd))
		return -1;
	return (int32_t)uc_tolower(c);
}

static int map_all(str in, precis_map_fn *map, struct buf *out)
{
	const uint8_t *at = (const uint8_t *)in.ptr;
	size_t left = in.len;

	while (left > 0) {
		uint8_t bytes[6];
		ucs4_t c;
		int used = u8_mbtoucr(&c, at, left);
		int32_t mapped = used > 0 ? map(c) : -1;
		if (mapped < 0)
			return -1;
		int made = u8_uctomb(bytes, (ucs4_t)mapped, sizeof(bytes));
		if (made <= 0)
			return -1;
		buf_add(out, str_new(bytes, (size_t)made));
		at += used;
		left -= (size_t)used;
	}
	return 0;
}

static int add_result(str bytes, struct buf *out, struct err *err)
{
	size_t before = out->len;

	buf_add(out, bytes);
	if (buf_ok(out))
		return 0;
	buf_truncate(out, before);
	return err_set(err, ERR_LIMIT, "it is too long");
}

static int prepare(str in, precis_map_fn *map, struct buf *out, struct err *err)
{
	AUTO_BUF mapped = BUF_INIT(in.len * 3 + 6);
	AUTO_FREE uint8_t *normal = NULL;
	size_t normal_len = 0;
	int rc;

	if (str_empty(in))
		return err_set(err, ERR_INPUT, "it is empty");
	/* Room for all of it at once: growing would leave copies of a password behind. */
	if (!buf_space(&mapped, mapped.max))
		return err_set(err, ERR_LIMIT, "it is too long");
	if (map_all(in, map, &mapped) < 0) {
		secret_wipe(mapped.ptr, mapped.len);
		return err_set(
		    err, ERR_INPUT, "it has a character that cannot be used, or is not UTF-8");
	}
	if (str_is_ascii(buf_str(&mapped))) {
		rc = add_result(buf_str(&mapped), out, err);
		secret_wipe(mapped.ptr, mapped.len);
		return rc;
	}
	normal =
	    u8_normalize(UNINORM_NFC, (const uint8_t *)mapped.ptr, mapped.len, NULL, &normal_len);
	secret_wipe(mapped.ptr, mapped.len);
	if (!normal)
		return err_set(err, ERR_SYSTEM, "it cannot be normalised: %m");
	rc = add_result(str_new(normal, normal_len), out, err);
	secret_wipe(normal, normal_len);
	return rc;
}

int precis_password(str in, struct buf *out, struct err *err)
{
	return prepare(in, map_password, out, err);
}

int precis_username(str in, struct buf *out, struct err *err)
{
	return prepare(in, map_username, out, err);
}
