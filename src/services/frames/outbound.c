#include "services/frames/outbound.h"

#include "services/frames/frames.h"

enum { ORCPT_MAX = 512, STAGE_MAX = 32, IS_LOCAL = 1, TOLD_PEER = 2 };

void outbound_recipient_add(struct buf *out, const struct outbound_recipient *r)
{
	buf_add_varint(out, r->id);
	buf_add_varint(out, r->notify);
	buf_add_counted(out, r->address);
	buf_add_counted(out, r->orcpt);
}

int outbound_recipient_take(str *in, struct outbound_recipient *out, struct err *err)
{
	struct outbound_recipient r;
	uint64_t notify;

	if (take_varint(in, &r.id) < 0 || take_varint(in, &notify) < 0 || notify > UINT32_MAX ||
	    take_counted(in, ADDRESS_MAX, &r.address) < 0 ||
	    take_counted(in, ORCPT_MAX, &r.orcpt) < 0)
		return err_set(err, ERR_INPUT, "the list of recipients is damaged");
	r.notify = (uint32_t)notify;
	*out = r;
	return 0;
}

void outbound_result_add(struct buf *out, const struct outbound_result *r)
{
	buf_add_varint(out, r->id);
	buf_add_u8(out, (uint8_t)r->outcome);
	buf_add_u8(out, (uint8_t)((r->is_local ? IS_LOCAL : 0) | (r->told_peer ? TOLD_PEER : 0)));
	buf_add_varint(out, r->code);
	for (size_t i = 0; i < 3; i++)
		buf_add_u8(out, r->status[i]);
	buf_add_counted(out, str_sub(r->stage, 0, STAGE_MAX));
	buf_add_counted(out, str_sub(r->text, 0, OUTBOUND_TEXT_MAX));
}

int outbound_result_take(str *in, struct outbound_result *out, struct err *err)
{
	struct outbound_result r;
	uint64_t code;
	uint8_t outcome, flags;

	if (take_varint(in, &r.id) < 0 || take_u8(in, &outcome) < 0 || take_u8(in, &flags) < 0 ||
	    take_varint(in, &code) < 0 || take_u8(in, &r.status[0]) < 0 ||
	    take_u8(in, &r.status[1]) < 0 || take_u8(in, &r.status[2]) < 0 ||
	    take_counted(in, STAGE_MAX, &r.stage) < 0 ||
	    take_counted(in, OUTBOUND_TEXT_MAX, &r.text) < 0 || outcome >= OUTBOUND_OUTCOMES ||
	    code > UINT32_MAX)
		return err_set(err, ERR_INPUT, "the list of results is damaged");
	r.outcome = outcome;
	r.is_local = flags & IS_LOCAL;
	r.told_peer = flags & TOLD_PEER;
	r.code = (uint32_t)code;
	*out = r;
	return 0;
}
