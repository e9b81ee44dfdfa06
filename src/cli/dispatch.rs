//! From arguments to a verb to an exit code.

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::watch;

use crate::base::clock::{Clock, unique_id};
use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::env::ProcessEnv;
use crate::base::limits;
use crate::base::secret::Scrubber;
use crate::cli::application::{Application, RunFlags};
use crate::cli::clean::CleanRequest;
use crate::cli::log::Panics;
use crate::cli::options::{DocsOptions, ListOptions, Options, OutputFormat, Verb};
use crate::cli::printer::{Appearance, Printer};
use crate::cli::retry::Retried;
use crate::cli::signals::Signals;
use crate::cli::{
    Outcome, args, build, clean, clone, compile, debug, deps, docs, docs_serve, events, freshness, invocation_args,
    list, operation, retry, run_without_project, show,
};
use crate::manifest::microbatch::BatchRequest;
use crate::manifest::node::ResourceType;
use crate::record;

/// Runs karat as this process: its arguments, environment and working folder, on a thread with a large stack.
pub fn process() -> ExitCode {
    let arguments = std::env::args_os().collect();
    let env = ProcessEnv::read();
    let working_folder = std::env::current_dir().unwrap_or_else(|_| ".".into());
    // Deeply nested SQL and YAML recurse; the main thread's stack is the system's choice.
    let work = std::thread::Builder::new()
        .stack_size(limits::PLANNER_STACK_BYTES)
        .spawn(move || main(arguments, env, working_folder));
    let outcome = work.ok().and_then(|thread| thread.join().ok());
    outcome.unwrap_or(Outcome::Internal).into()
}

/// Runs karat: arguments in, outcome out. Everything that is printed goes through one printer.
pub fn main(arguments: Vec<OsString>, env: ProcessEnv, working_folder: PathBuf) -> Outcome {
    let scrubber = Scrubber::new(&env);
    let id = unique_id();
    let early = || Printer::new(Appearance::early(&env), Clock::new(None), id.to_string(), scrubber.clone());
    let shown: Vec<String> = arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let command = scrubber.scrub(&command_line(&shown)).into_owned();
    let typed: Vec<String> = shown.iter().skip(1).map(|argument| scrubber.scrub(argument).into_owned()).collect();
    let parsed = match args::parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            early().clap(&error);
            return if error.use_stderr() { Outcome::Usage } else { Outcome::Success };
        }
    };
    let (parsed, retried) = match retry::resolve(parsed, &env, &working_folder) {
        Ok(resolved) => resolved,
        Err(problem) => {
            let printer = early();
            printer.diagnostic(&problem);
            printer.pointer();
            return Outcome::Usage;
        }
    };
    let project_flags = Options::project_flags(&parsed.global, &env, &working_folder);
    let mut options = match Options::new(parsed, &env, &project_flags) {
        Ok(options) => options,
        Err(problems) => {
            let printer = early();
            printer.diagnostics(&problems);
            printer.pointer();
            return Outcome::Usage;
        }
    };
    // A retry is recorded as the command that it does again, so that it can be retried in turn.
    let arguments = retried.as_ref().map_or(typed, |retried| retried.arguments().to_vec());
    if let Some(retried) = retried {
        retry::limit(&mut options, retried);
    }
    let clock = Clock::new(options.global.now);
    let appearance = Appearance::new(&options.global);
    let printer = Arc::new(Printer::new(appearance, clock.clone(), id.to_string(), scrubber));
    if let Some(outcome) = run_without_project(&options.verb, &working_folder, &printer) {
        return outcome;
    }
    let panics = Panics::catch();
    let verb = options.verb.name();
    let flags = flags(&options.verb);
    let batches = batches(&options.verb);
    let args = invocation_args::of(&options, &working_folder, &command, &arguments);
    let app = Application {
        options: options.global,
        env,
        clock,
        id,
        verb,
        flags,
        batches,
        command,
        args,
        working_folder,
        printer,
    };
    app.printer.structured(&events::dbt::main_report());
    // A panic that no node contained must still be told, not shown as a backtrace.
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&app, &options.verb)));
    let outcome = ran.unwrap_or_else(|_| {
        app.printer.diagnostic(&panics.diagnostic());
        Outcome::Internal
    });
    app.printer.pointer();
    let (success, time) = (outcome == Outcome::Success, app.clock.timestamp());
    app.printer.structured(&events::dbt::command_completed(&app.command, success, time, app.clock.elapsed()));
    outcome
}

/// The flags of a verb that change what nodes do.
fn flags(verb: &Verb) -> RunFlags {
    match verb {
        Verb::Build(options)
        | Verb::Run(options)
        | Verb::Test(options)
        | Verb::Seed(options)
        | Verb::Snapshot(options)
        | Verb::Clone(options) => RunFlags {
            full_refresh: options.full_refresh.unwrap_or(false),
            empty: options.empty,
            sample: options.sample,
            store_failures: options.store_failures.unwrap_or(false),
        },
        Verb::Show(options) => RunFlags { full_refresh: options.full_refresh.unwrap_or(false), ..RunFlags::default() },
        Verb::Compile(options) => RunFlags {
            full_refresh: options.full_refresh.unwrap_or(false),
            empty: options.empty,
            ..RunFlags::default()
        },
        _ => RunFlags::default(),
    }
}

/// Which batches a verb makes.
fn batches(verb: &Verb) -> BatchRequest {
    match verb {
        Verb::Build(options) | Verb::Run(options) => {
            let retried = options.retried.as_ref().map(Retried::batches).unwrap_or_default();
            BatchRequest { window: options.batches, ..retried }
        }
        _ => BatchRequest::default(),
    }
}

/// The command line as the environment's log shows it.
fn command_line(arguments: &[String]) -> String {
    let program = std::iter::once("karat".to_owned());
    program.chain(arguments.iter().skip(1).cloned()).collect::<Vec<_>>().join(" ")
}

fn run(app: &Application, verb: &Verb) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // The planner recurses once per operator of an expression.
        .thread_stack_size(limits::PLANNER_STACK_BYTES)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return app.world(&format!("cannot start threads: {error}")),
    };
    let signals = Signals::listen(Arc::clone(&app.printer));
    // The work runs on this thread, which has the stack for it, and on those of the runtime.
    let outcome = runtime.block_on(async { verb_outcome(app, verb, signals.stop.clone()).await });
    // A query that was aborted may take a while to notice; nobody waits for what it would have given.
    runtime.shutdown_background();
    signals.outcome(outcome)
}

async fn verb_outcome(app: &Application, verb: &Verb, stop: watch::Receiver<bool>) -> Outcome {
    let outcome = match verb {
        Verb::Build(options)
        | Verb::Run(options)
        | Verb::Test(options)
        | Verb::Seed(options)
        | Verb::Snapshot(options) => build::execute(app, options, stop).await,
        Verb::Clone(options) => clone::execute(app, options, stop).await,
        Verb::Show(options) => until(stop, show::execute(app, options)).await,
        Verb::Compile(options) => until(stop, compile::execute(app, options)).await,
        Verb::RunOperation(options) => until(stop, Box::pin(operation::execute(app, options))).await,
        Verb::SourceFreshness(options) => until(stop, freshness::execute(app, options)).await,
        Verb::Debug(options) => until(stop, debug::execute(app, options)).await,
        Verb::Docs(DocsOptions::Generate(options)) => until(stop, Box::pin(docs::generate(app, options))).await,
        Verb::Docs(DocsOptions::Lineage(options)) => docs::lineage(app, options),
        Verb::Docs(DocsOptions::Serve(options)) => docs_serve::serve(app, options, stop).await,
        Verb::Parse { output } => parse(app, *output),
        Verb::List(options) => list_nodes(app, options),
        Verb::Deps(options) => until(stop, deps::execute(app, options)).await,
        Verb::Clean { outside_too } => clean_project(app, *outside_too),
        Verb::Init(_) | Verb::Explain(_) | Verb::Completions(_) | Verb::Man => Ok(Outcome::Success),
    };
    outcome.unwrap_or_else(|outcome| outcome)
}

/// Runs a verb that changes nothing until it ends or the user stops it.
async fn until(
    mut stop: watch::Receiver<bool>,
    work: impl Future<Output = Result<Outcome, Outcome>>,
) -> Result<Outcome, Outcome> {
    tokio::select! {
        outcome = work => outcome,
        Ok(_) = stop.wait_for(|stop| *stop) => Err(Outcome::Interrupted),
    }
}

fn parse(app: &Application, output: OutputFormat) -> Result<Outcome, Outcome> {
    let project = app.project()?;
    let manifest = &project.manifest;
    // As under dbt, what is wrong with one node alone is no error before somebody runs it.
    let faults = manifest.nodes.values().flat_map(|node| node.faults());
    let faults = faults.map(|fault| Diagnostic { severity: Severity::Note, ..fault.clone() });
    app.report(&Diagnostics(faults.collect()))?;
    let artifact = app.write_manifest(&project, &record::manifest::CompiledSql::new())?;
    if output == OutputFormat::Json {
        app.printer.result(&artifact.to_string());
    } else {
        let counts: Vec<String> = [
            (ResourceType::Model, "models"),
            (ResourceType::Seed, "seeds"),
            (ResourceType::Snapshot, "snapshots"),
            (ResourceType::Source, "sources"),
            (ResourceType::Test, "tests"),
            (ResourceType::UnitTest, "unit tests"),
            (ResourceType::Exposure, "exposures"),
            (ResourceType::SemanticModel, "semantic models"),
            (ResourceType::Metric, "metrics"),
            (ResourceType::SavedQuery, "saved queries"),
            (ResourceType::Function, "functions"),
        ]
        .into_iter()
        .map(|(kind, name)| (manifest.of_type(kind).count(), name))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
        app.printer.status("Parsed", &counts.join(", "));
    }
    Ok(Outcome::Success)
}

fn list_nodes(app: &Application, options: &ListOptions) -> Result<Outcome, Outcome> {
    use ResourceType::{
        Analysis, Exposure, Function, Metric, Model, SavedQuery, Seed, SemanticModel, Snapshot, Source, Test, UnitTest,
    };
    let project = app.project()?;
    // As under dbt, analyses are listed only if they are asked for.
    let mut kinds =
        vec![Model, Seed, Snapshot, Source, Test, UnitTest, Exposure, Function, SemanticModel, Metric, SavedQuery];
    if options.all_kinds || options.selection.resource_types.contains(&Analysis) {
        kinds.push(Analysis);
    }
    let selection = app.select(&project, &options.selection, &kinds)?;
    let mut lines: Vec<String> =
        selection.iter().filter_map(|id| project.manifest.get(id)).map(|node| list::line(node, options)).collect();
    lines.sort();
    if !lines.is_empty() {
        app.printer.result(&lines.join("\n"));
    }
    Ok(Outcome::Success)
}

fn clean_project(app: &Application, outside_too: bool) -> Result<Outcome, Outcome> {
    let (loaded, target) = app.open()?;
    let Some(package) = loaded.root() else { return Err(Outcome::Usage) };
    let paths = &package.config.paths;
    let folders = [&paths.models, &paths.seeds, &paths.snapshots, &paths.tests, &paths.macros, &paths.analyses];
    let mut protected: Vec<PathBuf> = folders.into_iter().flatten().map(PathBuf::from).collect();
    if !target.is_remote() {
        protected.push(PathBuf::from(&target.warehouse));
    }
    let targets: Vec<String> = package.config.clean_targets.iter().map(|target| target.value.clone()).collect();
    let request = CleanRequest {
        project: loaded.root_path(),
        clean_targets: &targets,
        target_path: &app.target_path_of(&loaded),
        protected: &protected,
        outside_too,
    };
    Ok(clean::run(&request, &app.printer))
}
