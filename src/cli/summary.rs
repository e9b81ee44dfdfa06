//! The end of a run: what failed and how to run it again, what readers see now, and the verdict. Pure text.

use std::fmt::Write as _;

use crate::base::diagnostic::Severity;
use crate::cli::events::{self, BAD, DOUBTFUL, counted, paint, seconds};
use crate::cli::options::GlobalOptions;
use crate::execute::result::{NodeResult, RunResult, Status};
use crate::manifest::node::{NodeId, ResourceType};

/// Most names that the command to run again lists; with more, running everything again is the better advice.
const MOST_NAMES: usize = 8;

/// How the run was called.
#[derive(Debug, Clone)]
pub struct Context {
    /// The verb, such as `build`.
    pub verb: &'static str,
    /// The global flags to repeat in the command that runs again.
    pub flags: Vec<String>,
}

impl Context {
    /// The context of a verb, with those flags that choose the project and the environment.
    pub fn new(verb: &'static str, global: &GlobalOptions) -> Self {
        let mut flags = Vec::new();
        let mut flag = |name: &str, value: String| flags.push(format!("{name} {}", quoted(&value)));
        if let Some(folder) = &global.project_dir {
            flag("--project-dir", folder.display().to_string());
        }
        if let Some(folder) = &global.profiles_dir {
            flag("--profiles-dir", folder.display().to_string());
        }
        if let Some(name) = &global.profile {
            flag("--profile", name.clone());
        }
        if let Some(name) = &global.target {
            flag("--target", name.clone());
        }
        if !global.vars.is_empty() {
            flag("--vars", serde_json::to_string(&global.vars).unwrap_or_default());
        }
        if let Some(folder) = &global.state.folder {
            flag("--state", folder.display().to_string());
        }
        if let Some(folder) = &global.state.defer_folder {
            flag("--defer-state", folder.display().to_string());
        }
        for (is_set, name) in [(global.state.defer, "--defer"), (global.state.favor, "--favor-state")] {
            flags.extend(is_set.then(|| name.to_owned()));
        }
        Self { verb, flags }
    }
}

/// How many nodes ended how, counted as dbt counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Built, or passed.
    pub pass: usize,
    /// Tests that only warn.
    pub warn: usize,
    /// Failed tests and nodes that could not be done.
    pub error: usize,
    /// Not started.
    pub skip: usize,
    /// All.
    pub total: usize,
}

impl Counts {
    /// Counts a run's results.
    pub fn of(run: &RunResult) -> Self {
        Self {
            pass: run.count(Status::Success) + run.count(Status::Pass),
            warn: run.count(Status::Warn),
            error: run.count(Status::Error) + run.count(Status::Fail) + run.count(Status::PartialSuccess),
            skip: run.count(Status::Skipped),
            total: run.results.len(),
        }
    }

    /// dbt's last line, which scripts look for.
    pub fn line(&self) -> String {
        let Self { pass, warn, error, skip, total } = self;
        format!("Done. PASS={pass} WARN={warn} ERROR={error} SKIP={skip} TOTAL={total}")
    }
}

/// What stands between the last node's line and the verdict; `pointer` says where the errors are explained.
pub fn text(run: &RunResult, context: &Context, pointer: Option<&str>, color: bool) -> String {
    let mut text = String::new();
    let counts = Counts::of(run);
    if let Some(failure) = &run.failure {
        text.push('\n');
        text.push_str(&failure.render(color));
        text.push('\n');
    }
    let failed: Vec<&NodeResult> = run.results.iter().filter(|result| result.status.is_failure()).collect();
    if !failed.is_empty() {
        let _ = writeln!(text, "\n{}", paint("What failed:", BAD, color));
        for result in &failed {
            let _ = writeln!(text, "  {}", failure_line(result));
        }
    }
    let warned: Vec<&NodeResult> = run.results.iter().filter(|result| result.status == Status::Warn).collect();
    if !warned.is_empty() {
        let _ = writeln!(text, "\n{}", paint("What warned:", DOUBTFUL, color));
        for result in &warned {
            let _ = writeln!(text, "  {}", failure_line(result));
        }
    }
    let held_back: Vec<String> =
        run.results.iter().filter(|result| result.withheld).map(|result| result.node.display_name()).collect();
    let mut lines = Vec::new();
    if run.interrupted {
        lines
            .push("Interrupted: what was not finished was not published; readers see what they saw before.".to_owned());
    }
    if !held_back.is_empty() {
        lines.push(format!("Not published: {}; readers see the last good version.", held_back.join(", ")));
    } else if run.publication.is_none() && run.failure.is_some() {
        lines.push("Not published: readers see what they saw before.".to_owned());
    }
    if !failed.is_empty() {
        lines.push(format!("To run again after a fix: {}", rerun(&failed, context)));
    }
    lines.extend(pointer.map(str::to_owned));
    if !lines.is_empty() {
        text.push('\n');
        text.push_str(&lines.join("\n"));
        text.push('\n');
    }
    let finished = format!("{} in {}: {}", context.verb, seconds(run.elapsed), kinds(run));
    let (word, style) =
        if counts.error > 0 || run.failure.is_some() { ("Finished", BAD) } else { ("Finished", events::GOOD) };
    text.push_str(&events::word_line(word, style, &finished, color));
    text.push('\n');
    text
}

/// `3 models, 1 seed, 12 tests`
fn kinds(run: &RunResult) -> String {
    let names = [
        (ResourceType::Seed, "seed"),
        (ResourceType::Model, "model"),
        (ResourceType::Snapshot, "snapshot"),
        (ResourceType::Function, "function"),
        (ResourceType::Test, "test"),
        (ResourceType::UnitTest, "unit test"),
        (ResourceType::Operation, "hook"),
    ];
    let counted: Vec<String> = names
        .into_iter()
        .map(|(kind, noun)| (run.count_of(kind), noun))
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| counted(count as u64, noun))
        .collect();
    if counted.is_empty() { "nothing to do".to_owned() } else { counted.join(", ") }
}

/// One line on a failed node: its name, its place, why.
fn failure_line(result: &NodeResult) -> String {
    let node = &result.node;
    let found = events::diagnostics_of(result);
    let worst = found.iter().find(|found| found.severity == Severity::Error).or(found.first());
    let place = worst
        .and_then(|found| found.labels.first())
        .map(|label| &label.location)
        .or(node.location.as_ref())
        .map_or_else(
            || node.path.clone(),
            |location| {
                let start = location.start();
                format!("{}:{}:{}", location.file.path, start.line, start.column)
            },
        );
    let first_line = |message: &String| message.lines().next().unwrap_or("").to_owned();
    let counted_rows = result.message.as_ref().filter(|_| result.failures.is_some()).map(first_line);
    let why = counted_rows
        .or_else(|| worst.map(|found| found.message.clone()))
        .or_else(|| result.message.as_ref().map(first_line))
        .unwrap_or_else(|| result.status.as_str().to_owned());
    let code = worst.map(|found| format!("[{}]", found.code)).unwrap_or_default();
    format!("{} ({place}){}: {why}", node.display_name(), if code.is_empty() { code } else { format!(" {code}") })
}

/// The command that does again what failed.
fn rerun(failed: &[&NodeResult], context: &Context) -> String {
    let mut names: Vec<String> = Vec::new();
    for result in failed {
        let node = &result.node;
        let name = match (node.resource_type, context.verb) {
            // A test of a build looks at what the build staged, so its model has to be built again.
            (ResourceType::Test | ResourceType::UnitTest, "build") => {
                let attached = node.test().and_then(|test| test.attached_node.as_ref());
                match attached.or(node.depends_on.first()) {
                    Some(parent) => format!("{}+", selector_of(parent)),
                    None => node.name.clone(),
                }
            }
            (ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot, "build" | "run") => {
                format!("{}+", node.search_name())
            }
            _ => node.search_name(),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut command = format!("karat {}", context.verb);
    for flag in &context.flags {
        command.push(' ');
        command.push_str(flag);
    }
    let only_nodes = failed.iter().all(|result| result.node.resource_type != ResourceType::Operation);
    if only_nodes && names.len() <= MOST_NAMES {
        command.push_str(" --select ");
        command.push_str(&names.join(" "));
    }
    command
}

/// The text that selects a node of which only the id is known.
fn selector_of(id: &NodeId) -> String {
    match id.as_str().strip_prefix("source.") {
        Some(source) => format!("source:{source}"),
        // Behind kind and package comes the name, perhaps with a version.
        None => id.as_str().splitn(3, '.').last().unwrap_or_default().to_owned(),
    }
}

/// A value that a shell reads as one word.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '+' | '=');
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}
