"""Messages that exercise what IMAP shows of them; made here, no other people's mail."""
import base64


def crlf(text):
    return text.replace("\n", "\r\n").encode()


def header(n, subject, extra="", date="Mon, 23 Nov 2026 09:00:00 +0000"):
    return (f"From: Ana <ana@example.org>\nTo: Bob <bob@example.org>\nSubject: {subject}\n"
            f"Message-ID: <m{n}@example.org>\nDate: {date}\n{extra}")


def multipart(n, kind, parts, boundary=None, extra=""):
    boundary = boundary or f"b{n}"
    body = "".join(f"--{boundary}\n{p}\n" for p in parts)
    return (header(n, f"multipart {kind}", extra) + f"MIME-Version: 1.0\nContent-Type: multipart/{kind}; "
            f"boundary=\"{boundary}\"\n\npreamble\n{body}--{boundary}--\nepilogue\n")


TEXT = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nOl=C3=A1, mundo =3D\n"
HTML = "Content-Type: text/html; charset=\"utf-8\"\n\n<p>Hola <b>mundo</b></p>\n"
PICTURE = ("Content-Type: image/png; name=\"a picture.png\"\nContent-Transfer-Encoding: base64\n"
           "Content-Disposition: attachment; filename=\"a picture.png\"; size=300\nContent-ID: <pic@example.org>\n"
           "Content-Description: A picture\n\n" + base64.encodebytes(bytes(range(256)) + b"tail").decode())
RFC822 = "Content-Type: message/rfc822\n\n"


def samples():
    """Bytes of messages, always the same ones in the same order."""
    out = [
        header(1, "plain") + "\nHello.\nThe quick brown fox.\n",
        header(2, "=?utf-8?q?Caf=C3=A9?= and more", date="1 Jan 2020 00:00:00 -0800") + "\nbody\n",
        header(3, "no body"),
        header(4, "empty body") + "\n",
        header(5, "html only") + "MIME-Version: 1.0\n" + HTML,
        header(6, "base64 text") + "MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(b"needle in base64, long enough to be broken into lines of seventy-six\r\n" * 3).decode(),
        multipart(7, "alternative", [TEXT, HTML]),
        multipart(8, "mixed", [multipart_part("alternative", "in8", [TEXT, HTML]), PICTURE]),
        multipart(9, "mixed", [TEXT, RFC822 + multipart(90, "alternative", [TEXT, HTML], "inner9").rstrip("\n") + "\n"]),
        multipart(10, "digest", ["\n" + header(100, "in a digest") + "\nfirst\n", "\n" + header(101, "second") + "\nx\n"]),
        header(11, "message") + "MIME-Version: 1.0\n" + RFC822 + header(110, "inner") + "\nThe inner text.\n",
        header(12, "folded\n header with\n\tmany lines", "X-Long: " + "word " * 60 + "\n") + "\nbody\n",
        "Subject: no from\nDate: 2 Feb 2019 10:00 +0000\nMessage-ID: <m13@example.org>\n\nbody without sender\n",
        header(14, "groups", "Cc: A group: a@example.org, \"B, C\" <b@example.org>;, c@example.org\n"
               "Bcc: undisclosed:;\nReply-To: \"Quote\\\"d\" <q@example.org>\nSender: s@example.org\n"
               "In-Reply-To: <m1@example.org>\nReferences: <m1@example.org>\n <m2@example.org>\n") + "\nbody\n",
        multipart(15, "mixed", []),
        multipart(16, "report; report-type=delivery-status", [TEXT, "Content-Type: message/delivery-status\n\n"
                  "Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; b\n", "Content-Type: text/rfc822-headers\n\nFrom: x\n"]),
        header(17, "long lines") + "\n" + "x" * 5000 + "\n" + "y" * 20 + "\n",
        header(18, "language", "Content-Language: en, es\nContent-Location: http://example.org/a\n"
               "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\n") + "MIME-Version: 1.0\nContent-Type: text/plain; format=flowed\n\nb\n",
        header(19, "rfc 2231") + "MIME-Version: 1.0\nContent-Type: application/octet-stream; name*0*=utf-8''a%20;\n"
        " name*1*=b.bin\nContent-Transfer-Encoding: base64\nContent-Disposition: inline;\n filename*=utf-8''%e2%82%ac.bin\n\nAAEC\n",
        header(20, "many lines") + "\n" + "".join(f"line {i} of many\n" for i in range(400)),
        header(21, "uuencode") + "MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: x-uuencode\n\nbegin\n",
        header(22, "") + "\nempty subject\n",
        "To: first@example.org\nTo: second@example.org\nDate: Tue, 24 Nov 2026 23:30:00 -0500\nSubject: one\n" + "\ntwo of each\n",
        multipart(24, "mixed", [TEXT]).replace("--b24--\n", ""),
        header(25, "no newline at the end") + "\nlast line",
        multipart(26, "related; type=\"text/html\"", [HTML, PICTURE, multipart_part("mixed", "deep", [
            multipart_part("mixed", "deeper", [TEXT, PICTURE]), HTML])]),
    ]
    return [crlf(m) for m in out]


def multipart_part(kind, boundary, parts):
    body = "".join(f"--{boundary}\n{p}\n" for p in parts)
    return f"Content-Type: multipart/{kind}; boundary={boundary}\n\n{body}--{boundary}--\n"
