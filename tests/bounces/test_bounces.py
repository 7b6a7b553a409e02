"""Recipients, codes and reasons against the labels; the figures are printed with -s and copied into docs/bounces.md."""
import os
import subprocess

import pytest
from corpus import NOT_BOUNCES, REASONS, fingerprint, tsv


def show(what, good, total, wrong):
    print(f"\n{what}: {good} of {total} = {100 * good / total:.2f} %")
    for line in wrong:
        print("   ", line)


def given(status):
    """Sisimai makes up 5.0.9xx where a bounce has no status."""
    return "" if status.startswith(("5.0.9", "4.0.9")) else status


def extracted(corpus, adjudicate):
    total, wrong = 0, []
    for name, i, label, fact in corpus.rows():
        for field, want in (("status", given(label["status"])), ("code", label["reply_code"])):
            total += 1
            got = str((fact or {}).get(field) or "")
            right = corpus.right(name, i, field, {want}) if adjudicate else {want}
            if fact is None or got not in right:
                wrong.append(f"{name} {i} {field}: {got!r}, not {want!r}")
    return total, wrong


def test_codes(corpus):
    total, wrong = extracted(corpus, False)
    show("status and code as labelled", total - len(wrong), total, wrong)
    total, wrong = extracted(corpus, True)
    show("status and code after adjudication", total - len(wrong), total, wrong)
    assert len(wrong) <= 0.005 * total


def test_recipients(corpus):
    """Fingerprints of the recipients, read by a person; several in one file in order."""
    total, wrong = 0, []
    for row in tsv("recipients.tsv"):
        facts = [f for f in corpus.facts[row["file"]] if f["kind"] == "report"]
        total += 1
        got = [fingerprint(f["recipient"]) for f in facts]
        if got != row["recipients"].split(","):
            wrong.append(row["file"])
    show("recipients", total - len(wrong), total, wrong)
    assert len(wrong) <= 0.005 * total


def judged(corpus, adjudicate):
    total, wrong = 0, []
    for name, i, label, fact in corpus.rows():
        total += 1
        want = REASONS[label["reason"]]
        right = corpus.right(name, i, "reason", want) if adjudicate else want
        got = (fact or {}).get("reason")
        if got not in right:
            wrong.append(f"{name} {i}: {got}, labelled {label['reason']}")
    return total, wrong


def test_reasons(corpus):
    total, wrong = judged(corpus, False)
    show("reasons as labelled", total - len(wrong), total, wrong)
    total, wrong = judged(corpus, True)
    show("reasons after adjudication", total - len(wrong), total, wrong)
    assert len(wrong) <= 0.05 * total


def test_nothing_else_is_a_bounce(corpus):
    """Automatic replies, complaints and ordinary mail."""
    names = [n for n, rows in corpus.labels.items() if rows[0]["reason"] in NOT_BOUNCES] + ["rfc3834-06.eml"]
    taken = [n for n in names if any(f["kind"] == "report" for f in corpus.facts[n])]
    show("automatic replies and complaints kept apart", len(names) - len(taken), len(names), taken)
    mixed = [n for n in names if n in corpus.labels and
             corpus.facts[n][0]["kind"] != {"feedback": "feedback", "vacation": "auto-reply"}[corpus.labels[n][0]["reason"]]]
    show("of the right one of the two kinds", len(names) - len(mixed), len(names), mixed)
    assert not taken


def test_ordinary_mail(corpus):
    """Mail of other collections; what is a bounce itself is left out."""
    bounces = {"badbound.msg"}
    total, taken = 0, []
    for folder in ("mime", "dkim", "smtputf8", "reports"):
        for base, _, names in os.walk(os.path.join(os.path.dirname(corpus.files[0]), "..", folder)):
            for name in sorted(names):
                path = os.path.join(base, name)
                with open(path, "rb") as f:
                    raw = f.read(2 << 20)
                if name in bounces or not raw.strip() or b"delivery-status" in raw or not name.endswith((".eml", ".msg", ".raw")):
                    continue
                total += 1
                if any(f["kind"] == "report" for f in corpus.ask(path)):
                    taken.append(os.path.relpath(path, base))
    if total:
        show("ordinary mail kept apart", total - len(taken), total, taken)
    assert not taken


def test_speed(corpus):
    """Printed, not asserted: other work shares the cores. One thread, processor time."""
    program = os.path.join(os.path.dirname(corpus.buzon), "..", "formats", "bounce_speed")
    if not os.path.exists(program):
        pytest.skip("build it first: ninja -C build src/formats/bounce_speed")
    done = subprocess.run([program, *corpus.files], capture_output=True, text=True, check=True, timeout=120)
    print("\nin a second of one core:", ", ".join(done.stdout.split("\n")))


# Operators with wordings of their own, and the files that they answered in.
OPERATORS = ("gmail", "microsoft", "yahoo", "apple", "proofpoint", "exchange", "gmx", "amazon")


def test_left_out(corpus):
    """Each operator's answers, classified without the rules that are its own: what the others are worth."""
    program = os.path.join(os.path.dirname(corpus.buzon), "..", "formats", "bounce_speed")
    if not os.path.exists(program):
        pytest.skip("build it first: ninja -C build src/formats/bounce_speed")
    all_good = all_total = 0
    for op in OPERATORS:
        good = total = 0
        for name, i, label, fact in corpus.rows():
            if not fact or fact["operator"] != op:
                continue
            path = os.path.join(os.path.dirname(corpus.files[0]), name)
            done = subprocess.run([program, "--without", op, path], capture_output=True, text=True, check=True)
            total += 1
            good += done.stdout.split()[i] in corpus.right(name, i, "reason", REASONS[label["reason"]])
        all_good, all_total = all_good + good, all_total + total
        print(f"\nwithout the rules of {op}: {good} of {total}", end="")
    if all_total:
        print(f"\nwithout an operator's own rules: {all_good} of {all_total} = {100 * all_good / all_total:.1f} %")
