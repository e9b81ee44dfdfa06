//! Files, folders and the clock: the only place that touches them. Errors name the path.

#![expect(clippy::disallowed_methods, reason = "this program does not link the library, so it has a door of its own")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::Utc;

use crate::failure::Failure;

/// The present, in seconds since 1970.
pub fn now() -> i64 {
    Utc::now().timestamp()
}

/// A clock for durations.
pub fn stopwatch() -> Instant {
    Instant::now()
}

/// Reads a text file; `None` if it is not there.
pub fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Failure::Usage(format!("`{}` is not UTF-8 text", path.display())))
        }
        Err(error) => Err(Failure::disk("read", path)(error)),
    }
}

/// The names in a folder, sorted; none if the folder is not there.
pub fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::disk("list", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(Failure::disk("list", folder))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Makes a folder with those above it.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(Failure::disk("make the folder", folder))
}

/// Removes a folder with all that is in it; nothing if it is not there.
pub fn remove_folder(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::disk("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Begins a new file, in place of one that is there.
pub fn create(path: &Path) -> Result<File, Failure> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    File::create(path).map_err(Failure::disk("write", path))
}

/// Writes a whole new file and refuses to touch one that is there.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(Failure::disk("write the new file", path))
}

/// Moves a finished file to its place.
pub fn place(from: &Path, to: &Path) -> Result<(), Failure> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    fs::rename(from, to).map_err(Failure::disk("put in place", to))
}

/// The size of a file in bytes.
pub fn size(path: &Path) -> Result<u64, Failure> {
    Ok(fs::metadata(path).map_err(Failure::disk("look at", path))?.len())
}

/// Cuts the end of a file off.
pub fn truncate(path: &Path, size: u64) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).open(path).map_err(Failure::disk("open", path))?;
    file.set_len(size).map_err(Failure::disk("shorten", path))
}

/// All files below a folder, as paths relative to it, sorted.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for name in names(&folder.join(&below))? {
            let path = below.join(name);
            if folder.join(&path).is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
