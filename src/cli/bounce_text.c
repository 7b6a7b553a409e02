/* What people are told about a bounce. Three kinds of readers: who runs mail servers, who sends newsletters, who writes
 * mail; the first sentence is for all of them. Plain words, one thing to do. */
#include "cli/bounce_text.h"

static const struct {
	const char *what, *advice[READER_COUNT];
} texts[BOUNCE_REASONS] = {
	[BOUNCE_UNKNOWN] = { N_("The other server did not take the message and does not say "
	                        "clearly why."),
	    { N_("Read its answer below; if it means nothing to you, ask its postmaster and quote "
	         "the answer."),
	        N_("Leave the address on the list for now; look again when it fails a second "
	           "time."),
	        N_("Try once more later. If it comes back again, reach the person another "
	           "way.") } },
	[BOUNCE_DELIVERED] = { N_("The message was passed on."),
	    { N_("Nothing to do."), N_("Nothing to do."), N_("Nothing to do.") } },
	[BOUNCE_USER_UNKNOWN] = { N_("There is no such mailbox."),
	    { N_("Correct or remove the address; the answer came from the server that knows its "
	         "mailboxes."),
	        N_("Take the address off your list at once: writing to dead addresses harms your "
	           "name as a sender."),
	        N_("Check the address letter by letter, or ask the person for the right one.") } },
	[BOUNCE_MAILBOX_DISABLED] = { N_("The mailbox is there but switched off."),
	    { N_("Only the other side can switch it on again; remove the address if it fails "
	         "twice."),
	        N_("Take the address off your list when it fails a second time."),
	        N_("Reach the person another way and tell them that their mailbox is switched "
	           "off.") } },
	[BOUNCE_MAILBOX_FULL] = { N_("The mailbox is full."),
	    { N_("Let it be tried again; remove the address after three failures in 30 days."),
	        N_("Wait some days; take the address off after three failures in 30 days."),
	        N_("Tell the person another way that their mailbox is full, and send again "
	           "later.") } },
	[BOUNCE_MOVED] = { N_("The person no longer has a mailbox there."),
	    { N_("Look for the new address in the answer below, and correct the address book or "
	         "alias."),
	        N_("Take the old address off your list."),
	        N_("Ask the person for the new address.") } },
	[BOUNCE_DOMAIN_UNKNOWN] = { N_("The part behind the @ does not exist."),
	    { N_("Check the spelling and look the domain up: it has no MX and no address record, "
	         "or its name servers do not know it."),
	        N_("Correct typing errors in the domain; otherwise take the address off your "
	           "list."),
	        N_("Check the part behind the @ for typing errors.") } },
	[BOUNCE_NULL_MX] = { N_("This domain says that it takes no mail at all."),
	    { N_("The domain publishes a null MX (RFC 7505) or no mail server; use another "
	         "address."),
	        N_("Take the address off your list."),
	        N_("Ask the person for another address: nobody can get mail at this one.") } },
	[BOUNCE_HOST_UNREACHABLE] = { N_("The other mail server could not be reached."),
	    { N_("Test its port 25 and its DNS from here and from elsewhere; if other servers "
	         "answer, the fault is on that side."),
	        N_("Nothing is wrong with your message; it can be sent again later."),
	        N_("It is not your fault. Send it again in some hours.") } },
	[BOUNCE_EXPIRED] = { N_("It was tried for a long time, without success."),
	    { N_("Look for the last answer of the other server: it says why each attempt failed. "
	         "Then send again."),
	        N_("Send it once more later; take the address off if that fails as well."),
	        N_("Send it again later, or reach the person another way.") } },
	[BOUNCE_GREYLISTED] = { N_("The other server wants to see a second attempt first."),
	    { N_("Nothing to repair: the queue must try again from the same IP address after some "
	         "minutes."),
	        N_("Nothing to do: it is delayed, not lost."),
	        N_("Nothing to do: it is delayed, not lost.") } },
	[BOUNCE_RATE_LIMITED] = { N_("Too much mail came in too short a time."),
	    { N_("Lower the rate and the number of connections to this operator, and go up again "
	         "slowly."),
	        N_("Send in smaller portions over more hours; complaints make the limit lower."),
	        N_("Wait an hour and send it again.") } },
	[BOUNCE_IP_REPUTATION] = { N_("The other server does not trust the machine that sent the "
	                              "message."),
	    { N_("Find out what was sent from this IP address (a stolen account, a web form), stop "
	         "it, then ask the operator for removal."),
	        N_("Stop the campaign, write only to people who asked for it and who read it, and "
	           "begin again in small numbers."),
	        N_("Tell whoever runs your mail: their server is blocked there. Your message is "
	           "not the cause.") } },
	[BOUNCE_DNSBL] = { N_("The sender's machine or domain is on a block list."),
	    { N_("Open the list's page for your IP address or domain, repair the cause that it "
	         "names, then ask for removal."),
	        N_("Stop the campaign until your provider has got the sender off the list."),
	        N_("Tell whoever runs your mail: their server is on a block list. Nothing to "
	           "change in your message.") } },
	[BOUNCE_PTR_HELO] = { N_("The sending machine has no proper name."),
	    { N_("Set a PTR record for the sending IP address whose name leads back to it, and "
	         "greet with that name."),
	        N_("Ask whoever runs your sending server to set its reverse DNS."),
	        N_("Tell whoever runs your mail that their server has no proper name. Nothing to "
	           "change in your message.") } },
	[BOUNCE_AUTH_SPF] = { N_("The sender's domain does not allow this machine to send for it."),
	    { N_("Add the sending IP address to the SPF record of the envelope sender's domain."),
	        N_("Add the SPF line of your sending tool to your domain."),
	        N_("The sender's system is set up wrongly: tell whoever runs your mail. Nothing to "
	           "change on your side.") } },
	[BOUNCE_AUTH_DKIM] = { N_("The signature of the message is missing or not valid."),
	    { N_("Check that the DKIM key in DNS fits the private one, and that nothing changes "
	         "the message after signing."),
	        N_("Switch on signing (DKIM) for your domain in your sending tool."),
	        N_("The sender's system is set up wrongly: tell whoever runs your mail. Nothing to "
	           "change on your side.") } },
	[BOUNCE_AUTH_DMARC] = { N_("The message could not prove that it comes from the domain in "
	                           "From, and that domain asks to refuse such mail."),
	    { N_("Sign with DKIM for the domain in From, or make SPF pass for it (DMARC "
	         "alignment). A forwarder or list on the way can break both."),
	        N_("Authenticate your domain in your sending tool: it shows the DNS lines to add."),
	        N_("If you sent it from your usual program, tell whoever runs your mail. If you "
	           "did not write it, somebody used your address.") } },
	[BOUNCE_AUTH_MISSING] = { N_("The message has no valid proof of who sent it."),
	    { N_("Set SPF, DKIM and DMARC for the sending domain; one of the first two must fit "
	         "the domain in From."),
	        N_("Authenticate your domain in your sending tool: it shows the DNS lines to add."),
	        N_("The sender's system is set up wrongly: tell whoever runs your mail. Nothing to "
	           "change on your side.") } },
	[BOUNCE_SENDER_REFUSED] = { N_("The other server does not accept the sender's address."),
	    { N_("Check that the envelope sender's domain exists, has an MX, and that the address "
	         "takes mail."),
	        N_("Use a sender address that exists, on a domain that you have confirmed with "
	           "your sending tool."),
	        N_("Check your own address in the settings of your mail program.") } },
	[BOUNCE_TLS_REQUIRED] = { N_("The other server takes only encrypted connections."),
	    { N_("Switch on TLS for outgoing mail."),
	        N_("Ask whoever runs your sending server to switch on TLS."),
	        N_("Switch on encryption (SSL/TLS or STARTTLS) in your mail program.") } },
	[BOUNCE_TLS_FAILED] = { N_("No encrypted connection could be made between the two "
	                           "servers."),
	    { N_("Test its STARTTLS and certificate (also MTA-STS and DANE), and tell its "
	         "postmaster what you find."),
	        N_("Nothing is wrong with your message; it is tried again."),
	        N_("It is not your fault. Send it again in some hours.") } },
	[BOUNCE_RELAY_DENIED] = { N_("The server that was asked is not responsible for this "
	                             "address."),
	    { N_("Check the MX of the domain: it leads to a server that does not know the domain. "
	         "If it is your own server, add the domain; if it is your smart host, sign in to "
	         "it."),
	        N_("Tell the person another way; take the address off your list if it goes on."),
	        N_("Check the address. If you use a mail program, switch on signing in for "
	           "outgoing mail.") } },
	[BOUNCE_AUTH_REQUIRED] = { N_("The server wants a user name and password before it sends."),
	    { N_("Configure signing in to this server; it is not the one for mail between "
	         "servers."),
	        N_("Connect your sending tool to its mail account again."),
	        N_("Switch on signing in for outgoing mail in your mail program.") } },
	[BOUNCE_SPAM_CONTENT] = { N_("The other server takes the message for unwanted mail."),
	    { N_("Check what was sent and from which account; see whether links or attachments are "
	         "on block lists."),
	        N_("Change the content: fewer links and pictures, no shortened links, a clear way "
	           "to unsubscribe."),
	        N_("Write it anew in other words, without links and attachments.") } },
	[BOUNCE_VIRUS] = { N_("The other server found a virus in the message."),
	    { N_("Examine the machine that sent it before anything else leaves it."),
	        N_("Stop the campaign and have its files examined."),
	        N_("Do not send the file again. Have your computer checked.") } },
	[BOUNCE_BAD_ATTACHMENT] = { N_("The other server does not take this kind of attachment."),
	    { N_("Send a link instead; programs, scripts and encrypted archives are refused nearly "
	         "everywhere."),
	        N_("Replace the attachment by a link."),
	        N_("Send a link to the file instead of the file.") } },
	[BOUNCE_POLICY_LOCAL] = { N_("The other side has a rule against this message."),
	    { N_("Ask the postmaster or the recipient which rule it was, and quote the answer."),
	        N_("Ask the recipient to allow your address; do not send again before."),
	        N_("Reach the person another way and ask them to allow your address.") } },
	[BOUNCE_TOO_BIG] = { N_("The message is too big."),
	    { N_("Compare with the size that the other server announces (EHLO SIZE) and send a "
	         "link instead."),
	        N_("Make the message smaller: link to pictures and files."),
	        N_("Send it with fewer or smaller attachments, or send a link.") } },
	[BOUNCE_MALFORMED] = { N_("The message or the conversation broke a rule of mail."),
	    { N_("Repair the program that made the message: the answer says which header or line "
	         "is wrong."),
	        N_("Report it to the maker of your sending tool, with the answer."),
	        N_("Send it with another mail program, or tell whoever runs your mail.") } },
	[BOUNCE_LOOP] = { N_("The message went round in a circle."),
	    { N_("Find the two forwardings that point at each other (Received fields of the copy), "
	         "and remove one."),
	        N_("Tell the person another way that their forwarding is set up wrongly."),
	        N_("Tell the person another way that their forwarding is set up wrongly.") } },
	[BOUNCE_RECEIVER_FAULT] = { N_("The other server has a problem of its own."),
	    { N_("Wait and let it be tried again; after a day, tell its postmaster and quote the "
	         "answer."),
	        N_("Nothing is wrong with your message; send it again later."),
	        N_("It is not your fault. Send it again in some hours.") } },
};

static const char *const who[BLAME_COUNT][READER_COUNT] = {
	[BLAME_NONE] = { N_("nobody: this is how the other server works"), N_("nobody"),
	    N_("nobody") },
	[BLAME_RECIPIENT] = { N_("the sender, by correcting the address; or the owner of the "
	                         "mailbox"),
	    N_("you, by looking after your list"), N_("you or the person you wrote to") },
	[BLAME_DOMAIN] = { N_("whoever runs the recipient's mail"),
	    N_("whoever runs the recipient's mail"), N_("whoever runs the other person's mail") },
	[BLAME_SENDER] = { N_("you: the sending side"),
	    N_("you, or whoever runs your sending tool"),
	    N_("the sender's side: you or whoever runs your mail") },
	[BLAME_NETWORK] = { N_("whoever runs the recipient's server or the network between"),
	    N_("whoever runs the recipient's server"), N_("whoever runs the other person's mail") },
};

const char *bounce_text_what(enum bounce_reason reason)
{
	return _(texts[reason].what);
}

const char *bounce_text_advice(enum bounce_reason reason, enum reader reader)
{
	return _(texts[reason].advice[reader]);
}

const char *bounce_text_who(enum bounce_blame blame, enum reader reader)
{
	return _(who[blame][reader]);
}

static const char *const reader_names[READER_COUNT] = { "admin", "marketer", "user" };

int reader_find(const char *name, enum reader *out)
{
	for (int i = 0; i < READER_COUNT; i++) {
		if (strcmp(reader_names[i], name) == 0) {
			*out = (enum reader)i;
			return 0;
		}
	}
	return -1;
}
