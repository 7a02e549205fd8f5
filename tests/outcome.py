"""What a study has left on disk: the payloads of its records, and who says to have made what."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any


def manifests(outputs: Path) -> dict[str, dict[str, Any]]:
    found = outputs.glob("artifacts/*/*/manifest.json")
    return {path.parent.name: json.loads(path.read_text()) for path in found}


def records(outputs: Path) -> dict[str, dict[str, str]]:
    """Digest of every payload file of every record."""
    return {
        path.name: {
            file.name: sha256(file) for file in sorted(path.iterdir()) if file.name != "manifest.json"
        }
        for path in (outputs / "artifacts" / "record").iterdir()
    }


def made(outputs: Path) -> list[str]:
    """Every artifact that some worker said it made, as often as it was said."""
    logs = outputs.glob("studies/*/jobs/*/worker-*.log")
    return [key for log in logs for key in re.findall(r" made \w+ (\w+) ", log.read_text())]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
