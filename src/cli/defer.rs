//! `--defer`: what is not built here is read where the state has it.
//!
//! The state's manifest names relations; the environment that published them is named there too if karat wrote it.
//! A target of the profile with that name says in which warehouse the environment lies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::ident::Identifier;
use crate::cli::Outcome;
use crate::cli::application::{Application, Project};
use crate::compile::host::DeferredRelation;
use crate::engine::neighbors::{Deferred, DeferredNames, Neighbor, Neighbors};
use crate::engine::session::Engine;
use crate::files::profiles::{TargetChoice, load_target, target_names};
use crate::files::project::ProjectConfig;
use crate::manifest::node::{Node, NodeId, ResourceType};
use crate::manifest::relation::{Database, Relation, RelationKey};
use crate::parse;
use crate::state::{self, Previous};
use crate::store::{Catalog, PublishedRelation, StoreError, Warehouse, WarehouseOptions};
use crate::template::host::RelationKind;

/// What a command reads in another environment.
#[derive(Debug, Default)]
pub struct Deferral {
    /// By node.
    pub nodes: BTreeMap<NodeId, DeferredRelation>,
    /// By name.
    pub names: DeferredNames,
    /// What should be read there, and is not published.
    pub missing: Diagnostics,
}

/// What a command does with its nodes, as far as deferring goes.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The selected nodes.
    pub selected: &'a [NodeId],
    /// Whether those that can be built are.
    pub builds: bool,
}

/// The relations of a state in the environment that published them.
pub struct StateRelations {
    neighbors: Arc<dyn Neighbors>,
    /// The environment that the manifest names.
    environment: Option<String>,
    /// Where to look: for a manifest that names no environment, in all of the warehouse and of the profile.
    environments: Vec<String>,
    found: BTreeMap<String, Arc<Catalog>>,
}

/// A relation of a state.
pub struct StateRelation {
    /// The environment that published it.
    pub environment: String,
    /// The relation.
    pub published: PublishedRelation,
}

impl StateRelations {
    /// Of a state, seen from an environment.
    pub async fn new(manifest: &state::Manifest, neighbors: Arc<dyn Neighbors>) -> Result<Self, StoreError> {
        let environment = manifest.environment().map(str::to_owned);
        let environments = match &environment {
            Some(named) => vec![named.clone()],
            None => neighbors.names().await?,
        };
        Ok(Self { neighbors, environment, environments, found: BTreeMap::new() })
    }

    /// The environment that the manifest names.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// A relation by name. Of several environments that have it, the one in which the same node made it.
    pub async fn get(&mut self, name: &Relation, id: &NodeId) -> Result<Option<StateRelation>, StoreError> {
        let mut found: Option<StateRelation> = None;
        for environment in self.environments.clone() {
            let catalog = match self.found.get(&environment) {
                Some(known) => Arc::clone(known),
                None => {
                    let catalog = self.neighbors.find(&environment).await?.catalog;
                    Arc::clone(self.found.entry(environment.clone()).or_insert(catalog))
                }
            };
            let Some(published) = published(&catalog, name, id) else { continue };
            if found.is_none() || published.common().node_id == *id {
                found = Some(StateRelation { environment, published: published.clone() });
            }
        }
        Ok(found)
    }
}

/// What an environment has published by a name. What is the target's own database there may have another name here,
/// or have had another one when the state was written.
fn published<'c>(catalog: &'c Catalog, name: &Relation, id: &NodeId) -> Option<&'c PublishedRelation> {
    catalog.get(&name.key()).or_else(|| {
        let at_home = catalog.get(&RelationKey { database: None, ..name.key() })?;
        let database = at_home.relation().database.as_str();
        let is_it = database.eq_ignore_ascii_case(name.database.as_str()) || at_home.common().node_id == *id;
        is_it.then_some(at_home)
    })
}

/// The name that a node's relation has in a state.
pub fn name_in_state(node: &state::Node, home: &Identifier) -> Option<Relation> {
    let name = |text: &Option<String>| Identifier::new(text.clone()?).ok();
    let database =
        name(&node.database).map_or_else(|| Database::home(home.clone()), |name| Database::named(name, home));
    Some(Relation { database, schema: name(&node.schema)?, identifier: name(&node.alias)? })
}

impl Application {
    /// The state that is deferred to: `--defer-state`, else `--state`.
    pub fn deferred_state(&self, project: &Project, why: &str) -> Result<Arc<Previous>, Outcome> {
        let previous = match &self.options.state.defer_folder {
            Some(folder) => Some(self.read_state(project, folder)?),
            None => self.previous(project)?,
        };
        let Some(previous) = previous else {
            let problem = Diagnostic::error("no-state", format!("{why}, but there is no `--state`"))
                .known_as("--state or --defer-state are required for deferral, but neither was provided");
            return Err(self.refused(problem.with_hint("give the folder of an earlier `manifest.json`: `--state DIR`")));
        };
        if previous.manifest.is_none() {
            return Err(self.refused(previous.missing("manifest.json", why)));
        }
        Ok(previous)
    }

    /// What a command reads in another environment: with `--defer` what the state has and this environment has not,
    /// with `--favor-state` all that the command does not select.
    pub async fn deferral(
        &self,
        project: &Project,
        warehouse: &Arc<Warehouse>,
        catalog: &Catalog,
        work: Work<'_>,
    ) -> Result<Deferral, Outcome> {
        let mut deferral = Deferral::default();
        if !self.options.state.defer {
            return Ok(deferral);
        }
        let previous = self.deferred_state(project, "`--defer` reads what a state has")?;
        let Some(manifest) = &previous.manifest else { return Ok(deferral) };
        let neighbors = self.neighbors(project, warehouse, None);
        let mut relations = StateRelations::new(manifest, neighbors).await.map_err(|error| self.store(&error))?;
        let selected: BTreeSet<&NodeId> = work.selected.iter().collect();
        let readers = readers(project, work.selected);
        for node in project.manifest.nodes.values() {
            let (true, Some(own)) = (node.resource_type.is_built() && !node.is_ephemeral(), &node.relation) else {
                continue;
            };
            let is_selected = selected.contains(&node.id);
            if is_selected && work.builds {
                continue;
            }
            let favored = self.options.state.favor && !is_selected;
            if !favored && catalog.get(&own.key()).is_some() {
                continue;
            }
            let in_state = manifest.nodes.get(node.id.as_str()).filter(|node| node.is_relation());
            let Some(relation) = in_state.and_then(|found| name_in_state(found, &project.target.database)) else {
                continue;
            };
            let found = relations.get(&relation, &node.id).await.map_err(|error| self.store(&error))?;
            let Some(found) = found else {
                if let Some(reader) = readers.get(&node.id) {
                    deferral.missing.push(not_published(reader, node, &relation, relations.environment()));
                }
                deferral.nodes.insert(node.id.clone(), DeferredRelation { relation, kind: RelationKind::Table });
                continue;
            };
            let relation = found.published.relation().seen_from(&project.target.database);
            let key = relation.key();
            let kind = if found.published.as_table().is_some() { RelationKind::Table } else { RelationKind::View };
            deferral.nodes.insert(node.id.clone(), DeferredRelation { relation, kind });
            if found.environment != project.target.name {
                deferral.names.insert(key, Deferred { environment: found.environment, kind });
            }
        }
        Ok(deferral)
    }

    /// Finds the environments of other targets. Their object stores are registered with an engine, if there is one.
    pub fn neighbors(
        &self,
        project: &Project,
        warehouse: &Arc<Warehouse>,
        engine: Option<Engine>,
    ) -> Arc<dyn Neighbors> {
        Arc::new(Targets {
            config: project.loaded.root().map(|package| package.config.clone()),
            root: project.loaded.root_path().to_path_buf(),
            profiles_dir: self.options.profiles_dir.clone(),
            profile: self.options.profile.clone(),
            invocation: self.parse_invocation(),
            own: project.target.name.clone(),
            warehouse: Arc::clone(warehouse),
            engine,
        })
    }
}

/// By each node that is read, one of the selected nodes that read it, directly or through ephemeral models.
fn readers<'p>(project: &'p Project, selected: &[NodeId]) -> BTreeMap<NodeId, &'p Arc<Node>> {
    let mut readers: BTreeMap<NodeId, &Arc<Node>> = BTreeMap::new();
    for reader in selected.iter().filter_map(|id| project.manifest.get(id)) {
        let mut open: Vec<&NodeId> = reader.depends_on.iter().collect();
        let mut seen: BTreeSet<&NodeId> = BTreeSet::new();
        while let Some(id) = open.pop() {
            let Some(parent) = project.manifest.get(id).filter(|_| seen.insert(id)) else { continue };
            // A unit test reads what its model reads, and never the model's relation.
            if parent.is_ephemeral() || reader.resource_type == ResourceType::UnitTest && reader.depends_on.contains(id)
            {
                open.extend(&parent.depends_on);
            } else {
                readers.entry(id.clone()).or_insert(reader);
            }
        }
    }
    readers
}

fn not_published(reader: &Node, node: &Node, relation: &Relation, environment: Option<&str>) -> Diagnostic {
    let place = node_call(reader, node).or_else(|| reader.location.clone());
    let named = match environment {
        Some(environment) => format!("the environment `{environment}` of the state"),
        None => "any environment".to_owned(),
    };
    let message = format!(
        "`{}` reads `{}`, which is deferred to `{}`, but that is not published in {named}",
        reader.display_name(),
        node.name,
        relation.short_name()
    );
    Diagnostic::error("not-deferrable", message).at_maybe(place, "").with_hint(
        "build it in the environment of the state, or select it as well; a target of that name must be in the profile \
         if the environment has a warehouse of its own",
    )
}

fn node_call(reader: &Node, node: &Node) -> Option<crate::base::source::Location> {
    reader.refs.iter().find(|call| call.name == node.name).and_then(|call| call.location.clone())
}

/// The environments of the profile's targets, and for names that it does not have those of the run's own warehouse.
struct Targets {
    config: Option<ProjectConfig>,
    root: PathBuf,
    profiles_dir: Option<PathBuf>,
    profile: Option<String>,
    invocation: parse::Invocation,
    own: String,
    warehouse: Arc<Warehouse>,
    engine: Option<Engine>,
}

impl Targets {
    fn choice<'a>(&'a self, target: Option<&'a str>) -> TargetChoice<'a> {
        TargetChoice { profiles_dir: self.profiles_dir.as_deref(), profile: self.profile.as_deref(), target }
    }

    fn warehouse(&self, environment: &str) -> Result<Arc<Warehouse>, StoreError> {
        if environment == self.own {
            return Ok(Arc::clone(&self.warehouse));
        }
        let choice = self.choice(Some(environment));
        let renderer = parse::package_renderer(&self.invocation);
        let target = self.config.as_ref().and_then(|config| {
            let render = |text: &str, place: &crate::base::source::Location| renderer.value(text, place);
            load_target(config, &self.root, choice, &self.invocation.env, &render).0
        });
        let Some(target) = target.filter(|target| target.warehouse != self.warehouse.location()) else {
            return Ok(Arc::clone(&self.warehouse));
        };
        let storage = target.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let options = WarehouseOptions { storage, ..WarehouseOptions::default() };
        let warehouse = Arc::new(Warehouse::open(&target.warehouse, options)?);
        // A store that the engine knows already stays.
        let is_other = warehouse.object_store_url() != self.warehouse.object_store_url();
        if let Some(engine) = self.engine.as_ref().filter(|_| is_other) {
            engine.register_store(&warehouse.object_store_url(), warehouse.object_store());
        }
        Ok(warehouse)
    }
}

#[async_trait]
impl Neighbors for Targets {
    async fn names(&self) -> Result<Vec<String>, StoreError> {
        let found = self.warehouse.environments().await?;
        let targets = self
            .config
            .as_ref()
            .map(|config| target_names(config, &self.root, self.choice(None), &self.invocation.env));
        let mut names: Vec<String> = found.iter().map(Identifier::to_string).collect();
        names.extend(targets.unwrap_or_default());
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn find(&self, environment: &str) -> Result<Neighbor, StoreError> {
        let warehouse = self.warehouse(environment)?;
        let Ok(name) = Identifier::new(environment) else {
            let problem = format!("`{environment}` cannot be the name of an environment");
            return Err(StoreError::Location { location: warehouse.location().to_owned(), problem });
        };
        let catalog = Arc::new(warehouse.catalog(&name).await?);
        Ok(Neighbor { warehouse, catalog })
    }
}
