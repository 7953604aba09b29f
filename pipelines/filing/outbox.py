"""The outbox: where insurers find what we write to them, any fsspec URL.

Belongs here: how a file gets there whole. Does not belong here: what is in it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pipelines.contracts.identities import hide_identities

#: Folder of what cannot be laid into anybody's outbox: the reporter is not known.
UNIDENTIFIED = "unidentified"
_CODE = re.compile(r"[0-9A-Z]{1,40}")
#: Remote protocols with real renames; on the others (object stores) a file appears only when it is complete.
_RENAMING = {"sftp", "ssh", "ftp", "smb", "hdfs", "webhdfs"}


class OutboxUnavailableError(RuntimeError):
    """The outbox cannot be written: a mistake of configuration or an outage, never a filer's fault."""


class Outbox:
    """Folders by reporter under one URL (`file:///…`, `memory://…`, sftp, s3, …)."""

    def __init__(self, url: str) -> None:
        """Open the file system the URL names; nothing is written yet."""
        self.url = url
        self._fs, self._root = fsspec.core.url_to_fs(url)
        self._is_local = isinstance(self._fs, LocalFileSystem)
        protocols = self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,)
        self._renames = bool(_RENAMING.intersection(protocols))
        self._made: set[str] = set()
        #: Whether another process that opens the URL writes to the same place.
        self.is_shared = "memory" not in protocols

    def put(self, reporter_code: str | None, name: str, data: bytes) -> None:
        """Write a file into a reporter's folder (`name` may name one below it); it appears whole or not at all, over an
        earlier one.

        Raises `OutboxUnavailableError`.
        """
        path = f"{self._root}/{folder_of(reporter_code)}/{name}"
        folder = path.rpartition("/")[0]
        try:
            if folder not in self._made:
                self._fs.makedirs(folder, exist_ok=True)
                self._made.add(folder)
            if self._is_local:
                part = Path(f"{path}.part")
                part.write_bytes(data)
                os.replace(part, path)  # noqa: PTH105 - atomic, also over an existing file
            elif self._renames:
                self._fs.pipe_file(f"{path}.part", data)
                self._fs.mv(f"{path}.part", path)
            else:
                self._fs.pipe_file(path, data)
        except OSError as error:
            raise OutboxUnavailableError(
                f"the outbox cannot be written: {type(error).__name__} at {path} ({error.strerror or error}). "
                "Free space or grant access there, or set XIAOBAO_OUTBOX to a place that can be written; then run "
                "again: what was not written is written then."
            ) from error

    def fetch(self, reporter_code: str | None, name: str) -> bytes | None:
        """A file of a reporter's folder; None when there is none."""
        try:
            data: bytes = self._fs.cat_file(f"{self._root}/{folder_of(reporter_code)}/{name}")
        except FileNotFoundError:
            return None
        return data

    def settle(self) -> None:
        """Have what was written on the disk before the ledger says so; once for many files."""
        if self._is_local:
            os.sync()


def folder_of(reporter_code: str | None) -> str:
    """Folder of a reporter: its code, unless that is no code or would show a clear identity."""
    code = (reporter_code or "").strip()
    return code if _CODE.fullmatch(code) and hide_identities(code) == code else UNIDENTIFIED
