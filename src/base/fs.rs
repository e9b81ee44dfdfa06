//! Files: sandboxed reads of the project, atomic writes elsewhere. The only user of `std::fs`.
//!
//! Everything that belongs to the project is opened through [`ProjectDir`], a directory handle that refuses `..`,
//! absolute paths and symbolic links that lead out. Every error names the path and what was being done to it.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::base::clock;
use crate::base::limits;
use crate::base::source::{Location, SourceFile};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum FsError {
    /// The system refused an operation.
    #[error("cannot {action} `{path}`: {}", in_words(source))]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// To which path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A text file is too large.
    #[error("`{path}` has {size} bytes, more than the limit of {limit} bytes for such a file")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A text file is not UTF-8.
    #[error("`{path}` is not UTF-8 text: the byte 0x{byte:02x} is not valid")]
    NotUtf8 {
        /// The file.
        path: String,
        /// The first bad byte.
        byte: u8,
        /// Where it is: the text with a sign in the place of what is no text.
        location: Box<Location>,
    },
    /// A link that leads out of the project, or to nothing.
    #[error("`{path}` is a link that leads out of the project")]
    LeadsOut {
        /// The link.
        path: String,
    },
    /// More files or deeper folders than karat walks.
    #[error("`{path}` has more than {limit} {what}")]
    TooMany {
        /// The folder.
        path: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// What the system said, without its number.
fn in_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

impl FsError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the file or folder is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

/// The project folder as a handle that cannot be left.
#[derive(Debug)]
pub struct ProjectDir {
    root: PathBuf,
    dir: Dir,
}

impl ProjectDir {
    /// Opens a project folder.
    pub fn open(root: &Path) -> Result<Self, FsError> {
        let dir = Dir::open_ambient_dir(root, ambient_authority()).map_err(FsError::io("open the folder", root))?;
        Ok(Self { root: root.to_path_buf(), dir })
    }

    /// The folder's path, for messages and for the engine's own absolute paths.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a path (relative to the project) is a file.
    pub fn is_file(&self, path: &str) -> bool {
        self.dir.metadata(path).is_ok_and(|metadata| metadata.is_file())
    }

    /// Whether a path (relative to the project) is a folder.
    pub fn is_dir(&self, path: &str) -> bool {
        self.dir.metadata(path).is_ok_and(|metadata| metadata.is_dir())
    }

    /// Reads a file as UTF-8 text without a byte order mark, up to a limit in bytes.
    pub fn read_text(&self, path: &str, limit: u64) -> Result<String, FsError> {
        decode(path, self.read_bytes(path, limit)?)
    }

    /// Reads a file whole, up to a limit in bytes.
    pub fn read_bytes(&self, path: &str, limit: u64) -> Result<Vec<u8>, FsError> {
        let shown = Path::new(path);
        let file = self.dir.open(path).map_err(FsError::io("read", shown))?;
        let size = file.metadata().map_err(FsError::io("read", shown))?.len();
        if size > limit {
            return Err(FsError::TooLarge { path: path.to_owned(), size, limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        // The file may grow while it is read: the limit holds all the same.
        file.take(limit + 1).read_to_end(&mut bytes).map_err(FsError::io("read", shown))?;
        if bytes.len() as u64 > limit {
            return Err(FsError::TooLarge { path: path.to_owned(), size: bytes.len() as u64, limit });
        }
        Ok(bytes)
    }

    /// All files below a folder (relative to the project), as sorted relative paths with `/`; hidden files and
    /// folders are left out. A folder that does not exist has no files. Links that lead out of the project are told
    /// beside the files.
    pub fn walk(&self, folder: &str) -> Result<(Vec<String>, Vec<FsError>), FsError> {
        let (mut files, mut refused) = (Vec::new(), Vec::new());
        let folder = folder.trim_end_matches('/');
        if self.is_dir(folder) {
            self.walk_into(folder, 0, &mut files, &mut refused)?;
            files.sort();
        } else if self.is_link(folder) {
            refused.push(FsError::LeadsOut { path: folder.to_owned() });
        }
        Ok((files, refused))
    }

    fn is_link(&self, path: &str) -> bool {
        self.dir.symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
    }

    fn walk_into(
        &self,
        folder: &str,
        depth: usize,
        files: &mut Vec<String>,
        refused: &mut Vec<FsError>,
    ) -> Result<(), FsError> {
        let shown = Path::new(folder);
        if depth > limits::FOLDER_DEPTH {
            let (path, limit) = (folder.to_owned(), limits::FOLDER_DEPTH);
            return Err(FsError::TooMany { path, what: "levels of folders", limit });
        }
        for entry in self.dir.read_dir(folder).map_err(FsError::io("list", shown))? {
            let entry = entry.map_err(FsError::io("list", shown))?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if name.starts_with('.') {
                continue;
            }
            let path = if matches!(folder, "" | ".") { name } else { format!("{folder}/{name}") };
            // Metadata through the handle follows a link only if it stays within the project.
            let metadata = match self.dir.metadata(&path) {
                Ok(metadata) => metadata,
                // A link to nothing fails when it is read, if it is a file of the project at all.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    files.push(path);
                    continue;
                }
                Err(_) if self.is_link(&path) => {
                    refused.push(FsError::LeadsOut { path });
                    continue;
                }
                Err(error) => return Err(FsError::io("look at", Path::new(&path))(error)),
            };
            if metadata.is_dir() {
                self.walk_into(&path, depth + 1, files, refused)?;
            } else if metadata.is_file() {
                files.push(path);
            }
            if files.len() > limits::PROJECT_FILES {
                let (path, limit) = (folder.to_owned(), limits::PROJECT_FILES);
                return Err(FsError::TooMany { path, what: "files", limit });
            }
        }
        Ok(())
    }
}

/// Decodes UTF-8 and drops a byte order mark.
pub fn decode(path: &str, bytes: Vec<u8>) -> Result<String, FsError> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let byte = error.as_bytes().get(offset).copied().unwrap_or_default();
        let file = SourceFile::new(path, String::from_utf8_lossy(error.as_bytes()));
        let location = Box::new(Location::new(&file, offset..offset + '\u{fffd}'.len_utf8()));
        FsError::NotUtf8 { path: path.to_owned(), byte, location }
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads a text file outside the project (a `profiles.yml` of the user, an artifact).
#[expect(clippy::disallowed_methods, reason = "the one place for file access")]
pub fn read_text(path: &Path, limit: u64) -> Result<String, FsError> {
    let size = std::fs::metadata(path).map_err(FsError::io("read", path))?.len();
    if size > limit {
        return Err(FsError::TooLarge { path: path.display().to_string(), size, limit });
    }
    decode(&path.display().to_string(), std::fs::read(path).map_err(FsError::io("read", path))?)
}

/// Whether a path outside the project is a file.
pub fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Whether a path outside the project is a folder.
pub fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

/// Creates a folder and those above it.
#[expect(clippy::disallowed_methods, reason = "the one place for file access")]
pub fn create_dir_all(path: &Path) -> Result<(), FsError> {
    std::fs::create_dir_all(path).map_err(FsError::io("create the folder", path))
}

/// Writes a file so that a reader sees the old or the new content, never a part: a temporary file beside it, then a
/// rename. The folder is made if it is missing.
#[expect(clippy::disallowed_methods, reason = "the one place for file access")]
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<(), FsError> {
    if let Some(folder) = path.parent() {
        create_dir_all(folder)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", clock::unique_id().simple()));
    let written = std::fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(content))
        .map_err(FsError::io("write", path))
        .and_then(|()| std::fs::rename(&temporary, path).map_err(FsError::io("write", path)));
    if written.is_err() {
        // The write has failed already; a leftover temporary file is the smaller problem.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Removes a folder with all that is in it; a folder that is not there is fine.
#[expect(clippy::disallowed_methods, reason = "the one place for file access")]
pub fn remove_dir_all(path: &Path) -> Result<(), FsError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FsError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Moves a file or a folder; the place must be free.
#[expect(clippy::disallowed_methods, reason = "the one place for file access")]
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    std::fs::rename(from, to).map_err(FsError::io("move", from))
}

/// The names of the folders in a folder, sorted.
pub fn folders(path: &Path) -> Result<Vec<String>, FsError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(FsError::io("list", path))? {
        let entry = entry.map_err(FsError::io("list", path))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Makes the content of a file durable.
#[expect(clippy::disallowed_methods, reason = "the one place for file access")]
pub fn sync_file(path: &Path) -> Result<(), FsError> {
    std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(FsError::io("sync", path))
}

/// Makes the entries of a folder durable (a file's name is not durable before its folder is).
pub fn sync_dir(path: &Path) -> Result<(), FsError> {
    sync_file(path)
}

/// The absolute form of a path, with links resolved; the path must exist.
#[expect(clippy::disallowed_methods, reason = "the one place for file access")]
pub fn canonical(path: &Path) -> Result<PathBuf, FsError> {
    std::fs::canonicalize(path).map_err(FsError::io("find", path))
}
