//! The forms that messages and results can have.

/// When to use color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Form of messages on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, in dbt's shape.
    Json,
}

/// Least level of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Progress, warnings and errors.
    Info,
    /// Warnings and errors.
    Warn,
    /// Errors.
    Error,
    /// Nothing.
    None,
}

/// Form of results on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// Comma-separated rows with a header (`show` only).
    Csv,
    /// One JSON object a row (`show` only).
    Ndjson,
}

/// What `ls` prints of each node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// The text that selects the node: its path of names.
    Selector,
    /// Its name.
    Name,
    /// Its file.
    Path,
    /// Some of its keys in the manifest.
    Json,
}
