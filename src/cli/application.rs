//! What the verbs that need a project share: load, check, open the warehouse. One line per stage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use object_store::ObjectStore;
use serde_json::{Value as Json, json};
use url::Url;
use uuid::Uuid;

use crate::base::clock::Clock;
use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::env::ProcessEnv;
use crate::base::fs::FsError;
use crate::base::ident::Identifier;
use crate::base::limits;
use crate::base::secret::Scrubber;
use crate::base::strictness::Treatment;
use crate::cli::options::{GlobalOptions, SelectionOptions};
use crate::cli::printer::Printer;
use crate::cli::show::{introspect, render_problem};
use crate::cli::{Outcome, invocation_args, log, seed_rows};
use crate::compile::context::Shapes;
use crate::compile::host::{DeferredRelation, Invocation};
use crate::compile::query_comment::commented;
use crate::engine::memory::MemoryBudget;
use crate::engine::neighbors::DeferredNames;
use crate::engine::session::{Engine, EngineOptions};
use crate::engine::view::{Surroundings, WarehouseView};
use crate::execute::result::{EventSink as _, RunEvent};
use crate::execute::run::ResultValue;
use crate::files::packages;
use crate::files::profiles::TargetChoice;
use crate::files::project::{ProjectConfig, find_root};
use crate::files::query_comment::Comment;
use crate::files::{LoadedProject, Target};
use crate::graph::Dag;
use crate::manifest::manifest::Manifest;
use crate::manifest::microbatch::BatchRequest;
use crate::manifest::node::{NodeId, ResourceType};
use crate::manifest::relation::Relation;
use crate::manifest::sample::Sample;
use crate::parse::{self, ParsedProject};
use crate::plan::functions::functions;
use crate::record;
use crate::record::manifest::CompiledSql;
use crate::select::{self, SelectArgs, Selection};
use crate::state::{self, Previous};
use crate::store::{Catalog, Failpoint, RunInfo, StoreError, Warehouse, WarehouseOptions};
use crate::template::host::MessageLevel;

/// The verbs that tell notes on the project, beside errors and warnings.
const RUNNING: [&str; 8] = ["build", "run", "test", "seed", "snapshot", "clone", "parse", "debug"];

/// One invocation of karat.
pub struct Application {
    /// What every verb takes.
    pub options: GlobalOptions,
    /// The process environment.
    pub env: ProcessEnv,
    /// The run's clock.
    pub clock: Clock,
    /// Random id of the invocation.
    pub id: Uuid,
    /// The verb.
    pub verb: &'static str,
    /// Flags that change what nodes do.
    pub flags: RunFlags,
    /// Which batches of microbatch models are made.
    pub batches: BatchRequest,
    /// The command line, without secrets.
    pub command: String,
    /// Its flags by dbt's names, without secrets; of a retry its arguments are those of the command that is done again.
    pub args: IndexMap<String, Json>,
    /// Folder that the command was given in.
    pub working_folder: PathBuf,
    /// Prints.
    pub printer: Arc<Printer>,
}

/// A project that was read and parsed without an error.
pub struct Project {
    /// Its files.
    pub loaded: LoadedProject,
    /// Its target.
    pub target: Target,
    /// What it means.
    pub parsed: ParsedProject,
    /// Its nodes.
    pub manifest: Arc<Manifest>,
    /// Its graph.
    pub dag: Dag,
    /// The state of `--state`, when it was read.
    pub previous: OnceLock<Arc<Previous>>,
}

/// A project's files and target with remarks on them, or what is wrong with them.
pub type Opened = Result<((LoadedProject, Target), Diagnostics), Diagnostics>;

impl Application {
    /// Prints diagnostics; an error among them ends the command, and so does a warning that is one for this invocation.
    pub fn report(&self, diagnostics: &Diagnostics) -> Result<(), Outcome> {
        let mut is_bad = false;
        for found in &diagnostics.0 {
            let treatment = match found.severity {
                Severity::Error => Treatment::Error,
                Severity::Warning => self.options.strictness.of(found.code),
                Severity::Note => Treatment::Warning,
            };
            is_bad |= treatment == Treatment::Error;
            if treatment != Treatment::Silent {
                self.printer.diagnostic(found);
            }
        }
        if is_bad { Err(Outcome::Usage) } else { Ok(()) }
    }

    /// Prints a failure of the world.
    pub fn world(&self, error: &impl std::fmt::Display) -> Outcome {
        self.printer.diagnostic(&Diagnostic::error("storage-failed", error.to_string()));
        Outcome::World
    }

    /// Prints a failure of the disk below the target folder.
    pub fn file(&self, error: FsError) -> Outcome {
        self.store(&StoreError::from(error))
    }

    /// Prints a failure of the store.
    pub fn store(&self, error: &StoreError) -> Outcome {
        self.printer.diagnostic(&store_diagnostic(error));
        Outcome::World
    }

    /// Reads the project and resolves its target, but parses no template.
    pub fn open(&self) -> Result<(LoadedProject, Target), Outcome> {
        match self.opened()? {
            Ok((opened, problems)) => {
                self.report(&problems)?;
                Ok(opened)
            }
            Err(problems) => {
                self.printer.diagnostics(&problems);
                Err(Outcome::Usage)
            }
        }
    }

    /// The same with what is to be said of it, or with what is wrong; that a folder has no project is told.
    pub fn opened(&self) -> Result<Opened, Outcome> {
        let root = find_root(self.options.project_dir.as_deref(), &self.working_folder)
            .map_err(|problem| self.report(&Diagnostics::from(*problem)).err().unwrap_or(Outcome::Usage))?;
        let choice = TargetChoice {
            profiles_dir: self.options.profiles_dir.as_deref(),
            profile: self.options.profile.as_deref(),
            target: self.options.target.as_deref(),
        };
        let (opened, problems) = parse::open(&root, choice, &self.parse_invocation());
        let Some((loaded, target)) = opened else { return Ok(Err(problems)) };
        if let Some(package) = loaded.root() {
            self.start_log(&root, &package.config);
        }
        Ok(Ok(((loaded, target), self.worth_saying(problems))))
    }

    /// Reads and parses the project.
    pub fn project(&self) -> Result<Project, Outcome> {
        let (loaded, target) = self.open()?;
        let invocation = self.parse_invocation();
        let renderer = parse::package_renderer(&invocation);
        let missing = packages::not_installed(&loaded, &|text, place| renderer.value(text, place));
        self.report(&missing.map(Diagnostics::from).unwrap_or_default())?;
        let (parsed, mut problems) = parse::parse(&loaded, &target, &invocation);
        let (dag, found) = Dag::new(&parsed.manifest);
        problems.extend(found);
        problems.extend(select::wrong_selectors(&parsed.manifest));
        self.report(&self.worth_saying(problems))?;
        let manifest = Arc::new(parsed.manifest.clone());
        Ok(Project { loaded, target, parsed, manifest, dag, previous: OnceLock::new() })
    }

    /// What is only worth a note is said where something is built, not before every list.
    fn worth_saying(&self, mut problems: Diagnostics) -> Diagnostics {
        if !RUNNING.contains(&self.verb) {
            problems.0.retain(|problem| problem.severity != Severity::Note);
        }
        problems
    }

    /// What parsing must know of this invocation.
    pub fn parse_invocation(&self) -> parse::Invocation {
        // Under dbt `flags` has all of them in capitals.
        let mut flags: IndexMap<String, Json> =
            self.args.iter().map(|(name, value)| (name.to_ascii_uppercase(), value.clone())).collect();
        for (name, value) in [
            ("FULL_REFRESH", self.flags.full_refresh),
            ("STORE_FAILURES", self.flags.store_failures),
            ("EMPTY", self.flags.empty),
            ("WARN_ERROR", self.options.warn_error.unwrap_or(false)),
        ] {
            flags.insert(name.to_owned(), json!(value));
        }
        parse::Invocation {
            env: self.env.clone(),
            clock: self.clock.clone(),
            id: self.id,
            vars: self.options.vars.clone(),
            flags,
            arguments: invocation_args::told(&self.args),
        }
    }

    /// Begins `karat.log`, below the target folder unless the command line or the project says otherwise. A log that
    /// cannot be written is no reason to refuse the work.
    fn start_log(&self, root: &Path, config: &ProjectConfig) {
        let target = self.options.target_path.as_deref().unwrap_or(Path::new(&config.target_path));
        let folder = match (&self.options.log_path, &config.log_path) {
            (Some(folder), _) => self.working_folder.join(folder),
            (None, Some(folder)) => root.join(folder),
            (None, None) => root.join(target).join("logs"),
        };
        if let Err(error) = log::start(&folder, self.options.file_log_level, Scrubber::new(&self.env)) {
            self.printer.diagnostic(&Diagnostic::warning("no-log", error.to_string()));
        }
    }

    /// The nodes that the command line chooses among the verb's kinds.
    pub fn select(
        &self,
        project: &Project,
        options: &SelectionOptions,
        kinds: &[ResourceType],
    ) -> Result<Selection, Outcome> {
        let args = SelectArgs {
            select: options.select.clone(),
            exclude: options.exclude.clone(),
            selector: options.selector.clone(),
            indirect: options.indirect_selection.unwrap_or_default(),
            models: Vec::new(),
            resource_types: options.resource_types.clone(),
            exclude_resource_types: options.exclude_resource_types.clone(),
            with_empty: self.verb == "list",
            state: self.comparison(project, options)?,
        };
        let (selection, problems) = select::select(&project.manifest, &project.dag, &args, kinds);
        self.report(&problems)?;
        Ok(selection)
    }

    /// Facts of the invocation for templates.
    pub fn invocation(
        &self,
        project: &Project,
        selected: Vec<NodeId>,
        deferred: BTreeMap<NodeId, DeferredRelation>,
    ) -> Arc<Invocation> {
        let printer = Arc::clone(&self.printer);
        let messages = move |level: MessageLevel, text: &str| match level {
            MessageLevel::Print => printer.event(&RunEvent::Print(text)),
            MessageLevel::Info => printer.event(&RunEvent::Message(text)),
            MessageLevel::Debug => printer.debug(text),
            MessageLevel::Warning => {
                printer.event(&RunEvent::Diagnostic(&Diagnostic::warning("template-warning", text)));
            }
        };
        // A retry makes what the command before it would have made: its spans of time end where that one's did.
        let sample =
            self.flags.sample.map(|sample| sample.window(self.batches.until.unwrap_or_else(|| self.clock.now())));
        // As under dbt, a sample stands over the time that is asked for.
        let batches = BatchRequest { window: sample.or(self.batches.window), ..self.batches.clone() };
        Arc::new(Invocation {
            manifest: Arc::clone(&project.manifest),
            project: Arc::clone(&project.loaded.dir),
            templates: Arc::clone(&project.parsed.templates),
            vars: project.parsed.vars.clone(),
            env: self.env.clone(),
            target: project.target.clone(),
            clock: self.clock.clone(),
            full_refresh: self.flags.full_refresh,
            empty: self.flags.empty,
            batches,
            sample,
            store_failures: self.flags.store_failures,
            warn_error: self.options.strictness.of("test-warned") == Treatment::Error,
            query_comment: project
                .loaded
                .root()
                .map(|package| package.config.query_comment.clone())
                .unwrap_or_default(),
            selected,
            deferred,
            globals: project.parsed.globals.clone(),
            messages: Arc::new(messages),
            shapes: self.shapes(project),
            graph: OnceLock::new(),
        })
    }

    /// How templates see nodes: as the manifest has them.
    fn shapes(&self, project: &Project) -> Shapes {
        let started_at = self.clock.now();
        let (of_model, of_graph) = (Arc::clone(&project.manifest), Arc::clone(&project.manifest));
        Shapes {
            model: Arc::new(move |node| record::manifest::templates::model(&of_model, node, started_at)),
            graph: Arc::new(move || record::manifest::templates::graph(&of_graph, started_at)),
        }
    }

    /// How hooks of the end see results.
    pub fn result_value(&self, project: &Project) -> ResultValue {
        let (manifest, started_at) = (Arc::clone(&project.manifest), self.clock.now());
        let target = project.loaded.root().map_or("target", |package| package.config.target_path.as_str()).to_owned();
        Arc::new(move |result| record::run_results::template_value(result, &manifest, Path::new(&target), started_at))
    }

    /// Nodes at once: the flag, the target, or as many as there are cores.
    pub fn threads(&self, project: &Project) -> usize {
        let cores = || std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
        self.options.threads.or(project.target.threads).unwrap_or_else(cores).max(1)
    }

    /// The warehouse of the target.
    pub fn warehouse(&self, project: &Project) -> Result<Arc<Warehouse>, Outcome> {
        self.warehouse_of(&project.target)
    }

    /// The warehouse of a target.
    pub fn warehouse_of(&self, target: &Target) -> Result<Arc<Warehouse>, Outcome> {
        let failpoint = match self.env.get("KARAT_FAILPOINT").map(Failpoint::parse) {
            None => None,
            Some(Ok(failpoint)) => Some(failpoint),
            Some(Err(problem)) => {
                return Err(self
                    .report(&Diagnostic::error("bad-value", problem).into())
                    .err()
                    .unwrap_or(Outcome::Usage));
            }
        };
        let storage: BTreeMap<String, String> =
            target.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let options = WarehouseOptions { storage, failpoint, ..WarehouseOptions::default() };
        Warehouse::open(&target.warehouse, options).map(Arc::new).map_err(|error| self.store(&error))
    }

    /// The environment that the target selects.
    pub fn environment(&self, project: &Project) -> Result<Identifier, Outcome> {
        self.environment_of(&project.target)
    }

    /// The environment of a target.
    pub fn environment_of(&self, target: &Target) -> Result<Identifier, Outcome> {
        Identifier::new(target.name.as_str()).map_err(|error| {
            let problem = Diagnostic::error("bad-name", format!("the target's name cannot be an environment: {error}"));
            self.report(&problem.into()).err().unwrap_or(Outcome::Usage)
        })
    }

    /// Everything that queries need: engine, warehouse, what is published, and the files of sources.
    pub fn surroundings(
        &self,
        project: &Project,
        warehouse: Arc<Warehouse>,
        catalog: Catalog,
        deferred: DeferredNames,
        invocation: &Arc<Invocation>,
    ) -> Result<Surroundings, Outcome> {
        let folder = self.target_path(project).join("spill");
        crate::base::fs::create_dir_all(&folder).map_err(|error| self.file(error))?;
        let memory = self.options.memory.or(project.target.memory_limit.and_then(|bytes| usize::try_from(bytes).ok()));
        let engine = Engine::new(EngineOptions {
            memory: memory.map_or_else(MemoryBudget::of_the_machine, MemoryBudget::new),
            partitions: std::thread::available_parallelism().map_or(4, std::num::NonZero::get),
            now: self.clock.now(),
            dialect: project.target.settings.get("dialect").cloned().unwrap_or_else(|| "generic".to_owned()),
            fractional_division: project.target.divides_into_fractions(),
            caret_is_power: project.target.caret_is_power(),
            null_order: project.target.null_order(),
            temporary_folder: folder,
            database: project.target.database.to_string(),
            other_databases: other_databases(project),
            default_schema: project.target.schema.to_string(),
        })
        .map_err(|error| self.world(&error))?;
        engine.register_store(&warehouse.object_store_url(), warehouse.object_store());
        let sources = project
            .manifest
            .of_type(ResourceType::Source)
            .filter_map(|node| {
                let external = node.source()?.external.clone()?;
                Some((node.relation.as_ref().map(Relation::key)?, external))
            })
            .collect();
        let settings: Vec<(String, String)> =
            project.target.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let open = move |url: &Url| -> Result<Arc<dyn ObjectStore>, Box<dyn std::error::Error + Send + Sync>> {
            let (store, _) = object_store::parse_url_opts(url, settings.iter().cloned())?;
            Ok(Arc::from(store))
        };
        let mut surroundings = Surroundings {
            neighbors: self.neighbors(project, &warehouse, Some(engine.clone())),
            deferred: Arc::new(deferred),
            engine,
            warehouse,
            catalog: Arc::new(catalog),
            sources: Arc::new(sources),
            project_root: project.loaded.root_path().to_path_buf(),
            stores: Arc::new(open),
            functions: Arc::default(),
        };
        if project.manifest.of_type(ResourceType::Function).next().is_some() {
            let view = introspect(&WarehouseView::new(surroundings.clone()));
            surroundings.functions = Arc::new(functions(invocation, &view, &surroundings.engine));
        }
        if let Comment::Template(_) = &invocation.query_comment.comment {
            // One that fails is an error before anything runs, as under dbt.
            let view = introspect(&WarehouseView::new(surroundings.clone()));
            commented(invocation, &view, "master", None, "").map_err(|error| render_problem(self, error))?;
        }
        Ok(surroundings)
    }

    /// The folder for artifacts.
    pub fn target_path(&self, project: &Project) -> PathBuf {
        self.target_path_of(&project.loaded)
    }

    /// The same of a project that is not parsed.
    pub fn target_path_of(&self, loaded: &LoadedProject) -> PathBuf {
        let root = loaded.root_path();
        let configured = loaded.root().map_or("target", |package| package.config.target_path.as_str());
        root.join(self.options.target_path.as_deref().unwrap_or(Path::new(configured)))
    }

    /// What artifacts say about the invocation.
    pub fn record(&self) -> record::Invocation {
        record::Invocation {
            id: self.id.to_string(),
            started_at: self.clock.now(),
            generated_at: self.clock.timestamp(),
            env: self.env.custom(),
        }
    }

    /// What the environment's log says about the run.
    pub fn run_info(&self) -> RunInfo {
        RunInfo {
            invocation_id: self.id.to_string(),
            now: self.clock.now(),
            karat_version: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.command.clone(),
        }
    }

    /// Writes the manifest with the SQL that was compiled, unless artifacts are off; gives it back.
    pub fn write_manifest(&self, project: &Project, compiled: &CompiledSql) -> Result<Json, Outcome> {
        // The artifact names the folder as the project does, so that it is the same on every machine.
        let shown = project.loaded.root().map_or("target", |package| package.config.target_path.as_str());
        let mut artifact = record::manifest::artifact(&project.manifest, compiled, Path::new(shown), &self.record());
        // Who defers to this manifest must know whose relations it names.
        artifact["macros"][state::OWNER]["meta"] = json!({state::ENVIRONMENT: project.target.name});
        seed_rows::put(&mut artifact, project);
        self.write_artifact(project, record::manifest::FILE_NAME, &artifact)?;
        self.write_artifact(project, record::semantic::FILE_NAME, &record::semantic::artifact(&project.manifest))?;
        Ok(artifact)
    }

    /// Writes an artifact unless artifacts are off.
    pub fn write_artifact(&self, project: &Project, name: &str, artifact: &Json) -> Result<(), Outcome> {
        if !self.options.write_artifacts {
            return Ok(());
        }
        record::write(&self.target_path(project), name, artifact).map_err(|error| self.file(error))
    }

    /// The newest result of each node by id, of a file that [`record::last_results`] names; none if there is no such
    /// file.
    pub fn last_results(&self, project: &Project, name: &str) -> serde_json::Map<String, Json> {
        let path = self.target_path(project).join(name);
        let problem = match crate::base::fs::read_text(&path, limits::LAST_RESULTS_BYTES) {
            Ok(text) => match record::last_results::parse(&text) {
                Some(results) => return results,
                None => format!("`{}` is not a file of results", path.display()),
            },
            Err(error) if error.is_not_found() => return serde_json::Map::new(),
            Err(error) => error.to_string(),
        };
        let message = format!("{problem}: earlier results are not known");
        self.printer.diagnostic(&Diagnostic::warning("damaged-results", message));
        serde_json::Map::new()
    }
}

/// Flags that change what nodes do.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFlags {
    /// Rebuild from nothing.
    pub full_refresh: bool,
    /// Read no rows.
    pub empty: bool,
    /// Read a window of time.
    pub sample: Option<Sample>,
    /// Store failing rows.
    pub store_failures: bool,
}

/// The databases beside the target's own that something of the project lies in.
fn other_databases(project: &Project) -> Vec<String> {
    let databases = project.manifest.nodes.values().filter_map(|node| node.relation.as_ref()?.database.key());
    databases.collect::<BTreeSet<_>>().into_iter().collect()
}

/// A failure of the store, as the user sees it.
pub fn store_diagnostic(error: &StoreError) -> Diagnostic {
    let diagnostic = Diagnostic::error(error.code(), error.to_string());
    match error.hint() {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}
