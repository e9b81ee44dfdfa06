//! The flags of an invocation by dbt's names: `args` of `run_results.json`, `invocation_args_dict` and `flags` in
//! templates. Flags of dbt that tune what karat does not have are there with dbt's default, for those who read them.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::base::strictness::Strictness;
use crate::cli::options::{
    BuildOptions, ColorChoice, GlobalOptions, LogFormat, LogLevel, Operation, Options, SelectionOptions, Verb,
};
use crate::manifest::node::ResourceType;

/// All flags of a command line; `command` and `typed` are it as text and as words.
pub fn of(options: &Options, folder: &Path, command: &str, typed: &[String]) -> IndexMap<String, Json> {
    let mut args = IndexMap::new();
    let mut put = |name: &str, value: Json| args.insert(name.to_owned(), value);
    put("which", json!(options.verb.name()));
    put("invocation_command", json!(command));
    // Ours: what a retry reads.
    put("invocation_arguments", json!(typed));
    for (name, value) in global(&options.global, folder) {
        put(name, value);
    }
    for (name, value) in verb(&options.verb) {
        put(name, value);
    }
    args
}

/// The flags that `invocation_args_dict` and `run_results.json` tell: as under dbt, those that have a value, and of some
/// only that they are set.
pub fn told(args: &IndexMap<String, Json>) -> IndexMap<String, Json> {
    const ONLY_SET: [&str; 5] = ["debug", "full_refresh", "fail_fast", "warn_error", "store_failures"];
    // Under dbt the log always has a folder; here the project may say it, which is not read yet.
    const ALWAYS: &str = "log_path";
    let is_told = |(name, value): &(&String, &Json)| {
        !(value.is_null() && *name != ALWAYS || **value == json!(false) && ONLY_SET.contains(&name.as_str()))
    };
    args.iter().filter(is_told).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn global(global: &GlobalOptions, folder: &Path) -> Vec<(&'static str, Json)> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| folder.join(path).display().to_string());
    let project = folder.join(global.project_dir.as_deref().unwrap_or(Path::new(""))).display().to_string();
    let project = project.trim_end_matches('/').to_owned();
    let level = |level: LogLevel| match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
        LogLevel::None => "none",
    };
    let format = if global.log_format == LogFormat::Json { "json" } else { "default" };
    let mut flags = vec![
        ("project_dir", json!(project)),
        ("profiles_dir", json!(path(&global.profiles_dir).unwrap_or_else(|| project.clone()))),
        ("profile", json!(global.profile)),
        ("target", json!(global.target)),
        ("target_path", json!(path(&global.target_path))),
        ("log_path", json!(path(&global.log_path))),
        ("vars", json!(global.vars)),
        ("threads", json!(global.threads)),
        ("fail_fast", json!(global.fail_fast.unwrap_or(false))),
        ("warn_error", json!(global.warn_error)),
        ("warn_error_options", warn_error_options(&global.strictness)),
        ("quiet", json!(global.quiet)),
        ("debug", json!(global.debug)),
        ("print", json!(global.print)),
        ("use_colors", json!(global.color != ColorChoice::Never)),
        ("log_format", json!(format)),
        ("log_level", json!(level(global.log_level))),
        ("log_level_file", json!(level(global.file_log_level))),
        ("write_json", json!(global.write_artifacts)),
        ("state", json!(global.state.folder)),
        ("defer_state", json!(global.state.defer_folder)),
        ("defer", json!(global.state.defer)),
        ("favor_state", json!(global.state.favor)),
    ];
    // What karat does not have, as dbt's defaults say it.
    flags.extend([
        ("log_format_file", json!("json")),
        ("log_file_max_bytes", json!(crate::base::limits::LOG_FILE_BYTES)),
        ("use_colors_file", json!(false)),
        ("printer_width", json!(80)),
        ("partial_parse", json!(true)),
        ("partial_parse_file_diff", json!(true)),
        ("static_parser", json!(true)),
        ("version_check", json!(true)),
        ("cache_selected_only", json!(false)),
        ("populate_cache", json!(true)),
        ("send_anonymous_usage_stats", json!(false)),
        ("introspect", json!(true)),
        ("indirect_selection", json!("eager")),
        ("macro_debugging", json!(false)),
        ("strict_mode", json!(false)),
        ("show_resource_report", json!(false)),
        ("show_all_deprecations", json!(false)),
        ("use_fast_test_edges", json!(false)),
        ("upload_to_artifacts_ingest_api", json!(false)),
    ]);
    flags
}

fn verb(verb: &Verb) -> Vec<(&'static str, Json)> {
    match verb {
        Verb::Build(options)
        | Verb::Run(options)
        | Verb::Test(options)
        | Verb::Seed(options)
        | Verb::Snapshot(options)
        | Verb::Clone(options) => build(options),
        Verb::Show(options) => {
            let own = [
                ("inline", json!(options.inline)),
                ("inline_direct", json!(options.inline_direct)),
                ("introspect", json!(options.introspects)),
                ("limit", json!(options.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX)))),
                ("full_refresh", json!(options.full_refresh.unwrap_or(false))),
            ];
            selection(&options.selection).into_iter().chain(own).collect()
        }
        Verb::Compile(options) => {
            let own = [
                ("inline", json!(options.inline)),
                ("introspect", json!(options.introspects)),
                ("full_refresh", json!(options.full_refresh.unwrap_or(false))),
                ("empty", json!(options.empty)),
            ];
            selection(&options.selection).into_iter().chain(own).collect()
        }
        Verb::List(options) => {
            let own = [("output_keys", json!(options.output_keys))];
            selection(&options.selection).into_iter().chain(own).collect()
        }
        Verb::RunOperation(options) => {
            let (name, sql) = match &options.operation {
                Operation::Macro(name) => (Some(name), None),
                Operation::Sql(sql) => (None, Some(sql)),
            };
            vec![("macro", json!(name)), ("sql", json!(sql)), ("args", json!(options.arguments))]
        }
        Verb::SourceFreshness(options) => selection(&options.selection),
        _ => Vec::new(),
    }
}

fn build(options: &BuildOptions) -> Vec<(&'static str, Json)> {
    let mut flags = selection(&options.selection);
    let instant = |instant: chrono::DateTime<chrono::Utc>| instant.format("%Y-%m-%dT%H:%M:%S").to_string();
    flags.extend([
        ("full_refresh", json!(options.full_refresh.unwrap_or(false))),
        ("empty", json!(options.empty)),
        ("store_failures", json!(options.store_failures.unwrap_or(false))),
        ("show", json!(options.show_seeds)),
        ("event_time_start", json!(options.batches.map(|window| instant(window.start)))),
        ("event_time_end", json!(options.batches.map(|window| instant(window.end)))),
        ("include_saved_query", json!(false)),
        ("export_saved_queries", json!(false)),
    ]);
    flags
}

fn selection(options: &SelectionOptions) -> Vec<(&'static str, Json)> {
    let kinds = |kinds: &[ResourceType]| kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>();
    let mut flags = vec![
        ("select", json!(options.select)),
        ("exclude", json!(options.exclude)),
        ("selector", json!(options.selector)),
        ("resource_types", json!(kinds(&options.resource_types))),
        ("exclude_resource_types", json!(kinds(&options.exclude_resource_types))),
    ];
    if let Some(mode) = options.indirect_selection {
        flags.push(("indirect_selection", json!(mode.as_str())));
    }
    flags
}

/// The names that were given, as the codes that they mean.
fn warn_error_options(strictness: &Strictness) -> Json {
    let error = if strictness.all { json!("all") } else { json!(strictness.error) };
    json!({"error": error, "warn": strictness.warn, "silence": strictness.silence})
}
