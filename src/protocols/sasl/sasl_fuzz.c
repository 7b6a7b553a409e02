/* SASL: any messages, in any order, for any mechanism. The property: nobody is signed in whose
 * password was not said to be right. */
#include <assert.h>

#include "protocols/sasl/sasl.h"

static const struct scram_keys keys = { .iterations = 4096, .salt_bytes = 4, .salt = "salt" };

static enum sasl_event answer(struct sasl_server *s, enum sasl_event e)
{
	if (e == SASL_EVENT_KEYS) {
		assert(sasl_server_username(s).len > 0);
		return sasl_server_keys(s, &keys, true);
	}
	if (e == SASL_EVENT_PASSWORD) {
		assert(sasl_server_password(s).len > 0);
		assert(str_is_utf8(sasl_server_password(s)));
		return sasl_server_checked(s, false);
	}
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* First byte: mechanism and whether there is an initial response; then messages, cut at '\n'. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str in = str_new(data, size), message = STR_NONE;

	if (size < 1)
		return 0;
	unsigned choice = data[0];
	in = str_skip(in, 1);
	struct sasl_server *s = sasl_server_new(&(struct sasl_options){
	    .mechanism = sasl_mechanisms[choice % 4]->name,
	    .exporter = choice & 4 ? STR("exporter") : STR_NONE,
	    .end_point = choice & 8 ? STR("point") : STR_NONE,
	    .nonce = STR("server-nonce"),
	});
	bool has_initial = choice & 16 && str_split(&in, '\n', &message);
	enum sasl_event e = answer(s, sasl_server_start(s, has_initial, message));
	while (e == SASL_EVENT_CHALLENGE && str_split(&in, '\n', &message)) {
		assert(sasl_server_challenge(s).len <= SASL_MESSAGE_MAX);
		e = answer(s, sasl_server_step(s, message));
	}
	assert(e != SASL_EVENT_DONE);
	sasl_server_free(s);
	return 0;
}
