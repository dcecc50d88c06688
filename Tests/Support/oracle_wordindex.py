#!/usr/bin/env python3
"""What the wordindex pipeline must publish, computed without any of Sluice's code.

    oracle_wordindex.py ROOT TABLES FILE...

Files are relative to ROOT. Reads them as the shipped pipeline does, and compares what is in TABLES, JSON lines of a query over
`word_files` ({"word":…,"files":[…]}) and `documents` ({"file":…,"size":…,"tokens":…}). Prints what
differs, at most ten lines, and the numbers of words, documents and pairs.

- A file is gzip where it begins so. With a NUL in its first 8 KiB it is binary and no document; nor
  is a gzip file that is cut off or damaged. It is read as UTF-8 where it is UTF-8, else as Latin-1.
- A word is a longest run of letters, marks and digits (Unicode's L, M and N) and `_`, each character
  in lower case by itself. Words of more than 255 characters are none.
"""

import gzip
import json
import pathlib
import sys
import unicodedata
import zlib


class Characters(dict):
    """From code points to what stands for them in words; a space between words."""

    def __missing__(self, code):
        character = chr(code)
        if character != "_" and unicodedata.category(character)[0] not in "LMN":
            value = " "
        elif character == "\u0130":
            value = "i"
        else:
            lower = character.lower()
            value = lower if len(lower) == 1 else character
        self[code] = value
        return value


def text(path):
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error):
            return None
    if 0 in data[:8192]:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def main(root, tables, names):
    characters = Characters()
    words, documents = {}, {}
    for name in names:
        path = pathlib.Path(root, name)
        content = text(path)
        if content is None:
            continue
        found = [word for word in content.translate(characters).split(" ") if word]
        found = [word for word in found if len(word) <= 255]
        documents[name] = (path.stat().st_size, len(found))
        for word in set(found):
            words.setdefault(word, []).append(name)
    differences = []
    seen_words, seen_documents = set(), set()
    for line in open(tables, encoding="utf-8"):
        row = json.loads(line)
        if "word" in row:
            seen_words.add(row["word"])
            if sorted(row["files"]) != sorted(words.get(row["word"], [])):
                differences.append(f"{row['word']!r}: {row['files'][:5]}")
        else:
            seen_documents.add(row["file"])
            if documents.get(row["file"]) != (row["size"], row["tokens"]):
                differences.append(f"{row['file']}: {row} but {documents.get(row['file'])}")
    differences += [f"no word {word!r}" for word in words.keys() - seen_words]
    differences += [f"no document {name}" for name in documents.keys() - seen_documents]
    for difference in differences[:10]:
        print(difference)
    print(len(words), len(documents), sum(map(len, words.values())))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
