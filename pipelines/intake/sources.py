"""Where filings are pulled from: any fsspec URL, listed as parcels (a data file and its sidecar).

Belongs here: listing and fetching; the URL's protocol decides everything else. Does not belong here: keeping bytes
(`archive`), reading them. Names carry no meaning beyond pairing a sidecar with its data file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem

#: A data file's envelope stands beside it under the same name plus this suffix.
SIDECAR_SUFFIX = ".json"
_IGNORED_PREFIXES = (".", "~$")


class SourceUnavailableError(RuntimeError):
    """The source cannot be listed: a mistake of configuration or an outage, never a filer's fault."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A parcel as the source shows it: names, sizes, and a stamp that changes when either file changes."""

    name: str
    data_path: str
    sidecar_path: str | None
    byte_size: int
    stamp: str


class ParcelSource(Protocol):
    """What filings can be pulled from."""

    url: str

    @property
    def is_local(self) -> bool:
        """Whether files may be fetched by several threads at once, which not every protocol bears."""

    def parcels(self) -> Iterator[Listed]:
        """Parcels in a stable order."""

    def open(self, path: str) -> IO[bytes]:
        """One listed file as a stream."""

    def fetch(self, path: str) -> bytes:
        """The bytes of one listed file."""


class Source:
    """A place that insurers write to, addressed by URL (`file:///…`, `memory://…`, later sftp, s3, https)."""

    def __init__(self, url: str) -> None:
        """Open the file system the URL names; nothing is read yet."""
        self.url = url
        self._fs, self._root = fsspec.core.url_to_fs(url)

    @property
    def is_local(self) -> bool:
        """Whether the files lie on a disk of this machine."""
        return isinstance(self._fs, LocalFileSystem)

    def parcels(self) -> Iterator[Listed]:
        """List parcels in name order. A sidecar without data, or data without sidecar, is listed too."""
        if not self._fs.exists(self._root):
            raise SourceUnavailableError(
                f"the inbox {self.url} does not exist; create it, or set XIAOBAO_INBOX to the URL insurers write to"
            )
        found: dict[str, dict[str, Any]] = self._fs.find(self._root, detail=True)
        files = {
            path: info
            for path, info in found.items()
            if not path.rsplit("/", 1)[-1].startswith(_IGNORED_PREFIXES) and info.get("type") != "directory"
        }
        sidecars = {
            path for path in files if path.endswith(SIDECAR_SUFFIX) and path[: -len(SIDECAR_SUFFIX)] in files
        }
        for path in sorted(files):
            if path in sidecars:
                continue
            sidecar = path + SIDECAR_SUFFIX if path + SIDECAR_SUFFIX in sidecars else None
            stamps = [_stamp(files[path])] + ([_stamp(files[sidecar])] if sidecar else [])
            yield Listed(
                name=path[len(self._root) :].lstrip("/"),
                data_path=path,
                sidecar_path=sidecar,
                byte_size=int(files[path].get("size") or 0),
                stamp="|".join(stamps),
            )

    def open(self, path: str) -> IO[bytes]:
        """One listed file as a stream, for files too big to hold."""
        stream: IO[bytes] = self._fs.open(path, "rb")
        return stream

    def fetch(self, path: str) -> bytes:
        """The bytes of one listed file."""
        data: bytes = self._fs.cat_file(path)
        return data


def _stamp(info: dict[str, Any]) -> str:
    """Size and the protocol's own mark of change (mtime, etag, last-modified)."""
    mark = info.get("mtime") or info.get("ETag") or info.get("LastModified") or info.get("created") or ""
    return f"{info.get('size')}@{mark}"
