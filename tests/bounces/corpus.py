"""Reads the labels and what buzon says of each file, and joins the two."""
import collections
import csv
import glob
import hashlib
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(os.path.dirname(os.path.dirname(HERE)), "..", "shared", "corpus", "bounces")
NOT_BOUNCES = {"feedback", "vacation"}

# What a label of Sisimai's taxonomy is in ours: the table of doctor.md §4.1, where one of theirs is several of ours.
REASONS = {
    "userunknown": {"user_unknown"},
    "mailboxfull": {"mailbox_full"},
    "suspend": {"mailbox_disabled"},
    "hasmoved": {"moved"},
    "hostunknown": {"domain_unknown", "null_mx"},
    "notaccept": {"null_mx", "domain_unknown"},
    "networkerror": {"host_unreachable", "expired", "loop"},
    "expired": {"expired", "host_unreachable"},
    "blocked": {"ip_reputation", "dnsbl", "greylisted"},
    "badreputation": {"ip_reputation", "dnsbl"},
    "requireptr": {"ptr_helo"},
    "authfailure": {"auth_spf", "auth_dkim", "auth_dmarc", "auth_missing"},
    "securityerror": {"tls_required", "tls_failed", "auth_required", "relay_denied"},
    "norelaying": {"relay_denied", "auth_required"},
    "spamdetected": {"spam_content"},
    "virusdetected": {"virus", "bad_attachment"},
    "contenterror": {"virus", "bad_attachment"},
    "policyviolation": {"policy_local"},
    "filtered": {"policy_local"},
    "rejected": {"policy_local", "sender_refused"},
    "mesgtoobig": {"too_big"},
    "exceedlimit": {"rate_limited", "too_big"},
    "speeding": {"rate_limited"},
    "toomanyconn": {"rate_limited"},
    "notcompliantrfc": {"malformed"},
    "syntaxerror": {"malformed"},
    "systemerror": {"receiver_fault"},
    "systemfull": {"receiver_fault"},
    "mailererror": {"receiver_fault"},
    "onhold": {"unknown"},
    "undefined": {"unknown"},
    "delivered": {"delivered"},
}


def tsv(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return list(csv.DictReader((l for l in f if not l.startswith("#")), delimiter="\t"))


def fingerprint(address):
    return hashlib.sha256(address.lower().encode()).hexdigest()[:12]


class Corpus:
    def __init__(self, buzon):
        self.buzon = buzon
        self.files = sorted(glob.glob(os.path.join(FOLDER, "*.eml")))
        self.labels = collections.defaultdict(list)
        with open(os.path.join(FOLDER, "labels.tsv"), encoding="utf-8") as f:
            for row in csv.DictReader(f, delimiter="\t"):
                self.labels[row["file"]].append(row)
        self.facts = {os.path.basename(f): self.ask(f) for f in self.files}
        self.adjudged = {(r["file"], int(r["row"]), r["field"]): r for r in tsv("adjudication.tsv")}

    def ask(self, path):
        done = subprocess.run([self.buzon, "--json", "doctor", "bounce", path], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode in (0, 1), f"{path}: exit {done.returncode}: {done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    def rows(self):
        """(file, number, label, fact or None) of every label of a recipient."""
        for name in sorted(self.labels):
            facts = [f for f in self.facts[name] if f["kind"] == "report"]
            for i, label in enumerate(self.labels[name]):
                if label["reason"] not in NOT_BOUNCES:
                    yield name, i, label, facts[i] if i < len(facts) else None

    def right(self, name, i, field, label):
        """What the adjudication says is right, or the label; a set."""
        ruling = self.adjudged.get((name, i, field))
        return set(ruling["right"].split(",")) if ruling else label
