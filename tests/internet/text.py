"""The words of a scenario line: quotes, quantities, escapes. Everything that reads scenarios starts here."""
import re
from typing import NamedTuple

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "k": 1024, "M": 1024 ** 2, "G": 1024 ** 3,
         "%": 0.01, "": 1}
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


class ScenarioError(Exception):
    """A mistake in a scenario, with the line it stands on."""


class Word(NamedTuple):
    text: str
    quoted: bool = False  # some of it stood in quotes, so it is text and no punctuation

    def is_mark(self, mark):
        return not self.quoted and self.text == mark


def split_words(line):
    """Words, quoted words, and the marks ':' and ',' (a comma counts only at the end of a word)."""
    words, i = [], 0
    while i < len(line):
        if line[i] in " \t":
            i += 1
        elif line[i] == "#":
            break
        elif line[i] == "," and (i + 1 == len(line) or line[i + 1] in " \t"):
            words.append(Word(","))
            i += 1
        else:
            word, i = _take_word(line, i)
            words.append(word)
    return words


def _take_word(line, i):
    out, quoted = [], False
    while i < len(line) and line[i] not in " \t":
        if line[i] == "," and (i + 1 == len(line) or line[i + 1] in " \t"):
            break
        if line[i] == '"':
            text, i = _take_quoted(line, i + 1)
            out.append(text)
            quoted = True
        else:
            out.append(line[i])
            i += 1
    return Word("".join(out), quoted), i


def _take_quoted(line, i):
    out = []
    while i < len(line) and line[i] != '"':
        if line[i] != "\\":
            out.append(line[i])
            i += 1
            continue
        mark = line[i + 1:i + 2]
        if mark == "x" and re.fullmatch("[0-9a-fA-F]{2}", line[i + 2:i + 4]):
            value = int(line[i + 2:i + 4], 16)
            out.append(chr(value) if value < 0x80 else chr(0xDC00 + value))  # a byte, not a character
            i += 4
        else:
            out.append(ESCAPES.get(mark, mark if mark in '"\\' else "\\" + mark))
            i += 2
    if i >= len(line):
        raise ScenarioError("a quote is not closed")
    return "".join(out), i + 1


def to_bytes(text):
    """UTF-8, but \\xE9 in a scenario stays the one byte 0xE9."""
    return text.encode("utf-8", "surrogateescape")


def quantity(text):
    """'10', '300s', '5m', '64k', '10M', '20%' as a number: seconds, octets or a share."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|[smhdwkMG%]?)", text)
    if not found:
        raise ScenarioError(f"'{text}' is no number, duration or size")
    value = float(found[1]) * UNITS[found[2]]
    return int(value) if value == int(value) else value


def is_quantity(text):
    return re.fullmatch(r"\d+(?:\.\d+)?(?:ms|[smhdwkMG%]?)", text) is not None
