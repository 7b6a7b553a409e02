"""What each protocol's rules may say: stages, facts (guards), actions; and the settings and short forms of a host."""
from .certificates import KINDS, VERSIONS
from .text import ScenarioError, quantity, split_words

CONNECTION_FACTS = {"client", "family", "port", "tls", "sni", "client-cert", "ptr", "fcrdns", "sessions", "early",
                    "commands", "errors", "pipelined", "verb", "arg"}


class Smtp:
    """SMTP and LMTP."""

    STAGES = ("connect", "banner", "ehlo", "helo", "starttls", "tls", "auth", "mail", "rcpt", "data", "bdat", "dot", "rset",
              "noop", "vrfy", "expn", "help", "quit", "other")
    FACTS = CONNECTION_FACTS | {
        "from", "from.domain", "from.dns", "to", "local", "domain", "helo", "helo.dns", "auth", "mech", "mailbox",
        "handled", "size", "8bit", "smtputf8", "rcpts", "tried", "messages", "bare-lf", "body"}
    FACT_PREFIXES = ("param.", "header.")
    ACTIONS = {"accept": (0, 0, True), "keep": (0, 0, False), "discard": (0, 0, False), "alert": (1, 1, True),
               "dsn": (2, 3, False), "handshake": (0, 0, True)}


class Http:
    """HTTP and HTTPS."""

    STAGES = ("connect", "tls", "get", "head", "post", "other")
    FACTS = CONNECTION_FACTS | {"path", "vhost", "body"}
    FACT_PREFIXES = ("header.",)
    ACTIONS = {"header": (2, 2, False), "type": (1, 1, False), "redirect": (1, 2, True), "huge": (1, 1, True),
               "policy": (1, 99, True), "alert": (1, 1, True), "handshake": (0, 0, True)}


class Imap:
    """A small IMAP server for scenarios about signing in."""

    STAGES = ("connect", "tls", "banner", "capability", "starttls", "login", "authenticate", "select", "logout", "other")
    FACTS = CONNECTION_FACTS | {"user", "mech", "auth"}
    FACT_PREFIXES = ()
    ACTIONS = {"alert": (1, 1, True), "handshake": (0, 0, True)}


class Pop3(Imap):
    """A small POP3 server for the same."""

    STAGES = ("connect", "tls", "banner", "capa", "stls", "user", "pass", "auth", "stat", "quit", "other")


class Raw:
    """Ports that speak no protocol."""

    STAGES = ()
    FACTS = frozenset()
    FACT_PREFIXES = ()
    ACTIONS = {}


LISTEN = {"smtp": Smtp, "smtps": Smtp, "lmtp": Smtp, "http": Http, "https": Http, "imap": Imap, "imaps": Imap,
          "pop3": Pop3, "pop3s": Pop3, "raw": Raw, "silent": Raw, "reset": Raw, "filtered": Raw, "strip": Raw,
          "forward": Raw}
IMPLICIT_TLS = {"smtps", "https", "imaps", "pop3s"}

SETTINGS = {"tls": 1, "offers": 1, "mailboxes": 1, "catch-all": 1, "case-sensitive": 0, "subaddress": 1, "auth": 2,
            "auth-required": 0, "greylist": 1, "limit": 2, "latency": 1, "eol": 1, "serve": 2, "mta-sts": 1, "keep": 1}

LIMITS = {
    "rcpts": 'rcpt rcpts>={n} : reply 452 4.5.3 "too many recipients"',
    "messages": 'mail messages>={n} : reply 421 4.7.0 "enough messages for one session", close',
    "commands": 'any commands>{n} : reply 421 4.7.0 "too many commands", close',
    "errors": 'any errors>={n} : reply 421 4.7.0 "error rate too high", close',
    "sessions": 'banner sessions>{n} : reply 421 4.7.0 "too many sessions from your address", close',
    "connects": 'banner n/client/60s>{n} : reply 421 4.7.0 "too many connections from your address", close',
    "rate": 'mail n/client/60s>{n} : reply 451 4.7.1 "too much mail from your address, slow down"',
    "size": "",
}


def check_setting(name, texts):
    if name == "tls":
        _check_tls(texts)
    elif name == "limit" and texts[0] not in LIMITS:
        raise ScenarioError(f"there is no limit '{texts[0]}'; limits are {', '.join(LIMITS)}")
    elif name == "limit":
        quantity(texts[1])
    elif name in ("greylist", "latency") and texts[0] != "lognormal":
        quantity(texts[0])
    elif name == "eol" and texts[0] not in ("crlf", "lf"):
        raise ScenarioError("eol is crlf or lf")


def _check_tls(texts):
    words = iter(texts)
    for word in words:
        if word == "versions":
            low, _, high = next(words, "").partition("..")
            if low not in VERSIONS or (high or low) not in VERSIONS:
                raise ScenarioError(f"versions are A..B out of {', '.join(VERSIONS)}")
        elif word in ("ciphers", "names"):
            next(words, "")
        elif word not in KINDS and word not in ("none", "broken", "injection", "client-cert"):
            raise ScenarioError(f"tls cannot be '{word}'; words are none, {', '.join(KINDS)}, broken, injection, "
                                "client-cert, versions A..B, ciphers LIST, names A,B")


def sugar(host, listener):
    """Rules that the short forms of a host stand for; they come after its own rules."""
    lines = []
    kind = LISTEN[listener.protocol]
    if kind is Smtp:
        for words in host.all("greylist"):
            scope = words[1].text if len(words) > 1 else "triplet"
            lines.append(f'rcpt age/{scope}<{words[0].text} : reply 450 4.2.0 "<{{to}}>: Recipient address rejected: '
                         f'Greylisted for {words[0].text}"')
        lines += [LIMITS[w[0].text].format(n=w[1].text) for w in host.all("limit") if LIMITS[w[0].text]]
        if host.one("auth-required") is not None:
            lines.append('mail !auth : reply 530 5.7.0 "Authentication required"')
    if any(w.text == "broken" for w in host.one("tls", [])):
        lines.append('tls : raw "this is no TLS at all\\r\\n", close')
    out = [split_words(line) for line in lines]
    if kind is Http:
        out += [split_words("get,head") + [split_words(f"path={w[0].text}")[0], *split_words(":"), *w[1:]]
                for w in host.all("serve")]
        out += [split_words("get path=/.well-known/mta-sts.txt : policy") + w for w in host.all("mta-sts")]
    return out
