//! `karat retry`: the last command once more, for what did not end well.
//!
//! The last command is read from `run_results.json`, where each command leaves its arguments. Flags of `retry` itself
//! stand for those of that command, but for `--target`: what is done again belongs to the command's target. dbt lets
//! `--vars` and `--threads` alone be changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use crate::base::clock::parse_instant;
use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::env::ProcessEnv;
use crate::base::fs;
use crate::base::limits;
use crate::cli::args::{self, Arguments, BuildArguments, GlobalArguments, RunArguments, SeedArguments, VerbArguments};
use crate::cli::options::{Options, Verb};
use crate::files::project;
use crate::graph::Dag;
use crate::manifest::manifest::Manifest;
use crate::manifest::microbatch::{BatchRequest, Outcomes, Window};
use crate::manifest::node::{NodeId, ResourceType};
use crate::record;

/// Statuses of nodes that are done again.
const RETRIED: [&str; 4] = ["error", "fail", "skipped", "partial success"];

/// What a retry is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retried {
    /// Ids of the nodes that did not end well, or whose results were held back.
    ids: BTreeSet<String>,
    /// Ids of the other nodes of the command.
    others: BTreeSet<String>,
    /// What was typed behind the program's name.
    arguments: Vec<String>,
    /// When the command was begun: its batches end there.
    until: Option<DateTime<Utc>>,
    /// Batches of the models of which a part came about.
    batches: BTreeMap<NodeId, Outcomes>,
}

impl Retried {
    /// The arguments of the command that is done again.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Which batches are made again: those that failed, and of models that are made from the start those of that time.
    pub fn batches(&self) -> BatchRequest {
        BatchRequest { window: None, until: self.until, retried: self.batches.clone() }
    }

    /// Whether all ended well.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The nodes that are done again, in the order of the graph. As under dbt, the results name them: the selection of
    /// the command is not asked again, as a fix may have changed what it selects. In a `build`, the tests of a node that
    /// is built again are its gates, if they were part of the command.
    pub fn nodes(&self, manifest: &Manifest, dag: &Dag, verb: &str) -> Result<Vec<NodeId>, Diagnostics> {
        let is_gate = |id: &NodeId| {
            let node = manifest.get(id).filter(|node| {
                verb == "build" && matches!(node.resource_type, ResourceType::Test | ResourceType::UnitTest)
            });
            self.others.contains(id.as_str())
                && node.is_some_and(|node| node.depends_on.iter().any(|parent| self.ids.contains(parent.as_str())))
        };
        let is_known = |id: &&String| manifest.get(&NodeId::new(id.as_str())).is_some();
        let gone = self.ids.iter().filter(|id| !is_known(id)).map(|id| {
            Diagnostic::error("not-retriable", format!("`{id}` did not end well in the last command, and is gone now"))
                .with_hint(format!("run `karat {verb}` with the selection that you want"))
        });
        let gone = Diagnostics(gone.collect());
        if gone.has_errors() {
            return Err(gone);
        }
        let order = dag.order().iter();
        Ok(order.filter(|id| self.ids.contains(id.as_str()) || is_gate(id)).cloned().collect())
    }
}

/// The command line that a `retry` stands for, and what it is limited to; another command line as it is.
pub fn resolve(
    arguments: Arguments,
    env: &ProcessEnv,
    working_folder: &Path,
) -> Result<(Arguments, Option<Retried>), Box<Diagnostic>> {
    let VerbArguments::Retry(own) = &arguments.verb else { return Ok((arguments, None)) };
    let full_refresh = own.full_refresh;
    let variable = |names: [&str; 2]| env.first(&names).map(Path::new);
    let folder = arguments.global.project_dir.as_deref().or(variable(["KARAT_PROJECT_DIR", "DBT_PROJECT_DIR"]));
    let root = project::find_root(folder, working_folder)?;
    let target = arguments.global.target_path.clone();
    let target = target.or_else(|| variable(["KARAT_TARGET_PATH", "DBT_TARGET_PATH"]).map(Path::to_path_buf));
    let target = target.unwrap_or_else(|| project::target_path_of(&root).into());
    let folder =
        arguments.global.state.state.clone().or_else(|| variable(["KARAT_STATE", "DBT_STATE"]).map(Path::to_path_buf));
    let path = root.join(folder.unwrap_or(target)).join(record::run_results::FILE_NAME);
    let nothing = |message: String| {
        let hint = "`retry` does again what failed in a `build`, `run`, `test`, `seed`, `snapshot` or `run-operation`: run one of them";
        Box::new(Diagnostic::error("nothing-to-retry", message).with_hint(hint))
    };
    let text = fs::read_text(&path, limits::LAST_RESULTS_BYTES)
        .map_err(|error| nothing(format!("the results of the last command cannot be read: {error}")))?;
    let results: Json = serde_json::from_str(&text)
        .map_err(|_| nothing(format!("`{}` does not hold the results of a command", path.display())))?;
    let typed = results["args"]["invocation_arguments"].as_array().into_iter().flatten();
    let typed: Vec<String> = typed.filter_map(Json::as_str).map(str::to_owned).collect();
    let mut earlier = args::parse(std::iter::once(OsString::from("karat")).chain(typed.iter().map(OsString::from)))
        .ok()
        .filter(|earlier| !matches!(earlier.verb, VerbArguments::Retry(_)))
        .ok_or_else(|| nothing(format!("`{}` does not say which command it is of", path.display())))?;
    let metadata = &results["metadata"];
    let published = results["args"][record::run_results::PUBLISHED].is_string();
    let all = || results["results"].as_array().into_iter().flatten();
    // Of a command that calls one macro, that macro is what is done again.
    let is_operation = matches!(earlier.verb, VerbArguments::RunOperation(_));
    let failed = |result: &&Json| {
        if is_operation { result["status"] == "error" } else { did_not_end_well(result, published) }
    };
    let (failed, others): (Vec<&Json>, Vec<&Json>) = all().partition(failed);
    let ids = |results: Vec<&Json>| -> BTreeSet<String> {
        results.into_iter().filter_map(|result| result["unique_id"].as_str()).map(str::to_owned).collect()
    };
    let batches = all().filter_map(|result| part_of_batches(result, published)).collect();
    let until = instant(&metadata["invocation_started_at"]);
    if let (
        true,
        VerbArguments::Build(BuildArguments { rebuild, .. })
        | VerbArguments::Run(RunArguments { rebuild, .. })
        | VerbArguments::Seed(SeedArguments { rebuild, .. }),
    ) = (full_refresh, &mut earlier.verb)
    {
        rebuild.full_refresh = true;
    }
    if arguments.global.target.is_some() && arguments.global.target != earlier.global.target {
        let message = "`retry` goes on in the target of the last command: `--target` cannot change it";
        let hint = "run the command anew with `--target`";
        return Err(Box::new(Diagnostic::error("invalid-argument", message).with_hint(hint)));
    }
    earlier.global = over(arguments.global, std::mem::take(&mut earlier.global));
    let retried = Retried { ids: ids(failed), others: ids(others), arguments: typed, until, batches };
    Ok((earlier, Some(retried)))
}

/// Whether a node is done again. A command that was cut off has published nothing, so nothing of it is there.
fn did_not_end_well(result: &Json, published: bool) -> bool {
    let status = result["status"].as_str().unwrap_or_default();
    let is = |kinds: &[&str]| {
        let id = result["unique_id"].as_str().unwrap_or_default();
        id.split_once('.').is_some_and(|(kind, _)| kinds.contains(&kind))
    };
    let is_lost = !published && is(&["model", "seed", "snapshot"]);
    // Hooks run with every command anyway.
    !is(&["operation"]) && (RETRIED.contains(&status) || is_withheld(result) || is_lost)
}

fn is_withheld(result: &Json) -> bool {
    result["adapter_response"]["withheld"] == Json::Bool(true)
}

/// What became of the batches of a model, if some came about and some did not. Those that were made and never became
/// visible did not.
fn part_of_batches(result: &Json, published: bool) -> Option<(NodeId, Outcomes)> {
    let windows = |pairs: &Json| -> Option<Vec<Window>> {
        let pairs = pairs.as_array()?.iter();
        pairs.map(|pair| Some(Window { start: instant(&pair[0])?, end: instant(&pair[1])? })).collect()
    };
    let written = &result["batch_results"];
    let mut outcomes = Outcomes { successful: windows(&written["successful"])?, failed: windows(&written["failed"])? };
    if !published || is_withheld(result) {
        let lost = windows(&result["adapter_response"]["batches"]).unwrap_or_default();
        outcomes.successful.retain(|window| !lost.contains(window));
        outcomes.failed.extend(lost);
        outcomes.failed.sort();
    }
    let is_part = !outcomes.successful.is_empty() && !outcomes.failed.is_empty();
    is_part.then(|| (NodeId::new(result["unique_id"].as_str().unwrap_or_default()), outcomes))
}

fn instant(value: &Json) -> Option<DateTime<Utc>> {
    parse_instant(value.as_str()?)
}

/// Limits the verb to what is done again.
pub fn limit(options: &mut Options, retried: Retried) {
    if let Verb::Build(options)
    | Verb::Run(options)
    | Verb::Test(options)
    | Verb::Seed(options)
    | Verb::Snapshot(options)
    | Verb::Clone(options) = &mut options.verb
    {
        options.retried = Some(retried);
    } else if let Verb::RunOperation(options) = &mut options.verb {
        options.retried = Some(retried);
    }
}

/// Flags of the retry, and for what it does not say those of the earlier command.
fn over(own: GlobalArguments, earlier: GlobalArguments) -> GlobalArguments {
    let pair = |(yes, no): (bool, bool), earlier: (bool, bool)| if yes || no { (yes, no) } else { earlier };
    let (fail_fast, no_fail_fast) = pair((own.fail_fast, own.no_fail_fast), (earlier.fail_fast, earlier.no_fail_fast));
    let (warn_error, no_warn_error) =
        pair((own.warn_error, own.no_warn_error), (earlier.warn_error, earlier.no_warn_error));
    let (quiet, no_quiet) = pair((own.quiet, own.no_quiet), (earlier.quiet, earlier.no_quiet));
    let (debug, no_debug) = pair((own.debug, own.no_debug), (earlier.debug, earlier.no_debug));
    let (print, no_print) = pair((own.print, own.no_print), (earlier.print, earlier.no_print));
    let (write_json, no_write_json) =
        pair((own.write_json, own.no_write_json), (earlier.write_json, earlier.no_write_json));
    GlobalArguments {
        project_dir: own.project_dir.or(earlier.project_dir),
        profiles_dir: own.profiles_dir.or(earlier.profiles_dir),
        profile: own.profile.or(earlier.profile),
        target: earlier.target,
        target_path: own.target_path.or(earlier.target_path),
        log_path: own.log_path.or(earlier.log_path),
        vars: own.vars.or(earlier.vars),
        threads: own.threads.or(earlier.threads),
        memory: own.memory.or(earlier.memory),
        now: own.now.or(earlier.now),
        lock_timeout: own.lock_timeout.or(earlier.lock_timeout),
        fail_fast,
        no_fail_fast,
        warn_error,
        no_warn_error,
        warn_error_options: own.warn_error_options.or(earlier.warn_error_options),
        quiet,
        no_quiet,
        debug,
        no_debug,
        print,
        no_print,
        write_json,
        no_write_json,
        log_format: own.log_format.or(earlier.log_format),
        log_level: own.log_level.or(earlier.log_level),
        log_level_file: own.log_level_file.or(earlier.log_level_file),
        // Where the output goes is this command's business.
        color: own.color,
        use_colors: own.use_colors,
        no_use_colors: own.no_use_colors,
        no_color: own.no_color,
        state: own.state.over(earlier.state),
        ignored: own.ignored,
    }
}
