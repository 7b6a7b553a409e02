/* texts.h: what POP3 says to people, in the languages that LANG offers.
 *
 * Purpose    One list of all the sentences; RFC 6856 §3. Both engines read it.
 * Threads    No state.
 */
#ifndef BUZON_PROTOCOLS_POP3_TEXTS_H
#define BUZON_PROTOCOLS_POP3_TEXTS_H

#include "base/buf.h"

enum pop3_language { POP3_EN, POP3_ES, POP3_LANGUAGE_COUNT };

/* clang-format off */
#define POP3_TEXTS(T) \
	T(READY,          "POP3 ready",                                  "POP3 preparado") \
	T(BYE,            "goodbye",                                     "hasta luego") \
	T(UNKNOWN,        "unknown command",                             "orden desconocida") \
	T(NOT_NOW,        "not now",                                     "ahora no") \
	T(NO_ARGUMENT,    "this command takes no argument",              "esta orden no lleva argumento") \
	T(NEED_ARGUMENT,  "this command needs an argument",              "a esta orden le falta el argumento") \
	T(LINE_TOO_LONG,  "line too long",                               "línea demasiado larga") \
	T(TOO_MANY_BAD,   "too many bad commands, closing",              "demasiadas órdenes erróneas, cierro") \
	T(TOO_MANY_TRIES, "too many failed sign-ins, closing",           "demasiados intentos fallidos, cierro") \
	T(STOPPING,       "the server is going down, try again later",   "el servidor se detiene, inténtelo más tarde") \
	T(CAPABILITIES,   "capabilities follow",                         "siguen las capacidades") \
	T(LANGUAGES,      "languages follow",                            "siguen los idiomas") \
	T(LANGUAGE_SET,   "language changed",                            "idioma cambiado") \
	T(LANGUAGE_NONE,  "no such language",                            "idioma no disponible") \
	T(UTF8_ON,        "UTF-8 enabled",                               "UTF-8 activado") \
	T(BEGIN_TLS,      "begin TLS now",                               "empiece TLS ahora") \
	T(TLS_ACTIVE,     "TLS is active already",                       "TLS ya está activo") \
	T(TLS_NONE,       "TLS is not available",                        "TLS no está disponible") \
	T(NEED_TLS,       "sign-in needs TLS: use STLS first",           "para entrar hace falta TLS: use antes STLS") \
	T(SEND_PASS,      "send PASS",                                   "envíe PASS") \
	T(NEED_USER,      "send USER first",                             "envíe antes USER") \
	T(NOT_UTF8,       "not valid UTF-8",                             "no es UTF-8 válido") \
	T(MECHANISMS,     "mechanisms follow",                           "siguen los mecanismos") \
	T(NO_MECHANISM,   "no such mechanism",                           "mecanismo no disponible") \
	T(NOT_BASE64,     "not valid base64",                            "no es base64 válido") \
	T(MALFORMED,      "not what the mechanism expects",              "no es lo que el mecanismo espera") \
	T(ABORTED,        "sign-in cancelled",                           "entrada cancelada") \
	T(WRONG,          "wrong name or password",                      "nombre o contraseña incorrectos") \
	T(UNAVAILABLE,    "cannot check the password now, try again later", "no se puede comprobar la contraseña, inténtelo más tarde") \
	T(SIGNED_IN,      "signed in",                                   "ha entrado") \
	T(IN_USE,         "the mailbox is open in another POP3 session", "el buzón está abierto en otra sesión POP3") \
	T(NO_MESSAGE,     "no such message",                             "no existe ese mensaje") \
	T(IS_DELETED,     "message is deleted",                          "el mensaje está borrado") \
	T(BAD_NUMBER,     "not a message number",                        "no es un número de mensaje") \
	T(MESSAGES,       "messages follow",                             "siguen los mensajes") \
	T(OCTETS,         "octets",                                      "octetos") \
	T(TOP_FOLLOWS,    "top of message follows",                      "sigue el comienzo del mensaje") \
	T(DELETED,        "deleted",                                     "borrado") \
	T(RESET,          "deletions undone",                            "borrados deshechos") \
	T(OK,             "ok",                                          "bien") \
	T(MESSAGE_GONE,   "message cannot be read",                      "el mensaje no se puede leer") \
	T(NOT_REMOVED,    "deleted messages could not be removed, try again later", "los mensajes borrados no se han podido quitar, inténtelo más tarde")
/* clang-format on */

#define POP3_TEXT_ENUM_(NAME, en, es) POP3_TEXT_##NAME,
enum pop3_text { POP3_TEXTS(POP3_TEXT_ENUM_) POP3_TEXT_COUNT };

str pop3_text(enum pop3_text text, enum pop3_language language);
/* "en", "es" */
str pop3_language_tag(enum pop3_language language);
/* A basic language range (RFC 4647 §2.1), by its first subtag; "*" and "i-default" are the first
 * language. False when there is none. */
bool pop3_language_find(str range, enum pop3_language *out);
/* The listing of LANG without argument, with its status line and final dot. RFC 6856 §3.2. */
void pop3_language_list(struct buf *out, enum pop3_language language);

#endif
