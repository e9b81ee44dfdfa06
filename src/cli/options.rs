//! What the command line means: checked values, made from the typed arguments and the environment.
//!
//! Nothing past this module looks at arguments or environment variables again. A flag wins over its variable, a
//! variable over the project's `flags:`; what neither gives is `None` here, so that the project can still decide.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap_complete::Shell;
use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::clock;
use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::env::ProcessEnv;
use crate::base::limits;
use crate::base::strictness::Strictness;
use crate::base::units::parse_size;
use crate::cli::args::{Arguments, FailureArguments, GlobalArguments, IntrospectionArguments, RebuildArguments};
use crate::cli::args::{SelectionArguments, SourceArguments, VerbArguments};
use crate::cli::explain::ExplainArguments;
use crate::cli::retry::Retried;
use crate::files::project;
use crate::manifest::microbatch::Window;
use crate::manifest::sample::Sample;

/// Environment variables that stand for flags: the name without its prefix `KARAT_` or `DBT_`, and its meaning.
pub const VARIABLES: [(&str, &str); 37] = [
    ("PROJECT_DIR", "--project-dir"),
    ("PROFILES_DIR", "--profiles-dir"),
    ("PROFILE", "--profile"),
    ("TARGET", "--target"),
    ("TARGET_PATH", "--target-path"),
    ("LOG_PATH", "--log-path"),
    ("THREADS", "--threads"),
    ("MEMORY", "--memory"),
    ("NOW", "--now"),
    ("LOCK_TIMEOUT", "--lock-timeout"),
    ("FAIL_FAST", "--fail-fast"),
    ("WARN_ERROR", "--warn-error"),
    ("WARN_ERROR_OPTIONS", "--warn-error-options"),
    ("QUIET", "--quiet"),
    ("DEBUG", "--debug"),
    ("PRINT", "--print"),
    ("USE_COLORS", "--use-colors"),
    ("LOG_FORMAT", "--log-format"),
    ("LOG_LEVEL", "--log-level"),
    ("LOG_LEVEL_FILE", "--log-level-file"),
    ("WRITE_JSON", "--write-json"),
    ("FULL_REFRESH", "--full-refresh"),
    ("STORE_FAILURES", "--store-failures"),
    ("INDIRECT_SELECTION", "--indirect-selection"),
    ("EMPTY", "--empty"),
    ("SINGLE_THREADED", "--single-threaded"),
    ("RESOURCE_TYPES", "--resource-type"),
    ("EXCLUDE_RESOURCE_TYPES", "--exclude-resource-type"),
    ("EVENT_TIME_START", "--event-time-start"),
    ("EVENT_TIME_END", "--event-time-end"),
    ("STATE", "--state"),
    ("DEFER_STATE", "--defer-state"),
    ("DEFER", "--defer"),
    ("FAVOR_STATE", "--favor-state"),
    ("SAMPLE", "--sample"),
    ("INTROSPECT", "--introspect"),
    ("CLEAN_PROJECT_FILES_ONLY", "--clean-project-files-only"),
];

/// The checked command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// What every verb takes.
    pub global: GlobalOptions,
    /// What to do.
    pub verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a decision of its own")]
pub struct GlobalOptions {
    /// Folder of the project; `None` means: search upward from the working folder.
    pub project_dir: Option<PathBuf>,
    /// Folder of `profiles.yml`.
    pub profiles_dir: Option<PathBuf>,
    /// Profile to use instead of the project's.
    pub profile: Option<String>,
    /// Target of the profile.
    pub target: Option<String>,
    /// Folder for artifacts.
    pub target_path: Option<PathBuf>,
    /// Folder for the log.
    pub log_path: Option<PathBuf>,
    /// Variables.
    pub vars: IndexMap<String, Json>,
    /// How many nodes run at once.
    pub threads: Option<usize>,
    /// Memory to work with, in bytes.
    pub memory: Option<usize>,
    /// The run's pinned time.
    pub now: Option<DateTime<Utc>>,
    /// How long to wait for the environment's lock.
    pub lock_timeout: Duration,
    /// Whether to stop at the first failure.
    pub fail_fast: Option<bool>,
    /// Whether all warnings are errors.
    pub warn_error: Option<bool>,
    /// Which warnings are errors, and which are not said.
    pub strictness: Strictness,
    /// Whether only errors and results are printed.
    pub quiet: bool,
    /// Whether more is printed.
    pub debug: bool,
    /// Whether `print()` in templates writes to standard output.
    pub print: bool,
    /// Whether color is used.
    pub color: ColorChoice,
    /// Form of messages.
    pub log_format: LogFormat,
    /// Least level that is printed.
    pub log_level: LogLevel,
    /// Least level that is written to the log file.
    pub file_log_level: LogLevel,
    /// Whether artifacts are written.
    pub write_artifacts: bool,
    /// What to compare with and to defer to.
    pub state: StateOptions,
}

/// A verb with what it takes.
#[derive(Debug, Clone)]
pub enum Verb {
    /// `init`
    Init(InitOptions),
    /// `build`
    Build(BuildOptions),
    /// `run`
    Run(BuildOptions),
    /// `test`
    Test(BuildOptions),
    /// `seed`
    Seed(BuildOptions),
    /// `snapshot`
    Snapshot(BuildOptions),
    /// `clone`
    Clone(BuildOptions),
    /// `show`
    Show(ShowOptions),
    /// `compile`
    Compile(CompileOptions),
    /// `parse`
    Parse {
        /// Form of the result.
        output: OutputFormat,
    },
    /// `ls`
    List(ListOptions),
    /// `run-operation`
    RunOperation(OperationOptions),
    /// `source freshness`
    SourceFreshness(FreshnessOptions),
    /// `docs`
    Docs(DocsOptions),
    /// `clean`
    Clean {
        /// Whether clean targets outside of the project are removed.
        outside_too: bool,
    },
    /// `deps`
    Deps(DepsOptions),
    /// `debug`
    Debug(DebugOptions),
    /// `explain`
    Explain(ExplainArguments),
    /// `completions`
    Completions(Shell),
    /// `man`
    Man,
}

impl Verb {
    /// The verb as typed, also for `run_results.json` (`which`).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Build(_) => "build",
            Self::Run(_) => "run",
            Self::Test(_) => "test",
            Self::Seed(_) => "seed",
            Self::Snapshot(_) => "snapshot",
            Self::Clone(_) => "clone",
            Self::Show(_) => "show",
            Self::Compile(_) => "compile",
            Self::Parse { .. } => "parse",
            Self::List(_) => "list",
            Self::RunOperation(_) => "run-operation",
            Self::SourceFreshness(_) => "freshness",
            Self::Docs(options) => options.verb(),
            Self::Clean { .. } => "clean",
            Self::Deps(_) => "deps",
            Self::Debug(_) => "debug",
            Self::Explain(_) => "explain",
            Self::Completions(_) => "completions",
            Self::Man => "man",
        }
    }
}

/// What `deps` takes.
#[derive(Debug, Clone)]
pub struct DepsOptions {
    /// Find new versions even if the lock file fits.
    pub upgrade: bool,
    /// Only write the lock file.
    pub lock: bool,
    /// Take packages that ask for another version of dbt.
    pub no_version_check: bool,
    /// A package to put into the list first: its kind of source, and what it is called there.
    pub added: Option<(String, String)>,
}

/// What `init` takes.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// Name of the project and of its folder.
    pub name: String,
    /// Name of the template; `None` means the usual one.
    pub template: Option<String>,
    /// Whether the templates are printed instead.
    pub list_templates: bool,
}

/// What the verbs that run nodes take; a verb without one of the flags leaves it at its default.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Nodes.
    pub selection: SelectionOptions,
    /// Whether to rebuild from nothing; `None` if not said.
    pub full_refresh: Option<bool>,
    /// Whether to read no rows.
    pub empty: bool,
    /// The window of time that is read.
    pub sample: Option<Sample>,
    /// Whether to store failing rows; `None` if not said.
    pub store_failures: Option<bool>,
    /// Whether to print the first rows of seeds.
    pub show_seeds: bool,
    /// Form of the results: text or JSON.
    pub output: OutputFormat,
    /// The time to make batches of; `None` means the newest ones.
    pub batches: Option<Window>,
    /// What a `retry` is limited to.
    pub retried: Option<Retried>,
}

/// What `show` takes.
#[derive(Debug, Clone)]
pub struct ShowOptions {
    /// Nodes.
    pub selection: SelectionOptions,
    /// A query instead.
    pub inline: Option<String>,
    /// A query that is no template.
    pub inline_direct: Option<String>,
    /// Whether templates may ask for data.
    pub introspects: bool,
    /// Most rows; `None` means all.
    pub limit: Option<usize>,
    /// Form of the rows.
    pub output: OutputFormat,
    /// Whether `is_incremental()` is false.
    pub full_refresh: Option<bool>,
}

/// What `compile` takes.
#[derive(Debug, Clone)]
pub struct CompileOptions {
    /// Nodes.
    pub selection: SelectionOptions,
    /// A query instead.
    pub inline: Option<String>,
    /// Whether templates may ask for data.
    pub introspects: bool,
    /// Whether `is_incremental()` is false.
    pub full_refresh: Option<bool>,
    /// Whether to read no rows.
    pub empty: bool,
    /// Form of the SQL: text or JSON.
    pub output: OutputFormat,
}

/// What `ls` takes.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// Nodes.
    pub selection: SelectionOptions,
    /// What to print.
    pub output: ListFormat,
    /// Whether kinds that are not listed by default are, too (`--resource-type all`).
    pub all_kinds: bool,
    /// Keys to print with JSON; empty means dbt's choice.
    pub output_keys: Vec<String>,
}

/// What `run-operation` takes.
#[derive(Debug, Clone)]
pub struct OperationOptions {
    /// What to run.
    pub operation: Operation,
    /// Arguments of the macro.
    pub arguments: IndexMap<String, Json>,
    /// Whether it is done again, and what the last command left to do.
    pub retried: Option<Retried>,
}

/// What `run-operation` runs.
#[derive(Debug, Clone)]
pub enum Operation {
    /// A macro, with or without its package.
    Macro(String),
    /// Statements.
    Sql(String),
}

/// What `source freshness` takes.
#[derive(Debug, Clone)]
pub struct FreshnessOptions {
    /// Nodes.
    pub selection: SelectionOptions,
    /// File for the results instead of `sources.json`.
    pub output: Option<PathBuf>,
}

/// What `debug` takes.
#[derive(Debug, Clone)]
pub struct DebugOptions {
    /// Whether only the connection is checked.
    pub connection: bool,
    /// Whether the folder of the profiles is printed.
    pub config_dir: bool,
}

impl Options {
    /// The flags that the project's file sets, if there is a project where the arguments say.
    pub fn project_flags(given: &GlobalArguments, env: &ProcessEnv, working_folder: &Path) -> BTreeMap<String, String> {
        let variable = env.first(&["KARAT_PROJECT_DIR", "DBT_PROJECT_DIR"]).map(Path::new);
        let folder = given.project_dir.as_deref().or(variable);
        project::find_root(folder, working_folder).map(|root| project::flags_of(&root)).unwrap_or_default()
    }

    /// Checks a command line; reports every problem, not only the first. `flags` are those of the project's file.
    pub fn new(arguments: Arguments, env: &ProcessEnv, flags: &BTreeMap<String, String>) -> Result<Self, Diagnostics> {
        let mut reader = Reader { env, flags, problems: Diagnostics::default() };
        let mut global = reader.global(arguments.global);
        if arguments.unused.single_threaded || reader.switch_variable("SINGLE_THREADED") == Some(true) {
            global.threads = Some(1);
        }
        let verb = reader.verb(arguments.verb);
        match verb {
            Some(verb) if reader.problems.is_empty() => Ok(Self { global, verb }),
            _ => Err(reader.problems),
        }
    }
}

/// Parses a span of time: seconds, or a number with `s`, `m` or `h`.
pub fn parse_span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(factor)?))
}

/// The refusal of something of dbt that is not there yet.
fn not_supported(kind: &str, name: &str) -> Diagnostic {
    Diagnostic::error("not-supported-yet", format!("the {kind} `{name}` of dbt is not supported yet"))
}

/// A value that a flag does not take.
fn bad_value(flag: &str, value: &str, expected: &str) -> Diagnostic {
    Diagnostic::error("invalid-argument", format!("`{value}` is not a value of `{flag}`: expected {expected}"))
}

/// Reads arguments and environment, and collects what is wrong.
struct Reader<'a> {
    env: &'a ProcessEnv,
    flags: &'a BTreeMap<String, String>,
    problems: Diagnostics,
}

impl Reader<'_> {
    /// The value of the environment variable that stands for a flag, or of the project's `flags:`.
    fn variable(&self, name: &str) -> Option<String> {
        let [own, engine, old] = ["KARAT_", "DBT_ENGINE_", "DBT_"].map(|prefix| format!("{prefix}{name}"));
        let from_env = self.env.first(&[&own, &engine, &old]);
        from_env.or_else(|| self.flags.get(&name.to_ascii_lowercase()).map(String::as_str)).map(str::to_owned)
    }

    fn path(&self, given: Option<PathBuf>, name: &str) -> Option<PathBuf> {
        given.or_else(|| self.variable(name).map(PathBuf::from))
    }

    /// A pair of flags, then the variable.
    fn switch(&mut self, yes: bool, no: bool, flag: &str, variable: &str) -> Option<bool> {
        match (yes, no) {
            (true, true) => {
                // Within one place the later flag wins; before and after the verb there is no later one.
                let name = flag.trim_start_matches('-');
                let message = format!("`{flag}` and `--no-{name}` contradict each other");
                self.problems.push(Diagnostic::error("invalid-argument", message));
                None
            }
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => self.switch_variable(variable),
        }
    }

    fn global(&mut self, given: GlobalArguments) -> GlobalOptions {
        const LEVELS: [(&str, LogLevel); 5] = [
            ("debug", LogLevel::Debug),
            ("info", LogLevel::Info),
            ("warn", LogLevel::Warn),
            ("error", LogLevel::Error),
            ("none", LogLevel::None),
        ];
        const COLORS: [(&str, ColorChoice); 3] =
            [("auto", ColorChoice::Auto), ("always", ColorChoice::Always), ("never", ColorChoice::Never)];
        const FORMATS: [(&str, LogFormat); 4] = [
            ("text", LogFormat::Text),
            ("json", LogFormat::Json),
            ("default", LogFormat::Text),
            ("debug", LogFormat::Text),
        ];

        let threads_expected = "a whole number from 1";
        let threads =
            self.parsed(given.threads.map(|n| n.to_string()), "THREADS", "--threads", threads_expected, |text| {
                text.parse::<usize>().ok().filter(|n| *n > 0)
            });
        let memory = self.parsed(given.memory, "MEMORY", "--memory", "a size such as 4GiB", |text| {
            parse_size(text).and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| *bytes > 0)
        });
        let now = given.now.or_else(|| self.variable("NOW")).and_then(|text| match clock::parse_now(&text) {
            Ok(instant) => Some(instant),
            Err(message) => {
                self.problems.push(Diagnostic::error("invalid-argument", format!("`--now`: {message}")));
                None
            }
        });
        let lock_expected = "a span of time such as 90s, 10m or 1h";
        let lock_timeout = self.parsed(given.lock_timeout, "LOCK_TIMEOUT", "--lock-timeout", lock_expected, parse_span);
        let flagged_color = match (given.use_colors, given.no_use_colors || given.no_color) {
            (true, true) => {
                let message = "`--use-colors` and `--no-color` contradict each other";
                self.problems.push(Diagnostic::error("invalid-argument", message));
                None
            }
            (true, false) => Some(ColorChoice::Always),
            (false, true) => Some(ColorChoice::Never),
            (false, false) => None,
        };
        let color = self.word(given.color, "", "--color", &COLORS).or(flagged_color).unwrap_or_else(|| {
            match self.switch_variable("USE_COLORS") {
                Some(true) => ColorChoice::Always,
                Some(false) => ColorChoice::Never,
                // https://no-color.org: set to anything but the empty text.
                None if self.env.first(&["NO_COLOR"]).is_some() => ColorChoice::Never,
                None if self.env.first(&["CLICOLOR_FORCE"]).is_some_and(|value| value != "0") => ColorChoice::Always,
                None => ColorChoice::Auto,
            }
        });
        let debug = self.switch(given.debug, given.no_debug, "--debug", "DEBUG").unwrap_or(false);
        let warn_error = self.switch(given.warn_error, given.no_warn_error, "--warn-error", "WARN_ERROR");
        let default_level = if debug { LogLevel::Debug } else { LogLevel::Info };
        GlobalOptions {
            project_dir: self.path(given.project_dir, "PROJECT_DIR"),
            profiles_dir: self.path(given.profiles_dir, "PROFILES_DIR"),
            profile: given.profile.or_else(|| self.variable("PROFILE")),
            target: given.target.or_else(|| self.variable("TARGET")),
            target_path: self.path(given.target_path, "TARGET_PATH"),
            log_path: self.path(given.log_path, "LOG_PATH"),
            vars: self.mapping(given.vars.as_deref(), "--vars"),
            threads,
            memory,
            now,
            lock_timeout: lock_timeout.unwrap_or(Duration::from_secs(limits::LOCK_WAIT_SECONDS)),
            fail_fast: self.switch(given.fail_fast, given.no_fail_fast, "--fail-fast", "FAIL_FAST"),
            strictness: self.strictness(given.warn_error_options, warn_error),
            warn_error,
            quiet: self.switch(given.quiet, given.no_quiet, "--quiet", "QUIET").unwrap_or(false),
            debug,
            print: self.switch(given.print, given.no_print, "--print", "PRINT").unwrap_or(true),
            color,
            log_format: self.word(given.log_format, "LOG_FORMAT", "--log-format", &FORMATS).unwrap_or(LogFormat::Text),
            log_level: self.word(given.log_level, "LOG_LEVEL", "--log-level", &LEVELS).unwrap_or(default_level),
            file_log_level: self
                .word(given.log_level_file, "LOG_LEVEL_FILE", "--log-level-file", &LEVELS)
                .unwrap_or(LogLevel::Debug),
            write_artifacts: self
                .switch(given.write_json, given.no_write_json, "--write-json", "WRITE_JSON")
                .unwrap_or(true),
            state: self.state(given.state),
        }
    }

    fn full_refresh(&mut self, given: bool) -> Option<bool> {
        self.switch(given, false, "--full-refresh", "FULL_REFRESH")
    }

    fn introspects(&mut self, given: &IntrospectionArguments) -> bool {
        !given.no_introspect && self.switch_variable("INTROSPECT") != Some(false)
    }

    fn output(&mut self, given: Option<String>) -> OutputFormat {
        let words = [("text", OutputFormat::Text), ("json", OutputFormat::Json)];
        self.word(given, "", "--output", &words).unwrap_or(OutputFormat::Text)
    }

    fn build(
        &mut self,
        selection: SelectionArguments,
        rebuild: &RebuildArguments,
        failures: &FailureArguments,
        output: Option<String>,
    ) -> BuildOptions {
        BuildOptions {
            selection: self.selection(selection),
            full_refresh: self.full_refresh(rebuild.full_refresh),
            empty: rebuild.empty || self.switch_variable("EMPTY") == Some(true),
            sample: None,
            store_failures: self.switch(failures.store_failures, false, "--store-failures", "STORE_FAILURES"),
            show_seeds: false,
            output: self.output(output),
            batches: None,
            retried: None,
        }
    }

    fn verb(&mut self, given: VerbArguments) -> Option<Verb> {
        let no_failures = FailureArguments::default();
        Some(match given {
            VerbArguments::Init(given) => Verb::Init(InitOptions {
                name: given.name.unwrap_or_default(),
                template: given.template,
                list_templates: given.list_templates,
            }),
            VerbArguments::Build(given) => {
                let options = self.build(given.selection, &given.rebuild, &given.failures, given.output.output);
                let (batches, sample) = (self.batches(given.batches), self.sample(given.sample.sample));
                Verb::Build(BuildOptions { show_seeds: given.show, batches, sample, ..options })
            }
            VerbArguments::Run(given) => {
                let options = self.build(given.selection, &given.rebuild, &no_failures, given.output.output);
                let (batches, sample) = (self.batches(given.batches), self.sample(given.sample.sample));
                Verb::Run(BuildOptions { sample, batches, ..options })
            }
            VerbArguments::Test(given) => {
                let rebuild = RebuildArguments::default();
                Verb::Test(self.build(given.selection, &rebuild, &given.failures, given.output.output))
            }
            VerbArguments::Seed(given) => {
                let options = self.build(given.selection, &given.rebuild, &no_failures, given.output.output);
                Verb::Seed(BuildOptions { show_seeds: given.show, ..options })
            }
            VerbArguments::Snapshot(given) => {
                let options =
                    self.build(given.selection, &RebuildArguments::default(), &no_failures, given.output.output);
                Verb::Snapshot(BuildOptions { empty: given.empty, ..options })
            }
            VerbArguments::Show(given) => Verb::Show(ShowOptions {
                selection: self.selection(given.selection),
                inline: given.inline,
                inline_direct: given.inline_direct,
                introspects: self.introspects(&given.introspection),
                limit: usize::try_from(given.limit).ok(),
                output: self
                    .word(
                        given.output,
                        "",
                        "--output",
                        &[
                            ("text", OutputFormat::Text),
                            ("json", OutputFormat::Json),
                            ("csv", OutputFormat::Csv),
                            ("ndjson", OutputFormat::Ndjson),
                        ],
                    )
                    .unwrap_or(OutputFormat::Text),
                full_refresh: self.full_refresh(given.full_refresh),
            }),
            VerbArguments::Compile(given) => Verb::Compile(CompileOptions {
                selection: self.selection(given.selection),
                inline: given.inline,
                introspects: self.introspects(&given.introspection),
                full_refresh: self.full_refresh(given.full_refresh),
                empty: given.empty,
                output: self.output(given.output),
            }),
            VerbArguments::Parse(given) => Verb::Parse { output: self.output(given.output.output) },
            VerbArguments::List(given) => {
                let words = [
                    ("selector", ListFormat::Selector),
                    ("name", ListFormat::Name),
                    ("path", ListFormat::Path),
                    ("json", ListFormat::Json),
                ];
                let keys = given.output_keys.iter().flat_map(|keys| keys.split([',', ' ']));
                Verb::List(ListOptions {
                    all_kinds: given.selection.resource_type.iter().any(|kind| kind == "all"),
                    selection: self.listed(given.selection),
                    output: self.word(given.output, "", "--output", &words).unwrap_or(ListFormat::Selector),
                    output_keys: keys.filter(|key| !key.is_empty()).map(str::to_owned).collect(),
                })
            }
            VerbArguments::RunOperation(given) => Verb::RunOperation(OperationOptions {
                operation: match given.sql {
                    Some(sql) => Operation::Sql(sql),
                    None => Operation::Macro(given.macro_name.unwrap_or_default()),
                },
                arguments: self.mapping(given.args.as_deref(), "--args"),
                retried: None,
            }),
            VerbArguments::Source(SourceArguments::Freshness(given)) => Verb::SourceFreshness(FreshnessOptions {
                selection: self.selection(given.selection),
                output: given.output,
            }),
            VerbArguments::Clean(given) => {
                let only = self.switch_variable("CLEAN_PROJECT_FILES_ONLY") != Some(false);
                Verb::Clean { outside_too: given.no_clean_project_files_only || !only }
            }
            VerbArguments::Debug(given) => {
                Verb::Debug(DebugOptions { connection: given.connection, config_dir: given.config_dir })
            }
            VerbArguments::Explain(given) => Verb::Explain(given),
            VerbArguments::Completions(given) => Verb::Completions(given.shell),
            VerbArguments::Man => Verb::Man,
            // What is left of it has no earlier command: `cli::retry` has put that in its place otherwise.
            VerbArguments::Retry(_) => return self.refuse_verb("retry"),
            VerbArguments::Clone(given) => {
                let rebuild = RebuildArguments::default();
                let options = self.build(given.selection, &rebuild, &no_failures, given.output.output);
                Verb::Clone(BuildOptions { full_refresh: self.full_refresh(given.full_refresh), ..options })
            }
            VerbArguments::Deps(given) => Verb::Deps(DepsOptions {
                upgrade: given.upgrade,
                lock: given.lock,
                no_version_check: given.no_version_check,
                added: given.add_package.map(|package| (given.source.unwrap_or_else(|| "hub".to_owned()), package)),
            }),
            VerbArguments::Docs(given) => Verb::Docs(self.docs(given)),
        })
    }

    fn refuse_verb(&mut self, verb: &str) -> Option<Verb> {
        self.problems.push(not_supported("command", verb));
        None
    }
}

mod batches;
mod docs;
mod forms;
mod sample;
mod selection;
mod state;
mod values;
mod warnings;
pub use docs::{DocsOptions, GenerateOptions, LineageFormat, LineageOptions, ServeOptions};
pub use forms::{ColorChoice, ListFormat, LogFormat, LogLevel, OutputFormat};
pub use selection::SelectionOptions;
pub use state::StateOptions;

#[cfg(test)]
mod tests;
