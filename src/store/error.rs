//! What can go wrong with tables at rest, in words that name the table or the path.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use datafusion::error::DataFusionError;

use crate::base::fs::FsError;
use crate::store::warehouse::STATE_FOLDER;

type Source = Box<dyn Error + Send + Sync>;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The place of the warehouse makes no sense.
    #[error("`{location}` cannot be a warehouse: {problem}")]
    Location {
        /// As the user wrote it.
        location: String,
        /// What is wrong.
        problem: String,
    },
    /// The disk or the object store refused an operation.
    #[error("cannot {action} {subject}: {reason}")]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// To what: a path or a table.
        subject: String,
        /// Why not, in words.
        reason: Reason,
        /// The error underneath.
        source: Source,
    },
    /// The rows to be written could not be computed.
    #[error("{0}")]
    Input(Box<DataFusionError>),
    /// A table cannot be stored as asked.
    #[error("the table `{table}` cannot be stored: {problem}")]
    Unstorable {
        /// The table.
        table: String,
        /// What is wrong with its columns or rows.
        problem: String,
    },
    /// Rows do not fit the columns of the table.
    #[error("cannot write the rows of the table `{table}`: {source}")]
    Rows {
        /// The table.
        table: String,
        /// The error underneath.
        source: Source,
    },
    /// Another run published in the meantime.
    #[error(
        "the environment `{environment}` was changed while this run was working: it has entry {found}, this run began \
         from {began}; nothing of this run was published"
    )]
    EntryTaken {
        /// The environment.
        environment: String,
        /// The entry that exists now.
        found: u64,
        /// The entry that the run began from, in words.
        began: String,
    },
    /// Another process committed to a table between our look and our commit.
    #[error(
        "the table `{table}` was changed by another process while this run was publishing: version {version} exists"
    )]
    TableRaced {
        /// The table.
        table: String,
        /// The version that this run wanted to create.
        version: u64,
    },
    /// A commit that karat did not make is on top of what karat published.
    #[error(
        "the table `{table}` has a commit that karat did not make: version {version} by {writer}; karat does not \
         overwrite the work of others"
    )]
    ForeignCommit {
        /// The table.
        table: String,
        /// The version of the foreign commit.
        version: u64,
        /// Who made it, as far as the commit says.
        writer: String,
    },
    /// A table's folder belongs to another environment.
    #[error(
        "the table `{table}` in this warehouse belongs to the environment `{owner}`; the environment `{environment}` \
         cannot write it as well"
    )]
    OtherEnvironment {
        /// The table.
        table: String,
        /// The environment that published it.
        owner: String,
        /// The environment that wants to.
        environment: String,
    },
    /// The table on disk is not the one that was published.
    #[error("the table `{table}` is not the one that was published: {problem}")]
    Replaced {
        /// The table.
        table: String,
        /// What differs.
        problem: String,
    },
    /// A table uses a feature of the format that karat does not.
    #[error("the table `{table}` uses {feature}, which karat does not support")]
    Unsupported {
        /// The table.
        table: String,
        /// The feature.
        feature: String,
    },
    /// A log or a data file is damaged.
    #[error("`{path}` is damaged: {problem}")]
    Corrupt {
        /// The file, relative to the warehouse.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Something that was published is gone.
    #[error("`{path}`, which belongs to {owner}, is missing")]
    Missing {
        /// The file or folder, relative to the warehouse.
        path: String,
        /// The table or environment that needs it.
        owner: String,
    },
    /// Written by a newer karat.
    #[error("`{path}` has format {found}; this karat reads formats up to {supported}")]
    NewerFormat {
        /// The file, relative to the warehouse.
        path: String,
        /// Its format.
        found: u32,
        /// The newest format that is understood.
        supported: u32,
    },
    /// The environment's lock is held.
    #[error("the environment `{environment}` is in use by {holder}; waited {} s", waited.as_secs())]
    Locked {
        /// The environment.
        environment: String,
        /// Who holds the lock, in words.
        holder: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A test asked for a failure here.
    #[error("stopped at the failpoint `{0}`")]
    Failpoint(String),
    /// Several tables have a problem.
    #[error("{}", join(.0))]
    Several(Vec<StoreError>),
}

/// Why the disk or the object store refused, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The disk is full.
    StorageFull,
    /// Permission denied.
    PermissionDenied,
    /// It is not there.
    NotFound,
    /// Anything else, in the words of the error underneath.
    Other(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StorageFull => formatter.write_str("no space left on the device"),
            Self::PermissionDenied => formatter.write_str("permission denied"),
            Self::NotFound => formatter.write_str("it does not exist"),
            // The number of the system's error says nothing to people.
            Self::Other(text) => formatter.write_str(text.split(" (os error ").next().unwrap_or(text)),
        }
    }
}

impl Reason {
    /// Looks through an error and all that caused it.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut innermost = error;
        let mut next = Some(error);
        while let Some(current) = next {
            if let Some(io) = current.downcast_ref::<io::Error>() {
                match io.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => return Self::StorageFull,
                    io::ErrorKind::PermissionDenied => return Self::PermissionDenied,
                    io::ErrorKind::NotFound => return Self::NotFound,
                    _ => {}
                }
            }
            innermost = current;
            // An `io::Error` that wraps another error shows the wrapped one's cause, not the wrapped one itself.
            let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| current.source());
        }
        let text = error.to_string();
        if text.contains("No space left on device") {
            Self::StorageFull
        } else if text.contains("Permission denied") {
            Self::PermissionDenied
        } else {
            Self::Other(innermost.to_string())
        }
    }
}

impl StoreError {
    /// An operation of the disk or the object store that failed.
    pub(super) fn io<E>(action: &'static str, subject: impl fmt::Display) -> impl FnOnce(E) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        let subject = format!("`{subject}`");
        move |source| Self::Io { action, subject, reason: Reason::of(&source), source: Box::new(source) }
    }

    /// One error for several; the only one if there is only one.
    pub(super) fn all(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 => Ok(()),
            1 => errors.pop().map_or(Ok(()), Err),
            _ => Err(Self::Several(errors)),
        }
    }

    /// Stable name in kebab case, for a diagnostic.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Location { .. } => "invalid-warehouse",
            Self::Io { reason: Reason::StorageFull, .. } => "storage-full",
            Self::Io { reason: Reason::PermissionDenied, .. } => "permission-denied",
            Self::Io { .. } => "storage-failed",
            Self::Input(_) | Self::Rows { .. } => "execution-failed",
            Self::Unstorable { .. } => "unstorable-table",
            Self::EntryTaken { .. } | Self::TableRaced { .. } => "publication-conflict",
            Self::ForeignCommit { .. } | Self::OtherEnvironment { .. } | Self::Replaced { .. } => "foreign-table",
            Self::Unsupported { .. } => "unsupported-table",
            Self::Corrupt { .. } | Self::Missing { .. } => "damaged-warehouse",
            Self::NewerFormat { .. } => "newer-warehouse",
            Self::Locked { .. } => "environment-locked",
            Self::Failpoint(_) => "failpoint",
            Self::Several(errors) => errors.first().map_or("storage-failed", Self::code),
        }
    }

    /// What the user could do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Io { reason: Reason::StorageFull, .. } => {
                "published tables are intact; free some space (`karat clean --orphans` removes what crashed runs left) \
                 and run again"
            }
            Self::Io { reason: Reason::PermissionDenied, .. } => "check the owner and the rights of this path",
            Self::Io { .. } => {
                "look at this path: whether it is there, a folder where one is needed, and on a disk that answers"
            }
            Self::EntryTaken { .. } | Self::TableRaced { .. } => "run again: it will start from the newer state",
            Self::ForeignCommit { .. } => {
                "if the commit is not wanted, undo it with the tool that made it; if it is, read the table as a source"
            }
            Self::OtherEnvironment { .. } => {
                "give each environment a warehouse or schemas of its own (`generate_schema_name`)"
            }
            Self::Replaced { .. } => "remove the table's folder, or give the model another alias, and run again",
            Self::Location { .. } => "the `path` of a target is a folder or the URL of an object store",
            Self::Corrupt { path, .. } | Self::Missing { path, .. } if path.starts_with(STATE_FOLDER) => {
                "restore it from a copy: it says which versions of the tables are published"
            }
            Self::Corrupt { .. } | Self::Missing { .. } => {
                "restore it from a copy, or move the table's folder away and make it anew with `karat build --full-refresh`"
            }
            Self::NewerFormat { .. } => "use the newer karat for this warehouse",
            Self::Locked { .. } => {
                "wait for it to end, or allow a longer wait with `--lock-timeout 10m`, or use another target"
            }
            _ => return None,
        })
    }

    /// Whether somebody else changed the same thing, so that trying again may succeed.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::EntryTaken { .. } | Self::TableRaced { .. } => true,
            Self::Several(errors) => errors.iter().any(Self::is_conflict),
            _ => false,
        }
    }
}

impl From<FsError> for StoreError {
    fn from(error: FsError) -> Self {
        match error {
            FsError::Io { action, path, source } => Self::io(action, path)(source),
            other => {
                let text = other.to_string();
                Self::Io { action: "read", subject: text.clone(), reason: Reason::Other(text), source: Box::new(other) }
            }
        }
    }
}

/// How many errors are written out; a full disk has the same one for every table.
const SHOWN: usize = 10;

fn join(errors: &[StoreError]) -> String {
    let mut lines: Vec<_> = errors.iter().take(SHOWN).map(ToString::to_string).collect();
    if errors.len() > SHOWN {
        lines.push(format!("and {} more", errors.len() - SHOWN));
    }
    lines.join("\n")
}
