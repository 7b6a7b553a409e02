/* Transcripts of sessions, as Sendmail adds them: what the fields leave out stands there. */
#include "formats/bounce_internal.h"

/* "<<< 550 ..." and "550 5.1.2 <a@b>... Host unknown": what was answered, or what Sendmail itself says. */
static bool is_reply_line(str *line, bool *out_remote)
{
	str at = str_trim(*line);

	*out_remote = str_starts(at, STR("<<< "));
	if (*out_remote)
		at = str_trim(str_skip(at, 4));
	if (at.len < 3 || (at.ptr[0] != '4' && at.ptr[0] != '5') || !ascii_is_digit(at.ptr[1]) ||
	    !ascii_is_digit(at.ptr[2]) || (at.len > 3 && at.ptr[3] != ' ' && at.ptr[3] != '-'))
		return false;
	*line = at;
	return true;
}

/* The refusal for one recipient: a line that names it, else the last one of the peer, else the last one of all. */
static str refusal_for(str transcript, str address)
{
	str line, named = STR_NONE, remote = STR_NONE, local = STR_NONE;
	bool quoted, from_remote;

	while (bounce_next_line(&transcript, &line, &quoted)) {
		if (!is_reply_line(&line, &from_remote))
			continue;
		if (address.len && str_ifind(line, address) != STR_NPOS)
			named = line;
		else if (from_remote)
			remote = line;
		else
			local = line;
	}
	return named.len ? named : remote.len ? remote : local;
}

/* Sendmail cuts an answer of many lines after the first: the others are in the transcript. */
static str whole_reply(struct arena *a, str first, str transcript)
{
	AUTO_BUF b = BUF_INIT(2 * BOUNCE_DIAGNOSTIC_MAX);
	str line, head = str_sub(first, 0, 60);
	bool quoted, from_remote, inside = false;

	if (first.len < 8 || first.ptr[3] != '-')
		return first;
	while (bounce_next_line(&transcript, &line, &quoted)) {
		bool reply = is_reply_line(&line, &from_remote) && from_remote;
		if (inside && !reply)
			break;
		if (!inside && !(reply && str_starts(line, head)))
			continue;
		inside = true;
		buf_add(&b, line);
		buf_addc(&b, ' ');
		if (line.len > 3 && line.ptr[3] == ' ')
			break;
	}
	return inside ? bounce_line(a, buf_str(&b), BOUNCE_DIAGNOSTIC_MAX) : first;
}

static void complete(struct bounce_recipient *to, str transcript)
{
	struct enhanced_status status = { 0 };
	uint16_t code = 0;

	bounce_find_reply(refusal_for(transcript, to->address), &code, &status);
	to->code = code;
	if (status.class && (status.subject || status.detail) &&
	    (!to->status.class || (!to->status.subject && !to->status.detail)))
		to->status = status;
}

static void set_context(struct bounce_reader *r, str text, size_t transcript_at)
{
	static const str intros[] = { STR_INIT("one or more recipients"),
		STR_INIT("The mail system\n"), STR_INIT("The mail system\r\n") };
	size_t from = transcript_at == STR_NPOS ? 0 : transcript_at;

	for (size_t i = 0; i < 3 && transcript_at == STR_NPOS; i++) {
		size_t at = str_ifind(text, intros[i]);
		if (at != STR_NPOS && at + intros[i].len > from)
			from = at + intros[i].len;
	}
	r->out->context = bounce_line(r->a, str_skip(text, from), BOUNCE_CONTEXT_MAX);
}

void bounce_read_transcript(struct bounce_reader *r, str text)
{
	text = str_sub(text, 0, bounce_original_at(text));
	size_t at = str_ifind(text, STR("Transcript of session follows"));
	if (at != STR_NPOS)
		at += sizeof("Transcript of session follows") - 1;
	str transcript = at == STR_NPOS ? STR_NONE : str_sub(str_skip(text, at), 0, 16 * 1024);

	/* Every recipient reads the transcript: bounded by their number. */
	for (size_t i = 0; i < r->out->count && i < 50 && transcript.len; i++) {
		struct bounce_recipient *to = &r->out->recipients[i];
		to->diagnostic = whole_reply(r->a, to->diagnostic, transcript);
		if (!to->code)
			complete(to, transcript);
	}
	set_context(r, text, at);
}
