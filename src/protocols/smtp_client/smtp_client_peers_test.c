/* What peers do, and what becomes of the recipients: a table. Each behaviour is played whole and with the peer's
 * bytes cut at every step size.
 *
 * want: one result for each recipient, "LETTER STAGE CODE ENHANCED", '*' when it is ours. A accepted, T
 * temporary, P permanent, N not tried, U uncertain, 7 needs 7 bit. Then " / " where another transaction may
 * follow, " . " where not. options are explained in set_option. */
#include "check.h"

#include "protocols/smtp_client/smtp_client_driver.h"

/* Banner and EHLO of ordinary peers. */
#define OLD "220 mx ESMTP|250 mx"
#define EHLO(words) "220 mx ESMTP|250-mx\n" words
#define NEW EHLO("250-PIPELINING\n250-8BITMIME\n250-DSN\n250-SIZE 1000\n250 ENHANCEDSTATUSCODES")
#define OK1 "|250 2.1.0 ok|250 2.1.5 ok|354 go|250 2.0.0 kept"
#define TLS EHLO("250 STARTTLS") "|220 go|!tls|250 mx"
/* RFC 7677 §3 */
#define SCRAM_FIRST \
	"cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3" \
	"c29Fc1VFamI2Z1E9PSxpPTQwOTY="
#define SCRAM_FINAL "dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ=="

struct behaviour {
	const char *name, *options, *script, *want;
};

/* clang-format off */
static const struct behaviour behaviours[] = {
	/* The banner. RFC 5321 §3.1, RFC 7504 */
	{ "plain delivery", "", OLD OK1, "A the final dot 250 2.0.0 / " },
	{ "banner of many lines", "", "220-mx\n220-be nice\n220 ESMTP|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "banner without text", "", "220|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "banner with another 2xx", "", "250 hi|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "banner 554", "", "554 no mail here", "P the connection 554 5.0.0 . " },
	{ "banner 521", "", "521 mx does not accept mail", "P the connection 521 5.3.2 . " },
	{ "banner 554 and gone", "", "554 5.7.1 blocked!drop", "P the connection 554 5.7.1 . " },
	{ "banner 554 cut by the end", "", "554 5.7.1 block!raw|", "T the connection 451 4.4.2* . " },
	{ "banner 421", "", "421 4.3.2 busy", "T the connection 421 4.3.2 . " },
	{ "banner 421 and gone", "", "421 busy!drop", "T the connection 421 4.3.2 . " },
	{ "banner 450", "", "450 greylisted", "T the connection 450 4.2.0 . " },
	{ "banner 354", "", "354 go", "T the connection 451 4.5.0* . " },
	{ "banner never comes", "", "!stall", "T the connection 451 4.4.2* . " },
	{ "gone before the banner", "", "!drop", "T the connection 451 4.4.2* . " },
	{ "junk before the banner", "", "Welcome to proxy\n\n220 mx|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "only junk", "", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\nr\ns\nt\nu\nv", "T the connection 451 4.5.0* . " },
	{ "a web server", "", "HTTP/1.1 400 Bad Request\nServer: x\n\n", "T the connection 451 4.4.2* . " },
	{ "ssh", "", "SSH-2.0-OpenSSH_9\n", "T the connection 451 4.4.2* . " },
	{ "half a banner", "", "220-mx\n220-more", "T the connection 451 4.4.2* . " },
	/* EHLO, HELO */
	{ "HELO after 502", "", "220 mx|502 what|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "HELO after 500", "", "220 mx|500 what|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "HELO after 550", "", "220 mx|550 what|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "HELO refused too", "", "220 mx|502 what|550 5.7.1 who are you", "P HELO 550 5.7.1 . " },
	{ "HELO 4xx", "", "220 mx|502 what|450 later", "T HELO 450 4.2.0 . " },
	{ "HELO only, as asked", "helo", "220 mx|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "EHLO 4xx", "", "220 mx|451 4.7.1 later", "T EHLO 451 4.7.1 . " },
	{ "EHLO 421", "", "220 mx|421 4.7.0 too many", "T EHLO 421 4.7.0 . " },
	{ "EHLO 3xx", "", "220 mx|334 what", "T EHLO 451 4.5.0* . " },
	{ "gone at EHLO", "", "220 mx|!drop", "T EHLO 451 4.4.2* . " },
	{ "EHLO stalls", "", "220 mx|!stall", "T EHLO 451 4.4.2* . " },
	{ "EHLO drips", "", "220 mx|250-mx!stall", "T EHLO 451 4.4.2* . " },
	{ "EHLO with a bare name", "", "220 mx|250" OK1, "A the final dot 250 2.0.0 / " },
	{ "EHLO code changes to 550", "", "220 mx|250-mx\n550 no|550 5.7.1 no", "P HELO 550 5.7.1 . " },
	{ "EHLO code changes from 550", "", "220 mx|550-no\n250 mx|550 5.7.1 no", "P HELO 550 5.7.1 . " },
	{ "EHLO line without a code", "", "220 mx|250-mx\nPIPELINING\n250 SIZE" OK1, "A the final dot 250 2.0.0 / " },
	{ "EHLO masked by a firewall", "", "220 *******|250-mx\n250-XXXXXXXA\n250 XXXB" OK1, "A the final dot 250 2.0.0 / " },
	{ "LHLO", "lmtp", EHLO("250 PIPELINING") "|250 ok|250 ok|354 go|250 2.1.5 kept", "A the final dot 250 2.1.5 / " },
	{ "LHLO unknown", "lmtp", "220 mx|500 what", "P EHLO 500 5.5.2 . " },
	/* STARTTLS */
	{ "TLS", "", TLS OK1, "A the final dot 250 2.0.0 / " },
	{ "TLS not offered", "", OLD OK1, "A the final dot 250 2.0.0 / " },
	{ "TLS never", "never", EHLO("250 STARTTLS") OK1, "A the final dot 250 2.0.0 / " },
	{ "TLS refused", "", EHLO("250 STARTTLS") "|454 4.7.0 no" OK1, "A the final dot 250 2.0.0 / " },
	{ "TLS refused for good", "", EHLO("250 STARTTLS") "|502 no" OK1, "A the final dot 250 2.0.0 / " },
	{ "TLS required", "require", TLS OK1, "A the final dot 250 2.0.0 / " },
	{ "TLS required, not offered", "require", OLD, "T EHLO 451 4.7.10* . " },
	{ "TLS required, refused", "require", EHLO("250 STARTTLS") "|454 4.7.0 no", "T STARTTLS 451 4.7.10* . " },
	{ "TLS required, no EHLO", "require", "220 mx|502 what", "T EHLO 451 4.7.10* . " },
	{ "TLS required, HELO only", "require helo", "220 mx|250 mx", "T HELO 451 4.7.10* . " },
	{ "TLS handshake fails", "", EHLO("250 STARTTLS") "|220 go|!tls-failed", "T the TLS handshake 451 4.7.5* . " },
	{ "TLS handshake stalls", "", EHLO("250 STARTTLS") "|220 go|!stall", "T the TLS handshake 451 4.4.2* . " },
	{ "gone in the TLS handshake", "", EHLO("250 STARTTLS") "|220 go|!drop", "T the TLS handshake 451 4.4.2* . " },
	{ "an answer in clear behind STARTTLS", "injected", EHLO("250 STARTTLS") "|220 go\n250-evil\n250 AUTH PLAIN|!tls|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "half an answer behind STARTTLS", "injected", EHLO("250 STARTTLS") "|220 go\n250-evil!raw|!tls|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "STARTTLS offered again under TLS", "", EHLO("250 STARTTLS") "|220 go|!tls|250-mx\n250 STARTTLS" OK1, "A the final dot 250 2.0.0 / " },
	{ "EHLO refused under TLS", "", EHLO("250 STARTTLS") "|220 go|!tls|502 what|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "EHLO 421 under TLS", "", EHLO("250 STARTTLS") "|220 go|!tls|421 no", "T EHLO 421 4.3.2 . " },
	{ "SIZE before TLS is forgotten", "", EHLO("250-SIZE 3\n250 STARTTLS") "|220 go|!tls|250 mx" OK1, "A the final dot 250 2.0.0 / " },
	{ "STARTTLS 354", "", EHLO("250 STARTTLS") "|354 go", "T STARTTLS 451 4.5.0* . " },
	{ "STARTTLS stalls", "", EHLO("250 STARTTLS") "|!stall", "T STARTTLS 451 4.4.2* . " },
	/* AUTH */
	{ "AUTH PLAIN", "tls auth", EHLO("250 AUTH PLAIN") "|235 2.7.0 in" OK1, "A the final dot 250 2.0.0 / " },
	{ "AUTH LOGIN", "tls auth", EHLO("250 AUTH LOGIN") "|334 VXNlcm5hbWU6|334 UGFzc3dvcmQ6|235 in" OK1, "A the final dot 250 2.0.0 / " },
	{ "AUTH LOGIN, prompts in clear", "tls auth", EHLO("250 AUTH LOGIN") "|334 Username:|334 Password:|235 in" OK1, "A the final dot 250 2.0.0 / " },
	{ "AUTH LOGIN, old spelling", "tls auth", EHLO("250 AUTH=LOGIN") "|334 VXNlcm5hbWU6|334 UGFzc3dvcmQ6|235 in" OK1, "A the final dot 250 2.0.0 / " },
	{ "AUTH SCRAM", "tls auth", EHLO("250 AUTH SCRAM-SHA-256") "|334 " SCRAM_FIRST "|334 " SCRAM_FINAL "|235 in" OK1, "A the final dot 250 2.0.0 / " },
	{ "AUTH SCRAM without the server's proof", "tls auth", EHLO("250 AUTH SCRAM-SHA-256") "|334 " SCRAM_FIRST "|235 in", "T AUTH 451 4.7.8* . " },
	{ "AUTH SCRAM says yes at once", "tls auth", EHLO("250 AUTH SCRAM-SHA-256") "|235 in", "T AUTH 451 4.7.8* . " },
	{ "AUTH SCRAM, wrong proof", "tls auth", EHLO("250 AUTH SCRAM-SHA-256") "|334 " SCRAM_FIRST "|334 dj1BQUFB|501 cancelled", "T AUTH 451 4.7.8* . " },
	{ "AUTH SCRAM, junk", "tls auth", EHLO("250 AUTH SCRAM-SHA-256") "|334 ???|501 cancelled", "T AUTH 451 4.7.8* . " },
	{ "AUTH cancelled, still yes", "tls auth", EHLO("250 AUTH SCRAM-SHA-256") "|334 ???|235 in", "T AUTH 451 4.7.8* . " },
	{ "AUTH cancelled, more", "tls auth", EHLO("250 AUTH SCRAM-SHA-256") "|334 ???|334 ???", "T AUTH 451 4.7.8* . " },
	{ "AUTH mechanism unknown after all", "tls auth", EHLO("250 AUTH PLAIN SCRAM-SHA-256") "|504 5.5.4 what|235 in" OK1, "A the final dot 250 2.0.0 / " },
	{ "AUTH mechanisms used up", "tls auth", EHLO("250 AUTH PLAIN") "|504 5.5.4 what", "T AUTH 451 4.7.0* . " },
	{ "AUTH PLAIN, asked again", "tls auth", EHLO("250 AUTH PLAIN") "|334|235 in" OK1, "A the final dot 250 2.0.0 / " },
	{ "AUTH PLAIN, asked for ever", "tls auth", EHLO("250 AUTH PLAIN") "|334|334|501 no", "T AUTH 451 4.7.8* . " },
	{ "AUTH wrong password", "tls auth", EHLO("250 AUTH PLAIN") "|535 5.7.8 no", "T AUTH 535 5.7.8 . " },
	{ "AUTH temporary", "tls auth", EHLO("250 AUTH PLAIN") "|454 4.7.0 later", "T AUTH 454 4.7.0 . " },
	{ "AUTH not offered", "tls auth", OLD, "T EHLO 451 4.7.0* . " },
	{ "AUTH unknown only", "tls auth", EHLO("250 AUTH GSSAPI XOAUTH2"), "T EHLO 451 4.7.0* . " },
	{ "AUTH in clear", "auth", EHLO("250 AUTH PLAIN"), "T EHLO 451 4.7.0* . " },
	{ "AUTH in clear, allowed", "auth clear", EHLO("250 AUTH PLAIN") "|235 in" OK1, "A the final dot 250 2.0.0 / " },
	{ "AUTH and no EHLO", "auth tls", "220 mx|502 what", "T EHLO 451 4.7.0* . " },
	{ "AUTH offered, not wanted", "", EHLO("250 AUTH PLAIN") OK1, "A the final dot 250 2.0.0 / " },
	{ "gone at AUTH", "tls auth", EHLO("250 AUTH PLAIN") "|!drop", "T AUTH 451 4.4.2* . " },
	/* MAIL */
	{ "MAIL 5xx", "", OLD "|550 5.7.1 no", "P MAIL 550 5.7.1 / " },
	{ "MAIL 4xx", "", OLD "|451 4.7.1 later", "T MAIL 451 4.7.1 / " },
	{ "MAIL 552 too big", "", OLD "|552 5.3.4 big", "P MAIL 552 5.3.4 / " },
	{ "MAIL 530 auth required", "", OLD "|530 5.7.0 sign in", "P MAIL 530 5.7.0 / " },
	{ "MAIL 421", "", OLD "|421 4.7.0 bye", "T MAIL 421 4.7.0 . " },
	{ "MAIL 354", "", OLD "|354 go", "T MAIL 451 4.5.0* . " },
	{ "gone at MAIL", "", OLD "|!drop", "T MAIL 451 4.4.2* . " },
	{ "MAIL stalls", "", OLD "|!stall", "T MAIL 451 4.4.2* . " },
	{ "MAIL refused, pipelined", "n=2", NEW "|550 5.1.8 no|503 what|503 what|503 what", "P MAIL 550 5.1.8, P MAIL 550 5.1.8 / " },
	{ "MAIL refused, the rest taken", "n=2", NEW "|550 5.1.8 no|250 ok|250 ok|354 go|250 kept", "P MAIL 550 5.1.8, P MAIL 550 5.1.8 / " },
	{ "MAIL refused, gone then", "n=2", NEW "|450 4.1.8 no|!drop", "T MAIL 450 4.1.8, T MAIL 450 4.1.8 . " },
	/* RCPT */
	{ "RCPT 550", "", OLD "|250 ok|550 5.1.1 who", "P RCPT 550 5.1.1 / " },
	{ "RCPT 550 without enhanced code", "", OLD "|250 ok|550 who", "P RCPT 550 5.0.0 / " },
	{ "RCPT 450 greylisted", "", OLD "|250 ok|450 4.2.0 greylisted", "T RCPT 450 4.2.0 / " },
	{ "RCPT 251", "", OLD "|250 ok|251 will forward|354 go|250 kept", "A the final dot 250 2.0.0 / " },
	{ "RCPT 551", "", OLD "|250 ok|551 try elsewhere", "P RCPT 551 5.1.6 / " },
	{ "RCPT 556", "", OLD "|250 ok|556 null MX", "P RCPT 556 5.1.10 / " },
	{ "RCPT 354", "", OLD "|250 ok|354 go", "T RCPT 451 4.5.0* . " },
	{ "RCPT one of two", "n=2", OLD "|250 ok|550 5.1.1 who|250 ok|354 go|250 kept", "P RCPT 550 5.1.1, A the final dot 250 2.0.0 / " },
	{ "RCPT one of two, pipelined", "n=2", NEW "|250 ok|250 ok|550 5.1.1 who|354 go|250 kept", "A the final dot 250 2.0.0, P RCPT 550 5.1.1 / " },
	{ "RCPT none, pipelined", "n=2", NEW "|250 ok|550 5.1.1 who|450 4.2.1 later|554 5.5.1 nobody", "P RCPT 550 5.1.1, T RCPT 450 4.2.1 / " },
	{ "RCPT none, and 354 all the same", "n=2", NEW "|250 ok|550 5.1.1 who|550 5.1.1 who|354 go|554 nobody", "P RCPT 550 5.1.1, P RCPT 550 5.1.1 / " },
	{ "RCPT none, 354, and yes to nothing", "n=1", NEW "|250 ok|550 5.1.1 who|354 go|250 kept", "P RCPT 550 5.1.1 / " },
	{ "RCPT 421", "n=2", OLD "|250 ok|250 ok|421 4.7.0 bye", "T RCPT 421 4.7.0, T RCPT 421 4.7.0 . " },
	{ "RCPT 421 behind a refusal", "n=2", OLD "|250 ok|550 5.1.1 who|421 bye", "P RCPT 550 5.1.1, T RCPT 421 4.3.2 . " },
	{ "gone at the second RCPT", "n=2", OLD "|250 ok|550 5.1.1 who|!drop", "P RCPT 550 5.1.1, T RCPT 451 4.4.2* . " },
	{ "RCPT stalls", "n=2", OLD "|250 ok|250 ok|!stall", "T RCPT 451 4.4.2*, T RCPT 451 4.4.2* . " },
	{ "RCPT too many", "n=3", OLD "|250 ok|250 ok|452 4.5.3 enough|354 go|250 kept", "A the final dot 250 2.0.0, N RCPT 452 4.5.3, N RCPT 452 4.5.3 / " },
	{ "RCPT too many, plain 452", "n=3", OLD "|250 ok|250 ok|452 enough|354 go|250 kept", "A the final dot 250 2.0.0, N RCPT 452 4.3.1, N RCPT 452 4.3.1 / " },
	{ "RCPT too many, pipelined", "n=3", NEW "|250 ok|250 ok|452 4.5.3 enough|452 4.5.3 enough|354 go|250 kept", "A the final dot 250 2.0.0, N RCPT 452 4.5.3, N RCPT 452 4.5.3 / " },
	{ "RCPT too many by 552", "n=2", OLD "|250 ok|250 ok|552 5.5.3 enough|354 go|250 kept", "A the final dot 250 2.0.0, N RCPT 552 5.5.3 / " },
	{ "RCPT too many by plain 552", "n=2 again=0", OLD "|250 ok|250 ok|552 enough|354 go|250 kept", "A the final dot 250 2.0.0, N RCPT 552 5.2.2 / " },
	{ "RCPT plain 552, none taken", "n=1", OLD "|250 ok|552 full", "P RCPT 552 5.2.2 / " },
	{ "RCPT too many, but none taken", "n=2", OLD "|250 ok|452 4.5.3 enough|452 4.5.3 enough", "T RCPT 452 4.5.3, T RCPT 452 4.5.3 / " },
	{ "RCPT disk full is not too many", "n=2", OLD "|250 ok|250 ok|452 4.3.1 full|354 go|250 kept", "A the final dot 250 2.0.0, T RCPT 452 4.3.1 / " },
	{ "RCPT mailbox full", "n=2", OLD "|250 ok|250 ok|552 5.2.2 full|354 go|250 kept", "A the final dot 250 2.0.0, P RCPT 552 5.2.2 / " },
	/* DATA */
	{ "DATA 4xx", "", OLD "|250 ok|250 ok|451 4.3.0 later", "T DATA 451 4.3.0 / " },
	{ "DATA 5xx", "", OLD "|250 ok|250 ok|554 5.7.1 no", "P DATA 554 5.7.1 / " },
	{ "DATA 5xx, pipelined", "n=2", NEW "|250 ok|550 5.1.1 who|250 ok|554 5.7.1 no", "P RCPT 550 5.1.1, P DATA 554 5.7.1 / " },
	{ "DATA 250 is not 354", "", OLD "|250 ok|250 ok|250 ok", "T DATA 451 4.5.0* . " },
	{ "DATA 421", "", OLD "|250 ok|250 ok|421 bye", "T DATA 421 4.3.2 . " },
	{ "gone at DATA", "", OLD "|250 ok|250 ok|!drop", "T DATA 451 4.4.2* . " },
	{ "DATA stalls", "", OLD "|250 ok|250 ok|!stall", "T DATA 451 4.4.2* . " },
	{ "answers shifted by one", "", NEW "|250 ok\n250 ok|250 ok|354 go|250 kept", "T DATA 451 4.5.0* . " },
	{ "354 comes twice", "", OLD "|250 ok|250 ok|354 go\n354 go|250 kept", "U the final dot 451 4.5.0* . " },
	{ "the message cannot be read", "broken", OLD "|250 ok|250 ok|354 go", "T the message 451 4.3.0* . " },
	/* The final dot */
	{ "refused 5xx", "", OLD "|250 ok|250 ok|354 go|554 5.7.1 spam", "P the final dot 554 5.7.1 / " },
	{ "refused 5xx after many lines", "", OLD "|250 ok|250 ok|354 go|554-5.7.1 spam\n554-5.7.1 see\n554 5.7.1 here", "P the final dot 554 5.7.1 / " },
	{ "refused 4xx", "n=2", OLD "|250 ok|250 ok|250 ok|354 go|451 4.3.0 later", "T the final dot 451 4.3.0, T the final dot 451 4.3.0 / " },
	{ "refused 421", "", OLD "|250 ok|250 ok|354 go|421 4.3.2 bye", "T the final dot 421 4.3.2 . " },
	{ "552 at the end", "", OLD "|250 ok|250 ok|354 go|552 5.2.2 full", "P the final dot 552 5.2.2 / " },
	{ "gone after the final dot", "", OLD "|250 ok|250 ok|354 go|!drop", "U the final dot 451 4.4.2* . " },
	{ "gone after half an answer", "", OLD "|250 ok|250 ok|354 go|250-2.0.0 ke!drop", "U the final dot 451 4.4.2* . " },
	{ "stalls after the final dot", "", OLD "|250 ok|250 ok|354 go|!stall", "U the final dot 451 4.4.2* . " },
	{ "354 after the final dot", "", OLD "|250 ok|250 ok|354 go|354 again", "U the final dot 451 4.5.0* . " },
	{ "junk after the final dot", "", OLD "|250 ok|250 ok|354 go|ok", "U the final dot 451 4.5.0* . " },
	{ "gone after the final dot, one refused", "n=2", OLD "|250 ok|550 5.1.1 who|250 ok|354 go|!drop", "P RCPT 550 5.1.1, U the final dot 451 4.4.2* . " },
	{ "the answer comes twice", "", OLD "|250 ok|250 ok|354 go|250 2.0.0 kept\n250 2.0.0 kept", "A the final dot 250 2.0.0 / " },
	{ "yes, then 421", "", OLD "|250 ok|250 ok|354 go|250 2.0.0 kept\n421 bye", "A the final dot 250 2.0.0 / " },
	{ "answers after 421", "", OLD "|250 ok|421 bye\n250 ok\n354 go\n250 kept", "T RCPT 421 4.3.2 . " },
	/* LMTP */
	{ "LMTP, an answer each", "lmtp n=3", NEW "|250 ok|250 ok|250 ok|250 ok|354 go|250 2.1.5 one\n450 4.2.2 two\n550 5.2.2 three", "A the final dot 250 2.1.5, T the final dot 450 4.2.2, P the final dot 550 5.2.2 / " },
	{ "LMTP, one refused before", "lmtp n=3", NEW "|250 ok|250 ok|550 5.1.1 who|250 ok|354 go|250 2.1.5 one\n550 5.2.2 three", "A the final dot 250 2.1.5, P RCPT 550 5.1.1, P the final dot 550 5.2.2 / " },
	{ "LMTP, one answer for two", "lmtp n=2", NEW "|250 ok|250 ok|250 ok|354 go|250 2.1.5 one", "A the final dot 250 2.1.5, U the final dot 451 4.4.2* . " },
	{ "LMTP, gone between answers", "lmtp n=2", NEW "|250 ok|250 ok|250 ok|354 go|550 5.2.2 one!drop", "P the final dot 550 5.2.2, U the final dot 451 4.4.2* . " },
	{ "LMTP, 421 between answers", "lmtp n=2", NEW "|250 ok|250 ok|250 ok|354 go|250 2.1.5 one\n421 bye", "A the final dot 250 2.1.5, T the final dot 421 4.3.2 . " },
	{ "LMTP, nobody", "lmtp n=2", NEW "|250 ok|550 5.1.1 who|550 5.1.1 who|503 5.5.1 nobody", "P RCPT 550 5.1.1, P RCPT 550 5.1.1 / " },
	{ "LMTP, nobody and 354", "lmtp n=1", NEW "|250 ok|550 5.1.1 who|354 go", "P RCPT 550 5.1.1 . " },
	{ "LMTP, in chunks", "lmtp n=2 chunk", EHLO("250-PIPELINING\n250 CHUNKING") "|250 ok|250 ok|250 ok|250 one\n550 5.2.2 two", "A BDAT LAST 250 2.0.0, P BDAT LAST 550 5.2.2 / " },
	/* BDAT. RFC 3030 */
	{ "BDAT", "chunk", EHLO("250 CHUNKING") "|250 ok|250 ok|250 2.0.0 kept", "A BDAT LAST 250 2.0.0 / " },
	{ "BDAT in three", "chunk=7", EHLO("250 CHUNKING") "|250 ok|250 ok|250 7|250 7|250 2.0.0 kept", "A BDAT LAST 250 2.0.0 / " },
	{ "BDAT in three, pipelined", "chunk=7", EHLO("250-PIPELINING\n250 CHUNKING") "|250 ok|250 ok|250 7|250 7|250 2.0.0 kept", "A BDAT LAST 250 2.0.0 / " },
	{ "BDAT refused at the first", "chunk=7", EHLO("250 CHUNKING") "|250 ok|250 ok|552 5.3.4 big", "P BDAT 552 5.3.4 / " },
	{ "BDAT refused at the first, pipelined", "chunk=7", EHLO("250-PIPELINING\n250 CHUNKING") "|250 ok|250 ok|451 4.3.0 later|503 what|503 what", "T BDAT 451 4.3.0 / " },
	{ "BDAT refused, the rest taken", "chunk=7", EHLO("250-PIPELINING\n250 CHUNKING") "|250 ok|250 ok|451 4.3.0 later|250 ok|250 kept", "T BDAT 451 4.3.0 / " },
	{ "BDAT refused at the end", "chunk=7", EHLO("250 CHUNKING") "|250 ok|250 ok|250 7|250 7|554 5.7.1 spam", "P BDAT LAST 554 5.7.1 / " },
	{ "gone in the middle of BDAT", "chunk=7", EHLO("250 CHUNKING") "|250 ok|250 ok|250 7|!drop", "T BDAT 451 4.4.2* . " },
	{ "gone after the last BDAT", "chunk", EHLO("250 CHUNKING") "|250 ok|250 ok|!drop", "U BDAT LAST 451 4.4.2* . " },
	{ "BDAT 354", "chunk", EHLO("250 CHUNKING") "|250 ok|250 ok|354 go", "U BDAT LAST 451 4.5.0* . " },
	{ "BDAT stalls", "chunk=7", EHLO("250 CHUNKING") "|250 ok|250 ok|!stall", "T BDAT 451 4.4.2* . " },
	{ "BDAT, all refused", "chunk n=2", EHLO("250-PIPELINING\n250 CHUNKING") "|250 ok|550 5.1.1 who|550 5.1.1 who", "P RCPT 550 5.1.1, P RCPT 550 5.1.1 / " },
	{ "BDAT not offered", "chunk", OLD OK1, "A the final dot 250 2.0.0 / " },
	/* What the peer cannot do */
	{ "larger than SIZE", "", EHLO("250 SIZE 17"), "P MAIL 552 5.3.4* / " },
	{ "as large as SIZE", "", EHLO("250 SIZE 18") OK1, "A the final dot 250 2.0.0 / " },
	{ "SIZE without a number", "", EHLO("250 SIZE") OK1, "A the final dot 250 2.0.0 / " },
	{ "SIZE 0", "", EHLO("250 SIZE 0") OK1, "A the final dot 250 2.0.0 / " },
	{ "8 bit, peer can", "8bit", EHLO("250 8BITMIME") OK1, "A the final dot 250 2.0.0 / " },
	{ "8 bit, peer cannot", "8bit", OLD, "7 MAIL 554 5.6.3* / " },
	{ "8 bit, HELO peer", "8bit", "220 mx|502 what|250 mx", "7 MAIL 554 5.6.3* / " },
	{ "binary, peer can", "binary", EHLO("250-CHUNKING\n250 BINARYMIME") "|250 ok|250 ok|250 kept", "A BDAT LAST 250 2.0.0 / " },
	{ "binary, no CHUNKING", "binary", EHLO("250-8BITMIME\n250 BINARYMIME"), "7 MAIL 554 5.6.3* / " },
	{ "binary, no BINARYMIME", "binary", EHLO("250-8BITMIME\n250 CHUNKING"), "7 MAIL 554 5.6.3* / " },
	{ "UTF-8 header, peer can", "utf8", EHLO("250 SMTPUTF8") OK1, "A the final dot 250 2.0.0 / " },
	{ "UTF-8 header, peer cannot", "utf8", OLD, "P MAIL 554 5.6.9* / " },
	{ "UTF-8 sender, peer cannot", "sender8", OLD, "P MAIL 553 5.6.7* / " },
	{ "UTF-8 recipient, peer can", "n=2 rcpt8", EHLO("250 SMTPUTF8") "|250 ok|250 ok|250 ok|354 go|250 kept", "A the final dot 250 2.0.0, A the final dot 250 2.0.0 / " },
	{ "UTF-8 recipient, peer cannot", "n=2 rcpt8", OLD "|250 ok|250 ok|354 go|250 kept", "A the final dot 250 2.0.0, P MAIL 553 5.6.7* / " },
	{ "REQUIRETLS, peer can", "requiretls", EHLO("250 STARTTLS") "|220 go|!tls|250-mx\n250 REQUIRETLS" OK1, "A the final dot 250 2.0.0 / " },
	{ "REQUIRETLS, peer cannot", "requiretls", TLS, "P MAIL 550 5.7.30* / " },
	{ "REQUIRETLS, not verified", "requiretls", EHLO("250 STARTTLS") "|220 go|!tls-unverified|250-mx\n250 REQUIRETLS", "P MAIL 550 5.7.30* / " },
	{ "REQUIRETLS without TLS", "requiretls", EHLO("250 REQUIRETLS"), "P MAIL 550 5.7.30* / " },
	/* LIMITS. RFC 9422 */
	{ "RCPTMAX", "n=3", EHLO("250 LIMITS RCPTMAX=2") "|250 ok|250 ok|250 ok|354 go|250 kept", "A the final dot 250 2.0.0, A the final dot 250 2.0.0, N MAIL 452 4.5.3* / " },
	{ "RCPTDOMAINMAX", "n=3 domains", EHLO("250 LIMITS RCPTDOMAINMAX=2") "|250 ok|250 ok|250 ok|354 go|250 kept", "A the final dot 250 2.0.0, A the final dot 250 2.0.0, N MAIL 452 4.5.3* / " },
	{ "RCPTDOMAINMAX, one domain", "n=3", EHLO("250 LIMITS RCPTDOMAINMAX=1") "|250 ok|250 ok|250 ok|250 ok|354 go|250 kept", "A the final dot 250 2.0.0, A the final dot 250 2.0.0, A the final dot 250 2.0.0 / " },
	{ "MAILMAX", "again=1", EHLO("250 LIMITS MAILMAX=1") OK1, "A the final dot 250 2.0.0 . " },
	{ "LIMITS without sense", "", EHLO("250 LIMITS RCPTMAX= MAILMAX=x FOO=1 RCPTMAX") OK1, "A the final dot 250 2.0.0 / " },
	/* Addresses that must not be said */
	{ "line end in the recipient", "n=2 evil", OLD "|250 ok|250 ok|354 go|250 kept", "A the final dot 250 2.0.0, P MAIL 553 5.1.3* / " },
	{ "line end in the sender", "evil-sender", OLD, "P MAIL 553 5.1.7* / " },
	{ "no recipients", "n=0", OLD, " / " },
	{ "null sender", "null", OLD OK1, "A the final dot 250 2.0.0 / " },
	/* Several transactions */
	{ "two in a row", "again=1", OLD OK1 OK1, "A the final dot 250 2.0.0 / A the final dot 250 2.0.0 / " },
	{ "RSET between two", "again=1", OLD "|250 ok|550 5.1.1 who|250 reset" OK1, "P RCPT 550 5.1.1 / A the final dot 250 2.0.0 / " },
	{ "RSET refused", "again=1", OLD "|250 ok|550 5.1.1 who|500 what", "P RCPT 550 5.1.1 / " },
	{ "RSET stalls", "again=1", OLD "|250 ok|550 5.1.1 who|!stall", "P RCPT 550 5.1.1 / " },
	{ "gone between two", "again=1", OLD OK1 "|!drop", "A the final dot 250 2.0.0 / T MAIL 451 4.4.2* . " },
	{ "local refusals in a row", "again=9 8bit", OLD, "7 MAIL 554 5.6.3* / 7 MAIL 554 5.6.3* / 7 MAIL 554 5.6.3* / 7 MAIL 554 5.6.3* / 7 MAIL 554 5.6.3* / 7 MAIL 554 5.6.3* / 7 MAIL 554 5.6.3* / 7 MAIL 554 5.6.3* / 7 MAIL 554 5.6.3* / 7 MAIL 554 5.6.3* / " },
	/* Probes */
	{ "probe", "probe n=2", OLD "|250 ok|250 2.1.5 ok|550 5.1.1 who", "A RCPT 250 2.1.5, P RCPT 550 5.1.1 / " },
	{ "probe, pipelined", "probe n=2", NEW "|250 ok|250 2.1.5 ok|550 5.1.1 who", "A RCPT 250 2.1.5, P RCPT 550 5.1.1 / " },
	{ "probe, sender refused", "probe n=2", NEW "|550 5.7.1 no|503 what|503 what", "P MAIL 550 5.7.1, P MAIL 550 5.7.1 / " },
	{ "probe, 421 in between", "probe n=3", NEW "|250 ok|250 2.1.5 ok|421 4.7.0 slow down", "A RCPT 250 2.1.5, T RCPT 421 4.7.0, T RCPT 421 4.7.0 . " },
	{ "probe, gone", "probe n=2", OLD "|250 ok|250 2.1.5 ok|!drop", "A RCPT 250 2.1.5, T RCPT 451 4.4.2* . " },
	{ "probe of UTF-8, peer cannot", "probe n=2 rcpt8", OLD "|250 ok|250 ok", "A RCPT 250 2.0.0, P MAIL 553 5.6.7* / " },
	{ "probe does not mind SIZE", "probe 8bit", EHLO("250 SIZE 3") "|250 ok|250 ok", "A RCPT 250 2.0.0 / " },
	/* Forms of replies */
	{ "bare LF", "", "220 mx\n!raw|250-mx\n250 DSN\n!raw|250 ok\n!raw|250 ok\n!raw|354 go\n!raw|250 kept\n!raw", "A the final dot 250 2.0.0 / " },
	{ "CR CR LF", "", "220 mx\r\r\n!raw|250 mx\r\r\n!raw" OK1, "A the final dot 250 2.0.0 / " },
	{ "no text", "", "220|250|250|250|354|250", "A the final dot 250 2.0.0 / " },
	{ "no space", "", "220mx|250mx|250ok|250ok|354go|250kept", "A the final dot 250 2.0.0 / " },
	{ "tabs", "", "220\tmx|250\tmx|250\tok|250\tok|354\tgo|250\t2.0.0\tkept", "A the final dot 250 2.0.0 / " },
	{ "8 bit text", "", OLD "|250 ok|550 5.1.1 usuario \xe9 desconocido", "P RCPT 550 5.1.1 / " },
	{ "UTF-8 text", "", OLD "|250 ok|550 5.1.1 \xd0\xbd\xd0\xb5\xd1\x82", "P RCPT 550 5.1.1 / " },
	{ "codes of two classes", "", OLD "|250 ok|550-no\n450 later", "T RCPT 450 4.2.0 / " },
	{ "codes of two classes, yes last", "", OLD "|250 ok|550-no\n250 ok", "P RCPT 550 5.0.0 / " },
	{ "enhanced code of another class", "", OLD "|250 ok|450 5.1.1 who", "T RCPT 450 4.1.1 / " },
	{ "enhanced code on the second line", "", OLD "|250 ok|550-sorry\n550 5.1.1 who", "P RCPT 550 5.1.1 / " },
	{ "six hundred", "", OLD "|250 ok|650 what", "T RCPT 451 4.5.0* . " },
	{ "one hundred", "", OLD "|250 ok|150 wait", "T RCPT 451 4.5.0* . " },
	{ "four digits", "", OLD "|250 ok|2500 ok", "T RCPT 451 4.5.0* . " },
	{ "two digits", "", OLD "|250 ok|25 ok", "T RCPT 451 4.5.0* . " },
	{ "letters", "", OLD "|250 ok|OK", "T RCPT 451 4.5.0* . " },
	{ "an empty line first", "", OLD "|250 ok|\n\n250 ok|354 go|250 kept", "A the final dot 250 2.0.0 / " },
	{ "421 between two", "again=1", OLD "|250 ok|250 ok|354 go|250 kept|421 idle", "A the final dot 250 2.0.0 / T MAIL 421 4.3.2 . " },
};

/* What nobody had asked yet. When it comes byte by byte, no client can tell; so these are played whole. */
static const struct behaviour eager[] = {
	{ "banner with two answers", "", "220 mx\n250 mx", "T EHLO 451 4.5.0* . " },
	{ "answers before the question", "", "220 mx\n250 mx\n250 ok\n250 ok\n354 go\n250 kept", "T EHLO 451 4.5.0* . " },
	{ "refusal before the question", "", "220 mx|250 mx\n554 5.7.1 too late", "T MAIL 554 5.7.1 . " },
	{ "yes before the message", "", OLD "|250 ok|250 ok|354 go\n250 kept", "U the final dot 451 4.5.0* . " },
	{ "no before the message", "", OLD "|250 ok|250 ok|354 go\n552 5.3.4 big", "P the final dot 552 5.3.4 . " },
	{ "the answer comes twice, and another transaction", "again=1", OLD "|250 ok|250 ok|354 go|250 kept\n250 kept", "A the final dot 250 2.0.0 / " },
	{ "RCPT answered twice", "n=2", OLD "|250 ok|250 ok\n250 ok", "T RCPT 451 4.5.0*, T RCPT 451 4.5.0* . " },
	{ "LMTP, one answer too many", "lmtp n=2 again=1", NEW "|250 ok|250 ok|250 ok|354 go|250 one\n250 two\n250 three", "A the final dot 250 2.0.0, A the final dot 250 2.0.0 / " },
};
/* clang-format on */

static void set_number(struct caller *d, str name, uint32_t n, unsigned *again)
{
	if (str_eq(name, STR("n")))
		d->tx.count = n;
	else if (str_eq(name, STR("again")))
		*again = n;
	else if (str_eq(name, STR("chunk")))
		d->options.chunk_bytes = n;
}

/* Words that are what they say; those that are not:
 * rcpt8: the second recipient is beyond ASCII; evil: the second has a line end in it; domains: each recipient has
 * another domain; tls: TLS from the first byte on; clear: AUTH without TLS; injected: bytes behind STARTTLS;
 * broken: the message cannot be read to its end; again=N: N more transactions. */
static void set_option(struct caller *d, str word, unsigned *again)
{
	str name, number = word;
	uint32_t n;

	d->options.lmtp |= str_eq(word, STR("lmtp"));
	d->options.helo_only |= str_eq(word, STR("helo"));
	d->options.allow_clear |= str_eq(word, STR("clear"));
	if (str_eq(word, STR("tls")))
		d->options.tls_active = true;
	if (str_eq(word, STR("auth"))) {
		d->options.user = STR("user");
		d->options.password = STR("pencil");
	}
	if (str_eq(word, STR("never")))
		d->options.tls = SMTP_CLIENT_TLS_NEVER;
	if (str_eq(word, STR("require")))
		d->options.tls = SMTP_CLIENT_TLS_REQUIRED;
	if (str_starts(word, STR("chunk")))
		d->options.chunking = SMTP_CLIENT_CHUNKING_PREFERRED;
	d->tx.utf8_header |= str_eq(word, STR("utf8"));
	d->tx.requiretls |= str_eq(word, STR("requiretls"));
	d->tx.is_probe |= str_eq(word, STR("probe"));
	d->source_fails |= str_eq(word, STR("broken"));
	if (str_eq(word, STR("8bit")))
		d->tx.body = SMTP_BODY_8BIT;
	if (str_eq(word, STR("binary")))
		d->tx.body = SMTP_BODY_BINARY;
	if (str_eq(word, STR("null")))
		d->tx.sender = STR_NONE;
	if (str_eq(word, STR("sender8")))
		d->tx.sender = STR("\xc3\xa9@b.example");
	if (str_eq(word, STR("evil-sender")))
		d->tx.sender = STR("a@b.example>\r\nRCPT TO:<x");
	if (str_eq(word, STR("rcpt8")))
		d->recipients[1].address = STR("\xc3\xa9@y.example");
	if (str_eq(word, STR("evil")))
		d->recipients[1].address = STR("x@y.example>\r\nQUIT\r\n<");
	if (str_eq(word, STR("domains")))
		d->recipients[1].address = STR("x@z.example"),
		d->recipients[2].address = STR("x@w.example");
	if (str_split(&number, '=', &name) && number.ptr && num_parse_u32(number, 2000, &n) == 0)
		set_number(d, name, n, again);
}

static void play_behaviour(const struct behaviour *b, size_t step)
{
	struct caller *d = calloc(1, sizeof(*d));
	struct scripted p = { .d = d, .script = str_c(b->script), .step = step };
	unsigned again = 0;
	str words = str_c(b->options), word;

	caller_init(d);
	buf_init(&p.body, CALLER_MAX);
	for (size_t i = 0; i < 5; i++)
		d->recipients[i].address = STR("x@y.example");
	d->tx.count = 1;
	while (str_split(&words, ' ', &word))
		set_option(d, word, &again);
	caller_open(d);
	check_case(b->name, caller_start(d));
	check_case(b->name, !caller_start(d));
	scripted_run(&p, again);
	check_case_str(b->name, buf_str(&d->results), str_c(b->want));
	check_case(b->name, d->is_closed && smtp_client_is_done(d->c));
	check_case(b->name,
	    (d->injected > 0) == (str_find(str_c(b->options), STR("injected")) != STR_NPOS));
	if (str_find(str_c(b->want), STR("A the final dot")) != STR_NPOS)
		check_case_str(b->name, str_sub(buf_str(&p.body), 0, d->message.len), d->message);
	buf_fini(&p.body);
	caller_fini(d);
	free(d);
}

static void test_behaviours(void **state)
{
	(void)state;
	check(COUNT(behaviours) >= 120);
	for (size_t i = 0; i < COUNT(behaviours); i++)
		play_behaviour(&behaviours[i], SIZE_MAX);
	for (size_t i = 0; i < COUNT(eager); i++)
		play_behaviour(&eager[i], SIZE_MAX);
}

static void test_behaviours_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(behaviours); i++)
		for (size_t step = 1; step < 40; step++)
			play_behaviour(&behaviours[i], step);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_behaviours),
		cmocka_unit_test(test_behaviours_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
