"""Judge the parsers and a running gateway by public corpora: ``python tools/corpus.py DIR [--only PART]``.

The corpora stay outside the project.
``DIR`` holds one folder a corpus (``http-framing/``, ...). Prints one line a part and every complaint; exits 1 when
there is one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import corpus_http, corpus_json, corpus_wire

PARTS: dict[str, Callable[[Path], list[str]]] = {
    "http": corpus_http.check,
    "json": corpus_json.check,
    "wire": corpus_wire.complaints,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--only", choices=sorted(PARTS))
    options = parser.parse_args()
    complaints = [text for name, check in PARTS.items() if options.only in (None, name) for text in check(options.dir)]
    print("\n".join(complaints), end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
