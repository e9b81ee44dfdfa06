//! The only place that prints. Results go to standard output, everything else to standard error; as JSON, all of it is
//! one stream of events on standard output, as under dbt.
//!
//! One stream of events feeds the terminal, the structured log of `--log-format json` and the log file. All text
//! passes the filter for secrets. When the reader of standard output goes away, printing stops quietly.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::base::clock::Clock;
use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::env::ProcessEnv;
use crate::base::secret::Scrubber;
use crate::cli::events::{self, Entry, GOOD, Level, QUIET};
use crate::cli::log;
use crate::cli::options::{ColorChoice, GlobalOptions, LogFormat, LogLevel, OutputFormat};
use crate::cli::summary::{self, Context, Counts};
use crate::execute::result::{EventSink, RunEvent, RunResult, Status};
use crate::record::run_results::adapter_response;

/// Most codes that one command to explain them names.
const POINTED: usize = 5;

/// How messages look and which are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appearance {
    /// Form of messages.
    pub format: LogFormat,
    /// Least level of messages.
    pub level: LogLevel,
    /// Whether `print()` of templates is printed.
    pub print: bool,
    /// Whether messages are colored.
    pub color: bool,
    /// Whether standard error is a terminal: progress bars, and no times in front of lines.
    pub terminal: bool,
}

impl Appearance {
    /// What the options and the streams of this process ask for.
    pub fn new(global: &GlobalOptions) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            format: global.log_format,
            level: if global.quiet { global.log_level.max(LogLevel::Error) } else { global.log_level },
            print: global.print,
            color: match global.color {
                ColorChoice::Auto => terminal,
                ColorChoice::Always => true,
                ColorChoice::Never => false,
            },
            terminal: terminal && global.log_format == LogFormat::Text,
        }
    }

    /// Before the options are known: text, with color on a terminal unless `NO_COLOR` is set.
    pub fn early(env: &ProcessEnv) -> Self {
        let color = io::stderr().is_terminal() && env.first(&["NO_COLOR"]).is_none();
        Self { format: LogFormat::Text, level: LogLevel::Info, print: true, color, terminal: false }
    }
}

/// Prints; shared by all threads of a run.
pub struct Printer {
    appearance: Appearance,
    clock: Clock,
    invocation_id: String,
    scrubber: Scrubber,
    streams: Mutex<Streams>,
    bar: ProgressBar,
    running: Mutex<BTreeMap<usize, String>>,
    told: Mutex<BTreeSet<String>>,
    /// Codes of the errors that were printed, in their order.
    codes: Mutex<Vec<&'static str>>,
}

/// Where the text goes.
struct Streams {
    output: Box<dyn Write + Send>,
    messages: Box<dyn Write + Send>,
    output_closed: bool,
}

impl Printer {
    /// A printer on the streams of this process.
    pub fn new(appearance: Appearance, clock: Clock, invocation_id: String, scrubber: Scrubber) -> Self {
        let (output, messages) = (Box::new(io::stdout()), Box::new(io::stderr()));
        Self::with_streams(appearance, clock, invocation_id, scrubber, output, messages)
    }

    /// A printer on other streams.
    pub fn with_streams(
        appearance: Appearance,
        clock: Clock,
        invocation_id: String,
        scrubber: Scrubber,
        output: Box<dyn Write + Send>,
        messages: Box<dyn Write + Send>,
    ) -> Self {
        let shown = appearance.terminal && appearance.level <= LogLevel::Info;
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{prefix:>12} [{bar:24}] {pos}/{len} {elapsed}  {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix("Running");
        let streams = Mutex::new(Streams { output, messages, output_closed: false });
        Self {
            appearance,
            clock,
            invocation_id,
            scrubber,
            streams,
            bar,
            running: Mutex::default(),
            told: Mutex::default(),
            codes: Mutex::default(),
        }
    }

    /// Whether messages are colored.
    pub fn color(&self) -> bool {
        self.appearance.color
    }

    /// Whether the reader of standard output has gone away; what was asked for is then done.
    pub fn output_closed(&self) -> bool {
        lock(&self.streams).output_closed
    }

    /// Prints a result to standard output, with a line break at its end; where messages are JSON, as dbt's event of what
    /// is printed.
    pub fn result(&self, text: &str) {
        if self.appearance.format == LogFormat::Json {
            let text = text.strip_suffix('\n').unwrap_or(text);
            let entry = Entry::new("PrintEvent", "Z052", Level::Info, text, json!({"msg": text}));
            self.output(&entry.to_json(self.clock.timestamp(), &self.invocation_id).to_string());
        } else {
            self.output(text);
        }
    }

    fn output(&self, text: &str) {
        let clean = self.scrubber.scrub(text);
        self.bar.suspend(|| {
            let mut streams = lock(&self.streams);
            if streams.output_closed {
                return;
            }
            let end = if clean.ends_with('\n') { "" } else { "\n" };
            let written = write!(streams.output, "{clean}{end}").and_then(|()| streams.output.flush());
            if written.is_err() {
                // A closed pipe, as with `karat ls | head`; a full disk behind a redirection looks the same from
                // here and leaves nobody to tell but the log.
                streams.output_closed = true;
                tracing::warn!("standard output is closed");
            }
        });
    }

    /// Prints what was done in the form `     Checked 24 models in 43 ms`.
    pub fn status(&self, word: &str, text: &str) {
        let entry = Entry::new("Note", "", Level::Info, format!("{word} {text}"), json!({"word": word, "msg": text}));
        self.entry(&entry, || self.stamped(&events::word_line(word, GOOD, text, self.appearance.color)));
    }

    /// Prints a message for people that is no result.
    pub fn message(&self, text: &str) {
        let entry = Entry::new("Note", "", Level::Info, text, json!({"msg": text}));
        self.entry(&entry, || text.to_owned());
    }

    /// Prints a message for finding mistakes.
    pub fn debug(&self, text: &str) {
        let entry = Entry::new("Note", "", Level::Debug, text, json!({"msg": text}));
        self.entry(&entry, || text.to_owned());
    }

    /// Records an event of dbt's structured log; it is printed only if messages are JSON.
    pub fn structured(&self, entry: &Entry) {
        log::record(entry);
        if self.appearance.format == LogFormat::Json && self.shows(entry.level) {
            self.write_message(&entry.to_json(self.clock.timestamp(), &self.invocation_id).to_string());
        }
    }

    /// Prints a diagnostic; only once, however often it is found.
    pub fn diagnostic(&self, diagnostic: &Diagnostic) {
        if !lock(&self.told).insert(diagnostic.render(false)) {
            return;
        }
        self.remember(diagnostic);
        let entry = Entry::of_diagnostic(diagnostic);
        self.entry(&entry, || format!("{}\n", diagnostic.render(self.appearance.color)));
    }

    /// Prints all diagnostics of a stage.
    pub fn diagnostics(&self, diagnostics: &Diagnostics) {
        for diagnostic in &diagnostics.0 {
            self.diagnostic(diagnostic);
        }
    }

    fn remember(&self, diagnostic: &Diagnostic) {
        let mut codes = lock(&self.codes);
        if diagnostic.severity == Severity::Error && !codes.contains(&diagnostic.code) {
            codes.push(diagnostic.code);
        }
    }

    /// Where the errors that were printed are explained. They are pointed at once.
    fn take_pointer(&self) -> Option<String> {
        let codes = std::mem::take(&mut *lock(&self.codes));
        let shown: Vec<&str> = codes.into_iter().take(POINTED).collect();
        (!shown.is_empty()).then(|| format!("To learn more: karat explain {}", shown.join(" ")))
    }

    /// Prints where the errors are explained, unless a summary did already.
    pub fn pointer(&self) {
        if self.appearance.format == LogFormat::Text
            && let Some(pointer) = self.take_pointer()
        {
            self.message(&format!("\n{pointer}"));
        }
    }

    /// Prints what clap has to say: help and version as a result, a wrong command line as a message.
    pub fn clap(&self, error: &clap::Error) {
        let text = error.render();
        if error.use_stderr() {
            let text = if self.appearance.color { text.ansi().to_string() } else { text.to_string() };
            let plain = error.render().to_string();
            let entry = Entry::new("Usage", "", Level::Error, plain.trim_end(), json!({"msg": plain}));
            self.entry(&entry, || text.trim_end().to_owned());
        } else {
            self.result(&text.to_string());
        }
    }

    /// Prints the end of a run. The verdict is the result of the verb: it goes to standard output, unless that
    /// holds the results as JSON or messages are JSON.
    pub fn summary(&self, run: &RunResult, context: &Context, output: OutputFormat) {
        self.bar.finish_and_clear();
        let counts = Counts::of(run);
        let failed = counts.error > 0 || run.failure.is_some();
        self.structured(&events::dbt::finished_running(run));
        if self.appearance.format == LogFormat::Json {
            if let Some(failure) = &run.failure {
                self.entry(&Entry::of_diagnostic(failure), String::new);
            }
            let data = json!({
                "keyboard_interrupt": run.interrupted, "num_errors": counts.error, "num_warnings": counts.warn,
                "num_partial_success": run.count(Status::PartialSuccess),
            });
            let message = match (counts.error, counts.warn) {
                (0, 0) => "Completed successfully".to_owned(),
                (errors, warnings) => format!(
                    "Completed with {} and {}",
                    events::counted(errors as u64, "error"),
                    events::counted(warnings as u64, "warning")
                ),
            };
            self.entry(&Entry::new("EndOfRunSummary", "Z030", Level::Info, message, data), String::new);
            for entry in events::dbt::failures(run) {
                self.structured(&entry);
            }
        }
        if let Some(failure) = &run.failure {
            self.remember(failure);
        }
        let pointer = self.take_pointer();
        let text = summary::text(run, context, pointer.as_deref(), self.appearance.color);
        if self.appearance.format == LogFormat::Text {
            let level = if failed { Level::Error } else { Level::Info };
            if self.shows(level) {
                self.write_message(&text);
            }
        }
        let line = counts.line();
        let stats = json!({
            "pass": counts.pass, "warn": counts.warn, "error": counts.error, "skip": counts.skip,
            "noop": 0, "reused": 0, "total": counts.total,
        });
        // Readers of the structured log get the line as dbt has it now.
        let now = line.replace(" TOTAL=", " NO-OP=0 REUSED=0 TOTAL=");
        let entry = Entry::new("StatsLine", "Z023", Level::Info, now, json!({"stats": stats}));
        if self.appearance.format == LogFormat::Text && output == OutputFormat::Text {
            log::record(&entry);
            self.result(&line);
        } else {
            self.entry(&entry, || line);
        }
    }

    /// Records the results of a run that was not begun, for readers of the structured log.
    pub fn not_run(&self, run: &RunResult) {
        for result in &run.results {
            self.structured(&events::dbt::node_finished(result, &adapter_response(result)));
        }
        for entry in events::dbt::failures(run) {
            self.structured(&entry);
        }
    }

    fn shows(&self, level: Level) -> bool {
        let rank = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        rank >= self.appearance.level && self.appearance.level != LogLevel::None
    }

    /// Prints an entry in the form that was asked for, and records it in the log file.
    fn entry(&self, entry: &Entry, text: impl FnOnce() -> String) {
        log::record(entry);
        if !self.shows(entry.level) {
            return;
        }
        match self.appearance.format {
            LogFormat::Json => {
                self.write_message(&entry.to_json(self.clock.timestamp(), &self.invocation_id).to_string());
            }
            LogFormat::Text => self.write_message(&text()),
        }
    }

    /// A line with the time in front where nobody watches.
    fn stamped(&self, line: &str) -> String {
        if self.appearance.terminal {
            line.to_owned()
        } else {
            format!("{} {line}", self.clock.timestamp().format("%Y-%m-%dT%H:%M:%SZ"))
        }
    }

    fn write_message(&self, text: &str) {
        if self.appearance.format == LogFormat::Json {
            self.output(text);
            return;
        }
        let clean = self.scrubber.scrub(text);
        self.bar.suspend(|| {
            let mut streams = lock(&self.streams);
            let end = if clean.ends_with('\n') { "" } else { "\n" };
            // There is no third place to complain to when standard error fails.
            let _ = write!(streams.messages, "{clean}{end}").and_then(|()| streams.messages.flush());
        });
    }

    fn started(&self, index: usize, total: usize, name: String) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_length(total as u64);
        self.bar.enable_steady_tick(Duration::from_millis(200));
        let mut running = lock(&self.running);
        running.insert(index, name);
        self.bar.set_message(running_text(&running));
    }

    fn ended(&self, index: usize) {
        if self.bar.is_hidden() {
            return;
        }
        let mut running = lock(&self.running);
        running.remove(&index);
        self.bar.inc(1);
        self.bar.set_message(running_text(&running));
    }
}

impl EventSink for Printer {
    fn event(&self, event: &RunEvent<'_>) {
        let entry = Entry::of_event(event, self.clock.timestamp());
        match event {
            RunEvent::Started { node, index, total } => {
                self.started(*index, *total, node.display_name());
                self.structured(&events::dbt::node_started(node, self.clock.timestamp()));
                // For people the line of a node comes when it ends.
                if self.appearance.format == LogFormat::Json || self.appearance.level == LogLevel::Debug {
                    self.entry(&entry, || {
                        self.stamped(&events::word_line("Start", QUIET, &node.display_name(), self.appearance.color))
                    });
                } else {
                    log::record(&entry);
                }
            }
            RunEvent::Finished { result, index, .. } => {
                self.ended(*index);
                self.structured(&events::dbt::node_finished(result, &adapter_response(result)));
                for found in &events::diagnostics_of(result) {
                    self.remember(found);
                }
                self.entry(&entry, || {
                    let mut text = self.stamped(&events::node_line(result, self.appearance.color));
                    let explains = match result.diagnostics.as_slice() {
                        [] => !matches!(result.status, Status::Skipped),
                        // What the check has told already needs no second telling.
                        found => found.iter().any(|found| !lock(&self.told).contains(&found.render(false))),
                    };
                    let details =
                        if explains { events::node_details(result, self.appearance.color) } else { String::new() };
                    if !details.is_empty() {
                        text.push('\n');
                        text.push_str(&details);
                    }
                    text
                });
            }
            // For people the line of a batch comes when it ends.
            RunEvent::BatchStarted { .. } if self.appearance.format == LogFormat::Text => log::record(&entry),
            RunEvent::BatchStarted { .. } => self.entry(&entry, String::new),
            RunEvent::BatchFinished { batch, status, rows, seconds } => self.entry(&entry, || {
                self.stamped(&events::batch_line(batch, *status, *rows, *seconds, self.appearance.color))
            }),
            RunEvent::Query { node, sql } => self.entry(&entry, || self.stamped(&format!("On {}: {sql}", node.id))),
            RunEvent::Print(text) => {
                log::record(&entry);
                if self.appearance.print {
                    self.result(text);
                }
            }
            RunEvent::Message(text) => self.entry(&entry, || self.stamped(text)),
            RunEvent::Diagnostic(diagnostic) => self.diagnostic(diagnostic),
            RunEvent::Waiting(holder) => self.entry(&entry, || {
                let text = format!("for the lock of the environment, held by {holder}");
                self.stamped(&events::word_line("Waiting", events::DOUBTFUL, &text, self.appearance.color))
            }),
            RunEvent::Published(publication) => self.entry(&entry, || {
                let relations = events::counted(publication.relations as u64, "relation");
                let text = format!("{}@{} ({relations} changed)", publication.environment, publication.entry);
                self.stamped(&events::word_line("Published", GOOD, &text, self.appearance.color))
            }),
        }
    }
}

/// A lock whose holder panicked is still good: what it guards is written in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn running_text(running: &BTreeMap<usize, String>) -> String {
    running.values().cloned().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
