//! The log file: one JSON object a line, always written in full whatever the terminal shows.
//!
//! Entries of the printer and messages of libraries go the same way, through `tracing`. Secrets are masked on the
//! way out. The panic hook is here, too: a panic is a mistake in karat and belongs in the log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::base::diagnostic::Diagnostic;
use crate::base::fs;
use crate::base::limits;
use crate::base::secret::Scrubber;
use crate::cli::events::{Entry, Level};
use crate::cli::options::LogLevel;

/// Name of the log file.
pub const FILE_NAME: &str = "karat.log";

/// A log file that could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The folder could not be made.
    #[error(transparent)]
    Folder(#[from] fs::FsError),
    /// The file could not be opened.
    #[error("cannot open the log file `{path}`: {source}")]
    Open {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Opens `karat.log` in a folder and sends everything that is logged to it; gives the file's path.
///
/// A file that has grown past its limit is begun anew.
#[expect(clippy::disallowed_methods, reason = "the log file is appended to as long as the process lives")]
pub fn start(folder: &Path, level: LogLevel, scrubber: Scrubber) -> Result<PathBuf, LogError> {
    fs::create_dir_all(folder)?;
    let path = folder.join(FILE_NAME);
    let too_large = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > limits::LOG_FILE_BYTES);
    let opened = if too_large { File::create(&path) } else { OpenOptions::new().create(true).append(true).open(&path) };
    let file = opened.map_err(|source| LogError::Open { path: path.display().to_string(), source })?;
    let filter = match level {
        LogLevel::Debug => "warn,karat=debug",
        LogLevel::Info => "warn,karat=info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
        LogLevel::None => "off",
    };
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(ScrubbedFile { file: Arc::new(Mutex::new(file)), scrubber: Arc::new(scrubber) })
        .finish();
    // A second log in one process (as in tests) keeps the first: there is nobody else to tell.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(path)
}

/// Writes an entry of the printer to the log.
pub fn record(entry: &Entry) {
    let data = entry.data.to_string();
    match entry.level {
        Level::Debug => tracing::debug!(event = entry.name, thread = entry.thread, data, "{}", entry.message),
        Level::Info => tracing::info!(event = entry.name, thread = entry.thread, data, "{}", entry.message),
        Level::Warn => tracing::warn!(event = entry.name, thread = entry.thread, data, "{}", entry.message),
        Level::Error => tracing::error!(event = entry.name, thread = entry.thread, data, "{}", entry.message),
    }
}

/// What is known of the last panic.
#[derive(Debug, Clone, Default)]
pub struct Panics(Arc<Mutex<Option<String>>>);

impl Panics {
    /// Takes over panics: they go to the log instead of to the terminal, since most are contained at one node.
    pub fn catch() -> Self {
        let panics = Self::default();
        let last = Arc::clone(&panics.0);
        std::panic::set_hook(Box::new(move |panic| {
            let message = panic
                .payload()
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.payload().downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            let place =
                panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
            let text = format!("{message}{place}");
            tracing::error!(event = "Panic", "{text}");
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        }));
        panics
    }

    /// The diagnostic for a panic that nothing contained.
    pub fn diagnostic(&self) -> Diagnostic {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let message = last.unwrap_or_else(|| "unknown".to_owned());
        Diagnostic::error("internal-error", format!("karat has made a mistake: {message}"))
            .with_note("nothing was published by the step that failed")
            .with_hint("please report this with the command line and the end of karat.log")
    }
}

/// Makes writers that mask secrets.
struct ScrubbedFile {
    file: Arc<Mutex<File>>,
    scrubber: Arc<Scrubber>,
}

/// Writes one log line.
struct ScrubbedLine {
    file: Arc<Mutex<File>>,
    scrubber: Arc<Scrubber>,
}

impl<'a> MakeWriter<'a> for ScrubbedFile {
    type Writer = ScrubbedLine;

    fn make_writer(&'a self) -> Self::Writer {
        ScrubbedLine { file: Arc::clone(&self.file), scrubber: Arc::clone(&self.scrubber) }
    }
}

impl Write for ScrubbedLine {
    /// Takes a whole line at once, as the subscriber writes it, so that no secret is cut in two.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let clean = self.scrubber.scrub(&text);
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(clean.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::env::ProcessEnv;

    #[test]
    fn the_log_holds_entries_as_json_without_secrets_and_begins_anew_when_it_is_large() {
        let folder = tempfile::tempdir().unwrap();
        let secret = [("KARAT_ENV_SECRET_TOKEN".to_owned(), "hunter2".to_owned())];
        let scrubber = Scrubber::new(&ProcessEnv(secret.into_iter().collect()));
        let size = usize::try_from(limits::LOG_FILE_BYTES).unwrap() + 1;
        fs::write_atomic(&folder.path().join("logs").join(FILE_NAME), &vec![b'x'; size]).unwrap();
        let path = start(&folder.path().join("logs"), LogLevel::Debug, scrubber).unwrap();
        record(&Entry::new("Note", "", Level::Warn, "token hunter2", json!({"token": "hunter2"})));
        let text = fs::read_text(&path, 1 << 20).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().next_back().unwrap()).unwrap();
        assert_eq!((&line["level"], &line["fields"]["event"]), (&json!("WARN"), &json!("Note")));
        assert_eq!(line["fields"]["message"], "token *****");
        assert!(!text.contains("hunter2") && !text.contains("xxx"), "{text}");
    }
}
