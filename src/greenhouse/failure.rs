//! What can go wrong, and the exit code of each.

use std::path::Path;

/// Why a command ended without its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments, the profile or the landing folder are not what they have to be.
    #[error("{0}")]
    Usage(String),
    /// The disk refused something.
    #[error("cannot {action} `{path}`: {source}")]
    Disk {
        /// What was being done, as a verb.
        action: &'static str,
        /// To which path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// An encoder refused rows: a mistake of this program.
    #[error("cannot encode rows of `{table}`: {message}; this is a bug in greenhouse")]
    Encoding {
        /// The table.
        table: &'static str,
        /// What the encoder said.
        message: String,
    },
}

impl Failure {
    /// A failure of the disk, from the system's error.
    pub fn disk(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Disk { action, path, source }
    }

    /// 2: arguments or configuration; 3: the disk; 101: a bug.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Disk { .. } => 3,
            Self::Encoding { .. } => 101,
        }
    }
}
