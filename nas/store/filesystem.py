"""Where an SQLite file may be: not on a file system that another machine may write to as well."""

import re
from pathlib import Path

from nas.errors import UserError

MOUNTS = Path("/proc/self/mountinfo")

# Their locks do not hold across machines, or not for the shared memory of write-ahead mode.
NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs afs ceph coda glusterfs gpfs lustre beegfs ncpfs ocfs2 gfs2 orangefs "
    "pvfs2 panfs davfs acfs fuse.sshfs fuse.davfs fuse.davfs2 fuse.s3fs fuse.gcsfuse fuse.goofys "
    "fuse.rclone fuse.glusterfs fuse.ceph fuse.juicefs fuse.curlftpfs fuse.mount-s3 "
    "fuse.blobfuse fuse.blobfuse2".split()
)


def refuse_network(file: Path, mounts: str | None = None) -> None:
    """Raises UserError for a file on a network file system.

    mounts: as Linux lists them in /proc/self/mountinfo.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:  # nobody to ask: the file system itself will tell
            return
    kind = _kind(file, mounts)
    if kind in NETWORK:
        raise UserError(
            f"{file} is on a network file system ({kind}), whose locks SQLite cannot rely on; "
            "give --out a local folder, or --storage a PostgreSQL database"
        )


def _kind(file: Path, mounts: str) -> str | None:
    """The type of the file system that a path, which need not exist, is on."""
    place, deepest, kind = file.resolve(), -1, None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, described = before.split(), after.split()
        if len(fields) < 5 or not described:
            continue
        mount = Path(_plain(fields[4]))
        # Of two on the same place, the later one hides the earlier.
        if place.is_relative_to(mount) and len(mount.parts) >= deepest:
            deepest, kind = len(mount.parts), described[0]
    return kind


def _plain(name: str) -> str:
    """Blanks and the like are written as octal numbers there."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), name)
