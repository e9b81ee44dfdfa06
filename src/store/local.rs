//! The local disk beneath the warehouse: what `object_store` does not offer (syncing, hidden names, exclusive files).

#![expect(clippy::disallowed_methods, reason = "the store's own file access, all of it in this module")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;

use crate::base::clock;
use crate::base::fs::{FsError, sync_dir, sync_file};
use crate::store::error::StoreError;

/// Creates a file that must not exist yet, whole or not at all. `false`: it existed.
///
/// The content is written to a temporary file, synced, and linked to its name: the link is what either succeeds or
/// finds the name taken. So a name never stands for a half-written file, not even after a power cut.
pub(super) fn create_exclusive(root: &Path, path: &Path, content: &[u8], sync: bool) -> Result<bool, StoreError> {
    let Some(folder) = path.parent() else {
        let problem = "it has no folder".to_owned();
        return Err(StoreError::Location { location: path.display().to_string(), problem });
    };
    let is_new_folder = !folder.is_dir();
    std::fs::create_dir_all(folder).map_err(StoreError::io("create the folder", folder.display()))?;
    // The name is the one that Delta's own clean-up knows for commits that came to nothing.
    let temporary = folder.join(format!("_commit_{}.json.tmp", clock::unique_id()));
    let created = write_new(&temporary, content, sync).and_then(|()| match std::fs::hard_link(&temporary, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // Some file systems have no links. Creating the name itself is exclusive as well; only a crash in the middle
        // could leave a part, which the reader reports as damaged.
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            match write_new(path, content, sync) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                other => other.map(|()| true),
            }
        }
        Err(error) => Err(error),
    });
    // A leftover temporary file has no meaning to any reader; the sweep removes it.
    let _ = std::fs::remove_file(&temporary);
    let created = created.map_err(StoreError::io("write", path.display()))?;
    if created && sync {
        sync_dir(folder)?;
        if is_new_folder {
            sync_folders_above(root, folder)?;
        }
    }
    Ok(created)
}

fn write_new(path: &Path, content: &[u8], sync: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    if sync { file.sync_all() } else { Ok(()) }
}

/// Syncs the folders above `folder`, up to the one that holds the warehouse.
pub(super) fn sync_folders_above(root: &Path, folder: &Path) -> Result<(), StoreError> {
    for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(root)) {
        sync_dir(above)?;
    }
    sync_outside(root)
}

/// Syncs the folder that holds the warehouse, if we may: it is not ours, and only a new warehouse needs it.
pub(super) fn sync_outside(root: &Path) -> Result<(), StoreError> {
    match root.parent().map(sync_dir) {
        Some(Err(FsError::Io { source, .. })) if source.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Opens a new file for writing; the folder is made if it is missing.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Gives a file a second name, or copies it where the file system has no such thing or the names are on two disks. The
/// new name must not exist; its folder is made if it is missing.
pub(super) fn link(old: &Path, new: &Path) -> io::Result<()> {
    if let Some(folder) = new.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::hard_link(old, new) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
            std::fs::copy(old, new).map(|_| ())
        }
        linked => linked,
    }
}

/// Makes a file durable.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    Ok(sync_file(path)?)
}

/// Opens a file for reading.
pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Reads a file whole; `None` if it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Bytes>, StoreError> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path.display())(error)),
    }
}

/// Opens (and creates if missing) the file of a lock, without changing its content.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a folder if it is empty.
pub(super) fn remove_empty_folder(path: &Path) {
    // A folder that is not empty is not a problem: it stays.
    let _ = std::fs::remove_dir(path);
}

/// The names in a folder and whether each is a folder; none if there is no such folder.
pub(super) fn names(folder: &Path) -> Result<Vec<(String, bool)>, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(StoreError::io("list", folder.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list", folder.display()))?;
        if let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) {
            names.push((name, kind.is_dir()));
        }
    }
    names.sort();
    Ok(names)
}

/// A file found by [`walk`].
#[derive(Debug)]
pub(super) struct Found {
    /// Path relative to the folder that was walked, with `/`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change.
    pub modified: SystemTime,
}

/// All files below a folder, also those whose names `object_store` hides.
pub(super) fn walk(folder: &Path) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_path_buf(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        for (name, is_folder) in names(&path)? {
            let (path, relative): (PathBuf, String) = (path.join(&name), format!("{prefix}{name}"));
            if is_folder {
                open.push((path, format!("{relative}/")));
            } else if let Ok(metadata) = std::fs::symlink_metadata(&path) {
                let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push(Found { path: relative, size: metadata.len(), modified });
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}
