//! What the user typed: every verb and flag, as clap sees them. Their meaning is decided in [`super::options`].
//!
//! Flags are dbt's where dbt has one. Global flags are accepted before and after the verb. Verbs of dbt
//! that come later are accepted here, hidden, so that they can be refused by name instead of as a typing error.

mod state;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::cli::explain::ExplainArguments;
use crate::cli::options::VARIABLES;

mod unused;
pub use state::StateArguments;
pub use unused::{RetryArguments, UnusedArguments};

/// Heading of the flags that every verb takes.
const GLOBAL: &str = "Global options";
/// Heading of the flags that choose nodes.
const SELECTION: &str = "Selection";

/// The whole command line.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "karat",
    bin_name = "karat",
    version,
    about = "Builds, tests and publishes a medallion data warehouse from Jinja SQL models",
    disable_version_flag = true,
    subcommand_required = true,
    arg_required_else_help = true,
    infer_subcommands = false,
    max_term_width = 100
)]
pub struct Arguments {
    /// Flags of every verb.
    #[command(flatten)]
    pub global: GlobalArguments,
    /// Flags of dbt without effect.
    #[command(flatten)]
    pub unused: UnusedArguments,
    /// What to do.
    #[command(subcommand)]
    pub verb: VerbArguments,
    /// Print the version
    #[arg(short = 'V', short_alias = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// Flags of every verb, accepted before and after it.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct GlobalArguments {
    /// Folder of the project [default: the nearest folder upward with a project file]
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    pub project_dir: Option<PathBuf>,
    /// Folder that holds profiles.yml
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    pub profiles_dir: Option<PathBuf>,
    /// Profile to use instead of the project's
    #[arg(long, global = true, value_name = "NAME", help_heading = GLOBAL)]
    pub profile: Option<String>,
    /// Target of the profile: the environment to build
    #[arg(long, short, global = true, value_name = "NAME", help_heading = GLOBAL)]
    pub target: Option<String>,
    /// Folder for artifacts and compiled SQL [default: target]
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    pub target_path: Option<PathBuf>,
    /// Folder for karat.log [default: logs below the target folder]
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    pub log_path: Option<PathBuf>,
    /// Variables of the project, as a YAML mapping
    #[arg(long, global = true, value_name = "YAML", help_heading = GLOBAL)]
    pub vars: Option<String>,
    /// How many nodes run at once
    #[arg(long, global = true, value_name = "N", help_heading = GLOBAL)]
    pub threads: Option<usize>,
    /// Memory to work with, such as 4GiB; what needs more spills to disk
    #[arg(long, global = true, value_name = "SIZE", help_heading = GLOBAL)]
    pub memory: Option<String>,
    /// The run's time instead of the present, such as 2024-01-31T06:00:00Z
    #[arg(long, global = true, value_name = "INSTANT", help_heading = GLOBAL)]
    pub now: Option<String>,
    /// How long to wait for the environment's lock, such as 90s or 10m
    #[arg(long, global = true, value_name = "TIME", help_heading = GLOBAL)]
    pub lock_timeout: Option<String>,
    /// Stop at the first failure
    #[arg(long, short = 'x', global = true, overrides_with = "no_fail_fast", help_heading = GLOBAL)]
    pub fail_fast: bool,
    /// Go on after a failure with what does not depend on it
    #[arg(long, global = true, overrides_with = "fail_fast", help_heading = GLOBAL)]
    pub no_fail_fast: bool,
    /// Treat warnings as errors
    #[arg(long, global = true, overrides_with = "no_warn_error", help_heading = GLOBAL)]
    pub warn_error: bool,
    #[arg(long, global = true, hide = true, overrides_with = "warn_error")]
    pub no_warn_error: bool,
    /// Say which warnings are errors, which stay warnings, and which are not said
    #[arg(long, global = true, value_name = "YAML", help_heading = GLOBAL)]
    pub warn_error_options: Option<String>,
    /// Print errors and results only
    #[arg(long, short, global = true, overrides_with = "no_quiet", help_heading = GLOBAL)]
    pub quiet: bool,
    #[arg(long, global = true, hide = true, overrides_with = "quiet")]
    pub no_quiet: bool,
    /// Print more, for finding mistakes
    #[arg(long, short, global = true, overrides_with = "no_debug", help_heading = GLOBAL)]
    pub debug: bool,
    #[arg(long, global = true, hide = true, overrides_with = "debug")]
    pub no_debug: bool,
    /// Let print() in templates write to standard output (the default)
    #[arg(long, global = true, overrides_with = "no_print", help_heading = GLOBAL)]
    pub print: bool,
    /// Suppress print() in templates
    #[arg(long, global = true, overrides_with = "print", help_heading = GLOBAL)]
    pub no_print: bool,
    /// Whether to use color: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", help_heading = GLOBAL)]
    pub color: Option<String>,
    /// The same as --color always
    #[arg(long, global = true, overrides_with_all = ["no_use_colors", "no_color"], help_heading = GLOBAL)]
    pub use_colors: bool,
    /// The same as --color never
    #[arg(long, global = true, overrides_with_all = ["use_colors", "no_color"], help_heading = GLOBAL)]
    pub no_use_colors: bool,
    /// The same as --color never
    #[arg(long, global = true, overrides_with_all = ["use_colors", "no_use_colors"], help_heading = GLOBAL)]
    pub no_color: bool,
    /// Form of progress and messages on standard error: text or json
    #[arg(long, global = true, value_name = "FORM", help_heading = GLOBAL)]
    pub log_format: Option<String>,
    /// Least level that is printed: debug, info, warn, error or none
    #[arg(long, global = true, value_name = "LEVEL", help_heading = GLOBAL)]
    pub log_level: Option<String>,
    /// Least level that is written to karat.log [default: debug]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = GLOBAL)]
    pub log_level_file: Option<String>,
    /// Write artifacts (the default)
    #[arg(long, global = true, hide = true, overrides_with = "no_write_json")]
    pub write_json: bool,
    /// Write no artifacts
    #[arg(long, global = true, overrides_with = "write_json", help_heading = GLOBAL)]
    pub no_write_json: bool,
    /// Flags about the artifacts of an earlier command.
    #[command(flatten)]
    pub state: StateArguments,
    /// Flags without effect.
    #[command(flatten)]
    pub ignored: IgnoredArguments,
}

/// Flags of dbt that are accepted and change nothing, because what they tune does not exist in karat.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct IgnoredArguments {
    #[arg(long, global = true, hide = true)]
    partial_parse: bool,
    #[arg(long, global = true, hide = true)]
    no_partial_parse: bool,
    #[arg(long, global = true, hide = true)]
    partial_parse_file_diff: bool,
    #[arg(long, global = true, hide = true)]
    no_partial_parse_file_diff: bool,
    #[arg(long, global = true, hide = true)]
    cache_selected_only: bool,
    #[arg(long, global = true, hide = true)]
    no_cache_selected_only: bool,
    #[arg(long, global = true, hide = true)]
    populate_cache: bool,
    #[arg(long, global = true, hide = true)]
    no_populate_cache: bool,
    #[arg(long, global = true, hide = true)]
    static_parser: bool,
    #[arg(long, global = true, hide = true)]
    no_static_parser: bool,
    #[arg(long, global = true, hide = true)]
    use_experimental_parser: bool,
    #[arg(long, global = true, hide = true)]
    no_use_experimental_parser: bool,
    #[arg(long, global = true, hide = true)]
    version_check: bool,
    #[arg(long, global = true, hide = true)]
    no_version_check: bool,
    #[arg(long, global = true, hide = true)]
    send_anonymous_usage_stats: bool,
    #[arg(long, global = true, hide = true)]
    no_send_anonymous_usage_stats: bool,
    #[arg(long, global = true, hide = true)]
    log_cache_events: bool,
    #[arg(long, global = true, hide = true)]
    no_log_cache_events: bool,
    #[arg(long, global = true, hide = true)]
    use_colors_file: bool,
    #[arg(long, global = true, hide = true)]
    no_use_colors_file: bool,
    #[arg(long, global = true, hide = true)]
    show_all_deprecations: bool,
    #[arg(long, global = true, hide = true)]
    no_show_all_deprecations: bool,
    /// Let templates ask for data
    #[arg(long, global = true, hide = true)]
    introspect: bool,
    #[arg(long, global = true, hide = true, value_name = "N")]
    printer_width: Option<String>,
    #[arg(long, global = true, hide = true, value_name = "N")]
    log_file_max_bytes: Option<String>,
    #[arg(long, global = true, hide = true, value_name = "FORM")]
    log_format_file: Option<String>,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum VerbArguments {
    /// Create a small project that builds at once
    Init(InitArguments),
    /// Build, test and publish: seeds, models, snapshots and tests in the order of the graph
    Build(BuildArguments),
    /// Build models and publish them
    Run(RunArguments),
    /// Run data tests on what is published
    Test(TestArguments),
    /// Load seeds
    Seed(SeedArguments),
    /// Record the changes of tables as history
    Snapshot(SnapshotArguments),
    /// Print the rows of a model or of a query
    Show(ShowArguments),
    /// Render templates to SQL without running them
    Compile(CompileArguments),
    /// Read and check the project, and write manifest.json
    Parse(ParseArguments),
    /// List nodes
    #[command(name = "ls", visible_alias = "list")]
    List(ListArguments),
    /// Run a macro
    RunOperation(RunOperationArguments),
    /// Look at sources
    #[command(subcommand)]
    Source(SourceArguments),
    /// Write or serve the documentation, or print the lineage
    #[command(subcommand)]
    Docs(DocsArguments),
    /// Remove the folders of `clean-targets`, never the warehouse
    Clean(CleanArguments),
    /// Install the packages that packages.yml lists
    Deps(DepsArguments),
    /// Check the configuration and the connection to the warehouse
    Debug(DebugArguments),
    /// Explain the code of an error or a warning: its cause and what to do
    Explain(ExplainArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
    /// Print the manual page
    Man,
    /// Do again what did not end well in the last build, run, test, seed or snapshot, with its flags
    Retry(RetryArguments),
    /// Copy relations of a state into this environment, without building them
    Clone(CloneArguments),
}

/// Flags that choose nodes.
#[derive(Debug, Clone, Default, Args)]
pub struct SelectionArguments {
    /// Nodes to take: names, +name+, path:, tag:, layer:, source: and more
    #[arg(
        long, short, num_args = 1.., action = ArgAction::Append, value_name = "SELECTOR", help_heading = SELECTION
    )]
    pub select: Vec<String>,
    /// The same; in ls, only the models among them
    #[arg(
        long, short, alias = "model", num_args = 1.., action = ArgAction::Append, value_name = "SELECTOR",
        help_heading = SELECTION
    )]
    pub models: Vec<String>,
    /// Nodes to leave out
    #[arg(long, num_args = 1.., action = ArgAction::Append, value_name = "SELECTOR", help_heading = SELECTION)]
    pub exclude: Vec<String>,
    /// Selector of selectors.yml to use instead of --select and --exclude
    #[arg(long, value_name = "NAME", help_heading = SELECTION)]
    pub selector: Option<String>,
    /// Kinds of nodes to take
    #[arg(
        long, alias = "resource-types", num_args = 1.., action = ArgAction::Append, value_name = "KIND",
        help_heading = SELECTION
    )]
    pub resource_type: Vec<String>,
    /// Kinds of nodes to leave out
    #[arg(
        long, alias = "exclude-resource-types", num_args = 1.., action = ArgAction::Append, value_name = "KIND",
        help_heading = SELECTION
    )]
    pub exclude_resource_type: Vec<String>,
    /// Tests that come with the selected nodes: eager, cautious, buildable or empty
    #[arg(long, value_name = "MODE", help_heading = SELECTION)]
    pub indirect_selection: Option<String>,
}

/// `karat init`.
#[derive(Debug, Clone, Args)]
pub struct InitArguments {
    /// Name of the project and of the folder to create
    #[arg(required_unless_present = "list_templates")]
    pub name: Option<String>,
    /// What to begin with: medallion (the default) or minimal
    #[arg(long, value_name = "NAME")]
    pub template: Option<String>,
    /// Print the templates, and do nothing else
    #[arg(long)]
    pub list_templates: bool,
    #[arg(long, short, hide = true)]
    skip_profile_setup: bool,
    #[arg(long, hide = true)]
    skip_debug: bool,
}

/// `karat build`.
#[derive(Debug, Clone, Args)]
pub struct BuildArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Build flags.
    #[command(flatten)]
    pub rebuild: RebuildArguments,
    /// Sample flags.
    #[command(flatten)]
    pub sample: SampleArguments,
    /// Test flags.
    #[command(flatten)]
    pub failures: FailureArguments,
    /// Batches.
    #[command(flatten)]
    pub batches: BatchArguments,
    /// Print the first rows of each seed
    #[arg(long)]
    pub show: bool,
    /// Form of the results.
    #[command(flatten)]
    pub output: ResultArguments,
}

/// `karat run`.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Build flags.
    #[command(flatten)]
    pub rebuild: RebuildArguments,
    /// Batches.
    #[command(flatten)]
    pub batches: BatchArguments,
    /// Sample flags.
    #[command(flatten)]
    pub sample: SampleArguments,
    /// Form of the results.
    #[command(flatten)]
    pub output: ResultArguments,
}

/// `karat test`.
#[derive(Debug, Clone, Args)]
pub struct TestArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Test flags.
    #[command(flatten)]
    pub failures: FailureArguments,
    /// Form of the results.
    #[command(flatten)]
    pub output: ResultArguments,
}

/// `karat seed`.
#[derive(Debug, Clone, Args)]
pub struct SeedArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Build flags.
    #[command(flatten)]
    pub rebuild: RebuildArguments,
    /// Print the first rows of each seed
    #[arg(long)]
    pub show: bool,
    /// Form of the results.
    #[command(flatten)]
    pub output: ResultArguments,
}

/// `karat snapshot`.
#[derive(Debug, Clone, Args)]
pub struct SnapshotArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Read no rows: build the structure only
    #[arg(long, overrides_with = "no_empty")]
    pub empty: bool,
    #[arg(long, hide = true, overrides_with = "empty")]
    no_empty: bool,
    /// Form of the results.
    #[command(flatten)]
    pub output: ResultArguments,
}

/// `karat clone`.
#[derive(Debug, Clone, Args)]
pub struct CloneArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Copy also what this environment has already
    #[arg(long, short)]
    pub full_refresh: bool,
    /// Form of the results.
    #[command(flatten)]
    pub output: ResultArguments,
}

/// Flags of the verbs that build.
#[derive(Debug, Clone, Default, Args)]
pub struct RebuildArguments {
    /// Rebuild incremental models and seeds from nothing
    #[arg(long, short)]
    pub full_refresh: bool,
    /// Read no rows: build the structure only
    #[arg(long, overrides_with = "no_empty")]
    pub empty: bool,
    #[arg(long, hide = true, overrides_with = "empty")]
    no_empty: bool,
}

/// The time that microbatch models make batches of.
#[derive(Debug, Clone, Default, Args)]
pub struct BatchArguments {
    /// Make the batches of microbatch models from this time on, such as 2024-01-31, instead of the newest ones
    #[arg(long, value_name = "INSTANT")]
    pub event_time_start: Option<String>,
    /// Make the batches of microbatch models before this time
    #[arg(long, value_name = "INSTANT")]
    pub event_time_end: Option<String>,
}

/// Flags of the verbs that build models.
#[derive(Debug, Clone, Default, Args)]
pub struct SampleArguments {
    /// Read only a window of the parents that have an `event_time`: `3 days`, or `{start: 2024-01-01, end: 2024-01-31}`
    #[arg(long, value_name = "WINDOW")]
    pub sample: Option<String>,
}

/// Flags of the verbs that test.
#[derive(Debug, Clone, Default, Args)]
pub struct FailureArguments {
    /// Store the failing rows of each test as a table
    #[arg(long)]
    pub store_failures: bool,
}

/// Form of the results on standard output.
#[derive(Debug, Clone, Default, Args)]
pub struct ResultArguments {
    /// Form of the results on standard output: text or json
    #[arg(long, value_name = "FORM")]
    pub output: Option<String>,
}

/// `karat show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// A query to run instead, a template
    #[arg(long, value_name = "SQL", conflicts_with = "inline_direct")]
    pub inline: Option<String>,
    /// A query to run as it is, without templates
    #[arg(long, value_name = "SQL")]
    pub inline_direct: Option<String>,
    /// Most rows; -1 means all
    #[arg(long, value_name = "N", default_value = "5", allow_negative_numbers = true)]
    pub limit: i64,
    /// Form of the rows: text, json, csv or ndjson
    #[arg(long, value_name = "FORM")]
    pub output: Option<String>,
    /// Show as the verbs that build would with this flag
    #[arg(long, short)]
    pub full_refresh: bool,
    /// Whether templates may ask for data.
    #[command(flatten)]
    pub introspection: IntrospectionArguments,
}

/// `karat compile`.
#[derive(Debug, Clone, Args)]
pub struct CompileArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// A query to compile instead, a template
    #[arg(long, value_name = "SQL")]
    pub inline: Option<String>,
    /// Compile as the verbs that build would with this flag
    #[arg(long, short)]
    pub full_refresh: bool,
    /// Whether templates may ask for data.
    #[command(flatten)]
    pub introspection: IntrospectionArguments,
    /// Read no rows: build the structure only
    #[arg(long, overrides_with = "no_empty")]
    pub empty: bool,
    #[arg(long, hide = true, overrides_with = "empty")]
    no_empty: bool,
    /// Form of the SQL on standard output: text or json
    #[arg(long, value_name = "FORM")]
    pub output: Option<String>,
}

/// Whether templates may ask for data.
#[derive(Debug, Clone, Args)]
pub struct IntrospectionArguments {
    /// Fail where a template asks for data
    #[arg(long)]
    pub no_introspect: bool,
}

/// `karat parse`.
#[derive(Debug, Clone, Args)]
pub struct ParseArguments {
    /// Form of the results.
    #[command(flatten)]
    pub output: ResultArguments,
}

/// `karat ls`.
#[derive(Debug, Clone, Args)]
pub struct ListArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// What to print of each node: selector, name, path or json
    #[arg(long, value_name = "FORM")]
    pub output: Option<String>,
    /// Keys to print with --output json
    #[arg(long, num_args = 1.., action = ArgAction::Append, value_name = "KEY")]
    pub output_keys: Vec<String>,
}

/// `karat run-operation`.
#[derive(Debug, Clone, Args)]
pub struct RunOperationArguments {
    /// Name of the macro, or package.macro
    #[arg(required_unless_present = "sql")]
    pub macro_name: Option<String>,
    /// Arguments of the macro, as a YAML mapping
    #[arg(long, value_name = "YAML", conflicts_with = "sql")]
    pub args: Option<String>,
    /// Statements to run instead of a macro; Jinja is rendered
    #[arg(long, value_name = "SQL", conflicts_with = "macro_name")]
    pub sql: Option<String>,
}

/// `karat source`.
#[derive(Debug, Clone, Subcommand)]
pub enum SourceArguments {
    /// Check how old the data of sources is
    #[command(visible_alias = "snapshot-freshness")]
    Freshness(FreshnessArguments),
}

/// `karat source freshness`.
#[derive(Debug, Clone, Args)]
pub struct FreshnessArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// File for the results [default: sources.json in the target folder]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `karat docs`.
#[derive(Debug, Clone, Subcommand)]
pub enum DocsArguments {
    /// Write the documentation as one page that needs no server, manifest.json and catalog.json
    Generate(DocsGenerateArguments),
    /// Show the documentation in a browser, from a server on this machine
    Serve(DocsServeArguments),
    /// Print what is made from what
    Lineage(DocsLineageArguments),
}

/// `karat docs generate`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct DocsGenerateArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Leave out compiled SQL, and the columns of what is not published yet
    #[arg(long, overrides_with = "compile")]
    pub no_compile: bool,
    #[arg(long, hide = true, overrides_with = "no_compile")]
    compile: bool,
    /// Do not look at what is published
    #[arg(long)]
    pub empty_catalog: bool,
    /// The page always is one file that needs no server
    #[arg(long = "static", hide = true)]
    is_static: bool,
}

/// `karat docs serve`.
#[derive(Debug, Clone, Args)]
pub struct DocsServeArguments {
    /// Port to listen on; 0 means any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,
    /// Do not open a browser
    #[arg(long, overrides_with = "browser")]
    pub no_browser: bool,
    #[arg(long, hide = true, overrides_with = "no_browser")]
    browser: bool,
}

/// `karat docs lineage`.
#[derive(Debug, Clone, Args)]
pub struct DocsLineageArguments {
    /// Nodes.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Form of the lineage: mermaid, dot, json or markdown
    #[arg(long, value_name = "FORM")]
    pub output: Option<String>,
    /// File to write instead of standard output
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `karat clean`.
#[derive(Debug, Clone, Args)]
pub struct CleanArguments {
    /// Remove clean targets below the project only
    #[arg(long, hide = true, overrides_with = "no_clean_project_files_only")]
    clean_project_files_only: bool,
    /// Remove clean targets outside of the project, too
    #[arg(long, overrides_with = "clean_project_files_only")]
    pub no_clean_project_files_only: bool,
}

/// `karat deps`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct DepsArguments {
    /// Find the newest versions that fit, whatever package-lock.yml says
    #[arg(long)]
    pub upgrade: bool,
    /// Write package-lock.yml, but install nothing
    #[arg(long)]
    pub lock: bool,
    /// Take versions that were not made for this version of dbt, too
    #[arg(long)]
    pub no_version_check: bool,
    #[arg(long, hide = true, overrides_with = "no_version_check")]
    version_check: bool,
    /// Put a package into the list first, as NAME@VERSION or, with --source, as ADDRESS@REVISION or a folder
    #[arg(long, value_name = "PACKAGE")]
    pub add_package: Option<String>,
    /// Where --add-package finds it
    #[arg(long, value_name = "SOURCE", value_parser = ["hub", "git", "local"], requires = "add_package")]
    pub source: Option<String>,
}

/// `karat debug`.
#[derive(Debug, Clone, Args)]
pub struct DebugArguments {
    /// Check the connection only
    #[arg(long)]
    pub connection: bool,
    /// Print the folder that profiles.yml is looked for in
    #[arg(long)]
    pub config_dir: bool,
}

/// `karat completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: Shell,
}

/// The command line's definition, for parsing, help, completions and the manual page.
pub fn command() -> clap::Command {
    let mut text = String::from("Environment variables (a flag wins over its variable):\n");
    for (name, meaning) in VARIABLES {
        text.push_str("  KARAT_");
        text.push_str(name);
        text.push_str(" or DBT_");
        text.push_str(name);
        text.push_str(": ");
        text.push_str(meaning);
        text.push('\n');
    }
    text.push_str(
        "\nExit codes: 0 all good, 1 something of the project failed, 2 the project or the command line is wrong, ",
    );
    text.push_str("3 disk, network or a lock failed, 101 a mistake in karat, 130 interrupted.");
    Arguments::command().after_long_help(text)
}

/// Parses a command line; the error is also how help and version are asked for.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    use clap::FromArgMatches as _;
    let mut definition = command();
    let matches = definition.try_get_matches_from_mut(arguments)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut definition))
}
