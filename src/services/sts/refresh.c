/* From the name of a domain to its policy: addresses of the policy host, the file, the policy. RFC 8461 §3.3 */
#include <stdio.h>

#include "services/route/special.h"
#include "services/sts/internal.h"

enum { HTTP_OK = 200 };

static const enum dns_type types[STS_FAMILIES] = { DNS_AAAA, DNS_A };

/* ---- the end ---- */

static void fail(struct sts_entry *e, str why)
{
	const struct sts *s = e->sts;

	snprintf(e->why, sizeof(e->why), STR_FMT, STR_ARG(str_sub(why, 0, sizeof(e->why) - 1)));
	memcpy(e->failed_id, e->wanted_id, sizeof(e->failed_id));
	e->failed_ms = sts_now_ms(s);
	/* RFC 8461 §3.3: the operator learns of it, unless it is a policy that says nothing. */
	if (s->o.log && !(e->arena && e->policy.mode == STS_NONE))
		log_warn(s->o.log, "the MTA-STS policy of a domain cannot be fetched",
		    F_CSTR("domain", e->domain), F_CSTR("why", e->why));
	e->is_fetching = false;
	sts_entry_fetched(e);
}

static void keep(struct sts_entry *e, struct arena *a, const struct sts_policy *policy)
{
	sts_entry_drop_policy(e);
	e->arena = a;
	e->policy = *policy;
	e->sts->bytes += arena_used(a);
	e->fetched_ms = sts_now_ms(e->sts);
	memcpy(e->id, e->wanted_id, sizeof(e->id));
	e->why[0] = e->failed_id[0] = '\0';
	e->is_fetching = false;
	sts_entry_fetched(e);
}

/* ---- the file ---- */

/* "text/plain", whatever parameters follow. RFC 8461 §3.2 */
static bool is_plain_text(str type)
{
	str kind;

	return str_split(&type, ';', &kind) && str_ieq(str_trim(kind), STR("text/plain"));
}

static void on_file(void *arg, const struct fetch_result *r)
{
	struct sts_entry *e = arg;
	struct sts_policy policy;
	struct err err = { 0 };

	e->transfer = NULL;
	if (!r->code) {
		fail(e, r->why);
		return;
	}
	if (r->code != HTTP_OK) {
		err_set(&err, ERR_INPUT, "the policy host answered %u", r->code);
		fail(e, str_c(err.text));
		return;
	}
	if (!is_plain_text(r->type)) {
		fail(e, STR("what the policy host sends is not text/plain"));
		return;
	}
	struct arena *a = arena_new(NULL, "policy", STS_ARENA_MAX);
	if (sts_policy_parse(r->body, a, &policy, &err) < 0) {
		arena_free(a);
		fail(e, str_c(err.text));
		return;
	}
	keep(e, a, &policy);
}

/* ---- the addresses ---- */

static void get_file(struct sts_entry *e)
{
	const struct sts_options *o = &e->sts->o;
	AUTO_BUF host = BUF_INIT(DNS_NAME_MAX * 2);

	if (!e->address_count) {
		AUTO_BUF why = BUF_INIT(STS_WHY_MAX);
		if (e->special)
			buf_addf(&why, "the policy host leads to %s, where nothing is asked",
			    e->special);
		else
			buf_addz(&why, "the policy host has no address");
		fail(e, buf_str(&why));
		return;
	}
	buf_addz(&host, "mta-sts.");
	buf_addz(&host, e->domain);
	e->transfer = o->get(o->web,
	    &(struct fetch_request){ .host = buf_str(&host),
	        .port = STS_HTTPS_PORT,
	        .path = STR("/.well-known/mta-sts.txt"),
	        .addresses = e->addresses,
	        .address_count = e->address_count },
	    on_file, e);
}

static void take_address(struct sts_entry *e, const struct ip *ip)
{
	const char *kind = e->sts->allow_special ? NULL : ip_special_kind(ip);

	if (kind)
		e->special = kind;
	else if (e->address_count < FETCH_ADDRESSES_MAX)
		e->addresses[e->address_count++] = *ip;
}

static void on_addresses(void *arg, uint32_t id, const struct dns_answer *answer)
{
	struct sts_address *asked = arg;
	struct sts_entry *e = asked->entry;

	asked->query = NULL;
	/* Half of the room for each family. */
	for (size_t i = 0; i < answer->count && i < FETCH_ADDRESSES_MAX / STS_FAMILIES; i++) {
		if (answer->records[i].ip.version == (types[id] == DNS_A ? 4 : 6))
			take_address(e, &answer->records[i].ip);
	}
	if (--e->pending == 0)
		get_file(e);
}

void sts_entry_fetch(struct sts_entry *e, str id)
{
	const struct sts_options *o = &e->sts->o;
	AUTO_BUF host = BUF_INIT(DNS_NAME_MAX * 2);

	e->is_fetching = true;
	e->address_count = 0;
	e->special = NULL;
	memset(e->wanted_id, 0, sizeof(e->wanted_id));
	memcpy(e->wanted_id, id.ptr, id.len);
	e->pending = STS_FAMILIES;
	buf_addz(&host, "mta-sts.");
	buf_addz(&host, e->domain);
	for (size_t i = 0; i < STS_FAMILIES; i++) {
		e->asked[i].entry = e;
		e->asked[i].query =
		    o->ask(o->dns, &(struct dns_question){ (uint32_t)i, types[i], buf_str(&host) },
		        on_addresses, &e->asked[i]);
	}
}

void sts_entry_stop_fetch(struct sts_entry *e)
{
	const struct sts_options *o = &e->sts->o;

	for (size_t i = 0; i < STS_FAMILIES; i++) {
		if (e->asked[i].query)
			o->cancel(o->dns, e->asked[i].query);
		e->asked[i].query = NULL;
	}
	if (e->transfer)
		o->cancel_get(o->web, e->transfer);
	e->transfer = NULL;
	e->is_fetching = false;
}
