"""``python -m fastgw``."""

import sys

from fastgw.app.cli import main

sys.exit(main())
