"""A small SMTP client for hosts that bounce later (action `dsn`)."""
import asyncio
import email.utils

TEXT = """From: Mail Delivery System <MAILER-DAEMON@{host}>
To: <{sender}>
Subject: Undelivered mail returned to sender
Date: {date}
Message-ID: <{id}@{host}>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_{id}"

--=_{id}
Content-Type: text/plain; charset=utf-8

Your message could not be delivered: {text}
--=_{id}
Content-Type: message/delivery-status

Reporting-MTA: dns; {host}
{recipients}
--=_{id}--
"""


def message(host, sender, recipients, status, text):
    fields = "".join(f"\nFinal-Recipient: rfc822; {r}\nAction: failed\nStatus: {status}\nDiagnostic-Code: smtp; 550 "
                     f"{status} {text}\n" for r in recipients)
    ident = email.utils.make_msgid(domain=host.name).strip("<>").partition("@")[0]
    out = TEXT.format(host=host.name, sender=sender, date=email.utils.formatdate(), id=ident, text=text,
                      recipients=fields)
    return out.replace("\n", "\r\n").encode()


async def send(host, sender, recipients, status, text):
    """To the first exchanger of the sender's domain that answers; the outcome goes into the journal."""
    content = message(host, sender, recipients, status, text)
    outcome = "no exchanger"
    for address in host.names.exchanger_addresses(sender.rpartition("@")[2]):
        here = next((a for a in host.description.addresses if (":" in a) == (":" in address)), None)
        try:
            outcome = await asyncio.wait_for(_converse(address, here, host.name, sender, content), 30)
            break
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError) as why:
            outcome = f"{address}: {why}"
    host.journal.write("dsn", host=host.name, to=sender, recipients=recipients, outcome=outcome)


async def _converse(address, here, name, sender, content):
    reader, writer = await asyncio.open_connection(address, 25, local_addr=(here, 0) if here else None)
    reply = ""
    try:
        for line, wanted in ((None, 220), (f"EHLO {name}", 250), ("MAIL FROM:<>", 250), (f"RCPT TO:<{sender}>", 250),
                             ("DATA", 354), (content, 250), ("QUIT", 221)):
            if line:
                writer.write(line + b".\r\n" if isinstance(line, bytes) else line.encode() + b"\r\n")
            last = reply
            reply = await _reply(reader)
            if int(reply[:3]) != wanted:
                raise ValueError(f"said {reply}")
        return last
    finally:
        writer.close()


async def _reply(reader):
    while True:
        line = (await reader.readuntil(b"\n")).decode("utf-8", "replace").rstrip()
        if line[3:4] != "-":
            return line
