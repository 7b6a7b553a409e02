"""A test CA and the certificates of hosts, good and bad; made when first needed."""
import datetime
import hashlib
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

KINDS = ("good", "wrong-name", "expired", "not-yet", "self-signed", "other-ca", "no-chain", "weak", "old")
VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2,
            "1.3": ssl.TLSVersion.TLSv1_3}
DAY = datetime.timedelta(days=1)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    def __init__(self, name, issuer=None):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.issuer = issuer
        self.certificate = self._build(name)

    def _build(self, name):
        signer = self.issuer or self
        subject = _name(name)
        return _builder(subject, self.issuer.certificate.subject if self.issuer else subject, self.key.public_key(),
                        -DAY, 30 * DAY) \
            .add_extension(x509.BasicConstraints(True, None), True) \
            .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), True) \
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False) \
            .sign(signer.key, hashes.SHA256())


def _builder(subject, issuer, public_key, begin, end):
    now = datetime.datetime.utcnow()
    return x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key) \
        .serial_number(x509.random_serial_number()).not_valid_before(now + begin).not_valid_after(now + end)


class Certificates:
    """Certificates by (name, kind), as objects, as files for real peers, and as contexts for the engine's hosts."""

    def __init__(self, directory):
        self.directory = os.path.join(directory, "tls")
        os.makedirs(self.directory, exist_ok=True)
        self.root = Authority("Test Internet CA")
        self.intermediate = self.other = None
        self.made, self.contexts = {}, {}
        self.ca_file = os.path.join(self.directory, "ca.pem")
        with open(self.ca_file, "wb") as f:
            f.write(_pem(self.root.certificate))

    def chain(self, names, kind="good"):
        """(certificates as they are sent, private key); the same names and kind give the same certificate."""
        key = (tuple(names), kind)
        if key not in self.made:
            self.made[key] = self._make(list(names), kind)
        return self.made[key]

    def _make(self, names, kind):
        authority = self._authority(kind)
        private = rsa.generate_private_key(65537, 1024) if kind == "weak" else ec.generate_private_key(ec.SECP256R1())
        begin, end = {"expired": (-20 * DAY, -2 * DAY), "not-yet": (DAY, 20 * DAY)}.get(kind, (-DAY, 20 * DAY))
        names = ["wrong.invalid"] if kind == "wrong-name" else names
        subject = _name(names[0])
        digest = hashes.SHA1() if kind == "weak" else hashes.SHA256()
        builder = _builder(subject, authority.certificate.subject if authority else subject, private.public_key(),
                           begin, end) \
            .add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), False) \
            .add_extension(x509.BasicConstraints(False, None), True)
        if authority:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), False)
        leaf = builder.sign(authority.key if authority else private, digest)
        above = [] if not authority or kind == "no-chain" else [authority.certificate]
        return [leaf, *above], private

    def _authority(self, kind):
        if kind == "self-signed":
            return None
        if kind == "other-ca":
            self.other = self.other or Authority("Unknown CA")
            return self.other
        if kind == "no-chain":
            self.intermediate = self.intermediate or Authority("Test Internet Intermediate", self.root)
            return self.intermediate
        return self.root

    def files(self, names, kind="good"):
        """Paths of a chain and a key in PEM."""
        certificates, private = self.chain(names, kind)
        stem = os.path.join(self.directory, f"{names[0]}-{hashlib.sha1(repr((names, kind)).encode()).hexdigest()[:8]}")
        if not os.path.exists(stem + ".key"):
            with open(stem + ".pem", "wb") as f:
                f.write(b"".join(map(_pem, certificates)))
            with open(stem + ".key", "wb") as f:
                f.write(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption()))
        return stem + ".pem", stem + ".key"

    def tlsa(self, names, kind, selector, matching):
        """The association data of a TLSA record; names ["ca"] mean the test CA."""
        certificate = self.root.certificate if names == ["ca"] else self.chain(names, kind)[0][0]
        if selector == 0:
            data = certificate.public_bytes(serialization.Encoding.DER)
        else:
            data = certificate.public_key().public_bytes(serialization.Encoding.DER,
                                                         serialization.PublicFormat.SubjectPublicKeyInfo)
        return {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}[matching]

    def context(self, names, words):
        """A server's context from the words of `tls`: KIND, versions A..B, ciphers LIST, client-cert."""
        key = (tuple(names), tuple(words))
        if key not in self.contexts:
            self.contexts[key] = self._context(list(names), list(words))
        return self.contexts[key]

    def _context(self, names, words):
        kind = next((w for w in words if w in KINDS), "good")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        low, _, high = words[words.index("versions") + 1].partition("..") if "versions" in words else ("1.2", "", "1.3")
        context.set_ciphers(words[words.index("ciphers") + 1] if "ciphers" in words else "ALL:!aNULL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = VERSIONS[low], VERSIONS[high or low]
        context.load_cert_chain(*self.files(names, kind))
        if "client-cert" in words:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(self.ca_file)
        context.sni_callback = _remember_name
        return context


def _remember_name(connection, name, _context):
    connection.asked_name = name
