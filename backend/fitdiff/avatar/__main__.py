"""Print the JSON Schema of avatar.json: python -m fitdiff.avatar > docs/avatar.schema.json"""

import json
import sys

from .manifest import schema

sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
