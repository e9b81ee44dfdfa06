//! Further flags of dbt that are accepted and change nothing, because what they tune does not exist in karat.

use std::path::PathBuf;

use clap::Args;

/// Flags without effect, beside those of [`super::IgnoredArguments`].
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct UnusedArguments {
    /// Run one node at a time
    #[arg(long, global = true, hide = true, overrides_with = "no_single_threaded")]
    pub single_threaded: bool,
    #[arg(long, global = true, hide = true, overrides_with = "single_threaded")]
    no_single_threaded: bool,
    #[arg(long, global = true, hide = true)]
    deprecated_print: bool,
    #[arg(long, global = true, hide = true)]
    deprecated_no_print: bool,
    #[arg(long, global = true, hide = true)]
    hints_enabled: bool,
    #[arg(long, global = true, hide = true)]
    no_hints_enabled: bool,
    #[arg(long, global = true, hide = true)]
    macro_debugging: bool,
    #[arg(long, global = true, hide = true)]
    no_macro_debugging: bool,
    #[arg(long, global = true, hide = true)]
    use_fast_test_edges: bool,
    #[arg(long, global = true, hide = true)]
    no_use_fast_test_edges: bool,
    #[arg(long, global = true, hide = true)]
    use_v2_parser: bool,
    #[arg(long, global = true, hide = true)]
    no_use_v2_parser: bool,
    #[arg(long, global = true, hide = true)]
    upload_to_artifacts_ingest_api: bool,
    #[arg(long, global = true, hide = true)]
    no_upload_to_artifacts_ingest_api: bool,
    #[arg(long, global = true, hide = true)]
    show_resource_report: bool,
    #[arg(long, global = true, hide = true)]
    no_show_resource_report: bool,
    #[arg(long, global = true, hide = true)]
    inject_ephemeral_ctes: bool,
    #[arg(long, global = true, hide = true)]
    no_inject_ephemeral_ctes: bool,
    #[arg(long, global = true, hide = true)]
    include_saved_query: bool,
    #[arg(long, global = true, hide = true)]
    no_include_saved_query: bool,
    #[arg(long, global = true, hide = true)]
    export_saved_queries: bool,
    #[arg(long, global = true, hide = true)]
    no_export_saved_queries: bool,
    #[arg(long, global = true, hide = true, value_name = "PATH")]
    partial_parse_file_path: Option<PathBuf>,
    #[arg(long, short = 'r', global = true, hide = true, value_name = "PATH")]
    record_timing_info: Option<PathBuf>,
    #[arg(long, global = true, hide = true, value_name = "N")]
    maximum_seed_size_mib: Option<String>,
    #[arg(long, global = true, hide = true, value_name = "COMMAND")]
    v2_parser: Option<String>,
    #[arg(long, global = true, hide = true, value_name = "YAML")]
    sqlparse: Option<String>,
}

/// `karat retry`.
#[derive(Debug, Clone, Default, Args)]
pub struct RetryArguments {
    /// Rebuild incremental models and seeds from nothing, whatever the command said
    #[arg(long, short)]
    pub full_refresh: bool,
}
