/* The part of a notification that people read. */
#include "formats/date.h"
#include "formats/dsn.h"

enum { ANY = 0xffff };

/* What RFC 3463 and its registry (RFC 5248) say, as somebody would put it who has never seen a status code; the
 * first row that fits is used. */
static const struct {
	uint8_t class; /* 0: any */
	uint16_t subject, detail;
	const char *texts[DSN_LANGUAGES];
} explanations[] = {
	{ 2, ANY, ANY, { "It was passed on.", "Se ha entregado o reenviado." } },
	{ 5, 1, 1,
	    { "There is no such mailbox. Please check the address for typing errors.",
	        "Ese buzón no existe. Compruebe que la dirección esté bien escrita." } },
	{ 0, 1, 2,
	    { "The domain of the address does not exist, or no server is known for it. Please "
	      "check the "
	      "part behind the @.",
	        "El dominio de la dirección no existe o no se conoce ningún servidor para él. "
	        "Compruebe la "
	        "parte que sigue a la @." } },
	{ 0, 1, 3,
	    { "The address is not written as an address should be.",
	        "La dirección no está bien formada." } },
	{ 0, 1, 6,
	    { "The mailbox has moved and no new address is known.",
	        "El buzón se ha mudado y no se conoce la nueva dirección." } },
	{ 0, 1, 7,
	    { "The other server did not accept your address as the sender.",
	        "El otro servidor no ha aceptado su dirección como remitente." } },
	{ 0, 1, 8,
	    { "The other server did not accept your address as the sender.",
	        "El otro servidor no ha aceptado su dirección como remitente." } },
	{ 0, 1, 10,
	    { "The domain of the address does not accept mail.",
	        "El dominio de la dirección no acepta correo." } },
	{ 0, 2, 1,
	    { "The mailbox is switched off at the moment.",
	        "El buzón está desactivado en este momento." } },
	{ 0, 2, 2, { "The mailbox is full.", "El buzón está lleno." } },
	{ 0, 2, 3,
	    { "The message is larger than that mailbox accepts.",
	        "El mensaje es más grande de lo que admite ese buzón." } },
	{ 0, 2, ANY,
	    { "The mailbox cannot take the message.", "El buzón no puede recibir el mensaje." } },
	{ 0, 3, 4,
	    { "The message is larger than the other server accepts. Please send less, or a link.",
	        "El mensaje es más grande de lo que acepta el otro servidor. Envíe menos, o un "
	        "enlace." } },
	{ 0, 3, ANY,
	    { "The other server has a problem of its own.",
	        "El otro servidor tiene un problema propio." } },
	{ 0, 4, 1, { "The other server does not answer.", "El otro servidor no responde." } },
	{ 0, 4, 2,
	    { "The connection to the other server broke.",
	        "La conexión con el otro servidor se ha interrumpido." } },
	{ 0, 4, 4,
	    { "It could not be found out where mail for this domain goes.",
	        "No se ha podido averiguar adónde va el correo de este dominio." } },
	{ 0, 4, 6,
	    { "The message went round in a circle.", "El mensaje daba vueltas en círculo." } },
	{ 0, 4, 7,
	    { "It was tried for as long as it is kept here, without success.",
	        "Se ha intentado durante todo el tiempo previsto, sin éxito." } },
	{ 0, 4, ANY,
	    { "The other server could not be reached.",
	        "No se ha podido llegar al otro servidor." } },
	{ 0, 5, 3,
	    { "The message has too many recipients.",
	        "El mensaje tiene demasiados destinatarios." } },
	{ 0, 5, ANY,
	    { "The two servers did not understand each other.",
	        "Los dos servidores no se han entendido." } },
	{ 0, 6, 7,
	    { "The other server cannot deal with addresses that have letters beyond a to z.",
	        "El otro servidor no admite direcciones con letras fuera de la a a la z." } },
	{ 0, 6, 9,
	    { "The other server cannot deal with headers in international form.",
	        "El otro servidor no admite cabeceras en forma internacional." } },
	{ 0, 6, ANY,
	    { "The other server cannot deal with the form of the message.",
	        "El otro servidor no admite la forma del mensaje." } },
	{ 0, 7, 10,
	    { "An encrypted connection is required and could not be had.",
	        "Se exige una conexión cifrada y no ha sido posible." } },
	{ 0, 7, 30,
	    { "You asked for encryption on the whole way, and the other server does not promise "
	      "it.",
	        "Pidió cifrado en todo el recorrido y el otro servidor no lo garantiza." } },
	{ 0, 7, ANY,
	    { "The other server refused the message by its rules; its words below may say why.",
	        "El otro servidor ha rechazado el mensaje según sus normas; más abajo puede verse "
	        "el motivo." } },
	{ 4, ANY, ANY,
	    { "The other server did not take the message for now.",
	        "El otro servidor no ha aceptado el mensaje por ahora." } },
	{ 0, ANY, ANY,
	    { "The other server did not take the message.",
	        "El otro servidor no ha aceptado el mensaje." } },
};

static bool is_like(uint16_t pattern, uint16_t n)
{
	return pattern == ANY || pattern == n;
}

const char *dsn_explain(struct enhanced_status s, enum dsn_language language)
{
	size_t i = 0;

	while (explanations[i].class || explanations[i].subject != ANY) {
		if ((!explanations[i].class || explanations[i].class == s.class) &&
		    is_like(explanations[i].subject, s.subject) &&
		    is_like(explanations[i].detail, s.detail))
			break;
		i++;
	}
	return explanations[i].texts[language];
}

enum phrase {
	PHRASE_FROM,
	PHRASE_INTRO,
	PHRASE_ANSWER,
	PHRASE_REASON,
	PHRASE_RETRY,
	PHRASE_RETURNED,
	PHRASES,
};

static const char *const phrases[PHRASES][DSN_LANGUAGES] = {
	[PHRASE_FROM] = { "Mail system", "Sistema de correo" },
	[PHRASE_INTRO] = { "This is the mail system at ", "Este es el sistema de correo de " },
	[PHRASE_ANSWER] = { "The server said: ", "El servidor dijo: " },
	[PHRASE_REASON] = { "In detail: ", "En detalle: " },
	[PHRASE_RETRY] = { "It will be tried again until ", "Se seguirá intentando hasta " },
	[PHRASE_RETURNED] = { "What follows is for programs, and then your message or its header.",
	    "Lo que sigue es para programas; después viene su mensaje o su cabecera." },
};

static const struct {
	const char *subjects[DSN_LANGUAGES], *intros[DSN_LANGUAGES];
} kinds[] = {
	[DSN_FAILED] = { { "Your message could not be delivered",
	                     "Su mensaje no se ha podido entregar" },
	    { "Your message could not be delivered to:",
	        "Su mensaje no se ha podido entregar a:" } },
	[DSN_DELAYED] = { { "Your message is delayed", "Su mensaje se retrasa" },
	    { "Your message is still on its way; nothing needs to be done. It is delayed for:",
	        "Su mensaje sigue en camino; no hace falta hacer nada. Se retrasa para:" } },
	[DSN_DELIVERED] = { { "Your message was delivered", "Su mensaje se ha entregado" },
	    { "Your message was delivered to:", "Su mensaje se ha entregado a:" } },
	[DSN_RELAYED] = { { "Your message was passed on", "Su mensaje se ha reenviado" },
	    { "Your message was passed on to a server that does not report on its delivery, for:",
	        "Su mensaje se ha reenviado a un servidor que no informa de la entrega, para:" } },
	[DSN_EXPANDED] = { { "Your message was passed on", "Su mensaje se ha reenviado" },
	    { "Your message was passed on to the members behind:",
	        "Su mensaje se ha reenviado a los miembros de:" } },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

enum dsn_action dsn_gravest(const struct dsn *d)
{
	enum dsn_action gravest = DSN_EXPANDED;

	for (size_t i = 0; i < d->count; i++)
		if (d->recipients[i].action < gravest)
			gravest = d->recipients[i].action;
	return gravest;
}

const char *dsn_subject(const struct dsn *d)
{
	return kinds[dsn_gravest(d)].subjects[d->language];
}

const char *dsn_from_name(enum dsn_language language)
{
	return phrases[PHRASE_FROM][language];
}

/* Text of others: no control characters, its lines indented so that they cannot pass for ours. */
static void add_quoted(struct buf *out, str text, size_t max)
{
	text = str_sub(text, 0, max);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c == '\n')
			buf_addz(out, "\r\n      ");
		else
			buf_addc(out, c < 0x20 || c == 0x7f ? ' ' : (char)c);
	}
}

static void add_recipient(const struct dsn *d, const struct dsn_recipient *r, struct buf *out)
{
	enum dsn_language l = d->language;
	bool is_bad = r->action == DSN_FAILED || r->action == DSN_DELAYED;

	buf_addz(out, "\r\n  ");
	add_quoted(out, r->address, DSN_VALUE_MAX);
	buf_addz(out, "\r\n");
	if (is_bad) {
		buf_addf(out, "    %s\r\n", dsn_explain(r->status, l));
	}
	if (is_bad && r->diagnostic.len) {
		buf_addf(out, "    %s", phrases[r->is_local ? PHRASE_REASON : PHRASE_ANSWER][l]);
		add_quoted(out, r->diagnostic, DSN_DIAGNOSTIC_MAX);
		buf_addz(out, "\r\n");
	}
	if (r->action == DSN_DELAYED && r->retry_until) {
		buf_addf(out, "    %s", phrases[PHRASE_RETRY][l]);
		date_print(out, r->retry_until, d->zone_min);
		buf_addz(out, ".\r\n");
	}
}

void dsn_write_text(const struct dsn *d, struct buf *out)
{
	buf_addz(out, phrases[PHRASE_INTRO][d->language]);
	add_quoted(out, d->host, DSN_VALUE_MAX);
	buf_addz(out, ".\r\n");
	for (size_t kind = 0; kind < KINDS; kind++) {
		bool is_first = true;
		for (size_t i = 0; i < d->count; i++) {
			if (d->recipients[i].action != kind)
				continue;
			if (is_first)
				buf_addf(out, "\r\n%s\r\n", kinds[kind].intros[d->language]);
			is_first = false;
			add_recipient(d, &d->recipients[i], out);
		}
	}
	buf_addf(out, "\r\n%s\r\n", phrases[PHRASE_RETURNED][d->language]);
}
