"""RO-Crate: the file in a parcel that says, for programs, what each file is, how it came about, and its checksum.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with the profile Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NotRequired, TypedDict

from rbmflow._files import to_json
from rbmflow.store.records import HASH, parse_record

FILE = "ro-crate-metadata.json"

_CRATE, _PROCESS = "https://w3id.org/ro/crate/1.1", "https://w3id.org/ro/wfrun/process/0.5"

_TYPES = {
    ".md": "text/markdown",
    ".cff": "application/yaml",
    ".html": "text/html",
    ".nc": "application/netcdf",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".csv": "text/csv",
    ".toml": "application/toml",
    ".py": "text/x-python",
}
"""What a file holds, by the end of its name; plain text else."""


class Listed(NamedTuple):
    """A file of a parcel."""

    name: str
    sha256: str
    size: int
    place: str
    """Its path in a store; empty of a file that belongs into none."""
    meaning: str = ""
    """What it is, for people."""


def metadata(record: Mapping[str, Any], files: Sequence[Listed], about: str, authors: Sequence[str]) -> bytes:
    """The metadata of a run by its record: its files, the software, and the process that made these of its spec."""
    ended = datetime.fromisoformat(record["started"]) + timedelta(seconds=record.get("seconds", 0.0))
    versions = [f"{package} {version}" for package, version in record.get("versions", {}).items()]
    people = [{"@id": f"#author-{number}", "@type": "Person", "name": name} for number, name in enumerate(authors, 1)]
    specs = [{"@id": one.name} for one in files if one.place.endswith("/spec.toml")]
    made = [{"@id": one.name} for one in files if one.place and {"@id": one.name} not in specs]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{record['run']}: a run of rbmflow",
        "identifier": record["run"],
        "description": about,
        "datePublished": ended.isoformat(timespec="seconds"),
        "license": {"@id": "LICENSE"},
        "author": _these(people),
        "conformsTo": {"@id": _PROCESS},
        "hasPart": [{"@id": one.name} for one in files],
        "mentions": {"@id": "#run"},
    }
    software = {
        "@id": "#rbmflow",
        "@type": "SoftwareApplication",
        "name": "rbmflow",
        "softwareVersion": record.get("versions", {}).get("rbmflow", "unknown"),
        "softwareRequirements": versions,
    }
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "rbmflow run spec.toml",
        "description": f"on {record.get('device', 'an unknown device')}, {record.get('platform', 'unknown platform')}",
        "instrument": {"@id": "#rbmflow"},
        "agent": _these(people),
        "startTime": record["started"],
        "endTime": ended.isoformat(timespec="seconds"),
        "object": _these(specs),
        "result": made,
    }
    descriptor = {"@id": FILE, "@type": "CreativeWork", "conformsTo": {"@id": _CRATE}, "about": {"@id": "./"}}
    profile = {"@id": _PROCESS, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    graph = [descriptor, root, software, action, profile, *people, *map(_file, files)]
    terms = {"sha256": "http://schema.org/sha256"}  # The context of 1.1 lacks it.
    return to_json({"@context": [f"{_CRATE}/context", terms], "@graph": graph}).encode()


def _these(entities: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | dict[str, Any]:
    """References to entities; to one alone without a list, as the specification would have it."""
    found = [{"@id": entity["@id"]} for entity in entities]
    return found[0] if len(found) == 1 else found


def _file(one: Listed) -> dict[str, Any]:
    end = one.name[one.name.rfind(".") :] if "." in one.name else ""
    entity = {
        "@id": one.name,
        "@type": "File",
        "name": one.meaning or one.name,
        "encodingFormat": _TYPES.get(end, "text/plain"),
        "contentSize": str(one.size),
        "sha256": one.sha256,
    }
    return entity | ({"alternateName": one.place} if one.place else {})


_Entity = TypedDict(
    "_Entity",
    {
        "@id": str,
        "@type": str | list[str],
        "sha256": NotRequired[str],
        "contentSize": NotRequired[str],
        "alternateName": NotRequired[str],
        "identifier": NotRequired[Any],
    },
)

_Crate = TypedDict("_Crate", {"@graph": list[_Entity]})


def listed(content: bytes) -> tuple[str, list[Listed]]:
    """The id of the run, and the files, that metadata tell of; a `ValueError` where they do not read as ours."""
    graph = parse_record(_Crate, content)["@graph"]
    root = next((entity for entity in graph if entity["@id"] == "./"), None)
    if root is None:
        raise ValueError("it has no root")
    files = []
    for entity in graph:
        if entity["@type"] == "File":
            sha, size = entity.get("sha256", ""), entity.get("contentSize", "")
            if not (HASH.fullmatch(sha) and size.isascii() and size.isdigit() and len(size) < 19):
                raise ValueError(f"{entity['@id']} has no sha256 or no size")
            files.append(Listed(entity["@id"], sha, int(size), entity.get("alternateName", "")))
    return str(root.get("identifier", "")), files
