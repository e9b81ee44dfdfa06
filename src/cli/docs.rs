//! `karat docs generate` and `karat docs lineage`: what is known of the project becomes texts.
//!
//! Documentation is not a run: a model that cannot be planned, or files that are not there, are warnings, and the rest
//! is documented.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

use serde_json::Map;

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::secret::Scrubber;
use crate::base::{fs, limits};
use crate::cli::Outcome;
use crate::cli::application::{Application, Project};
use crate::cli::build::{catalog_rows, columns_of};
use crate::cli::defer::{Deferral, Work};
use crate::cli::events::counted;
use crate::cli::options::{GenerateOptions, LineageFormat, LineageOptions};
use crate::docs::lineage::Lineage;
use crate::docs::site::{Material, Published};
use crate::docs::{lineage_text, page, site};
use crate::engine::view::WarehouseView;
use crate::manifest::node::{NodeId, ResourceType};
use crate::plan::check::{self, check};
use crate::record;
use crate::record::catalog::{CatalogColumn, CatalogRow};
use crate::record::manifest::CompiledSql;
use crate::store::{Catalog, PublishedRelation, Warehouse};
use crate::template::host::ColumnValue;

/// What was found out about the nodes of a project.
#[derive(Default)]
struct Found {
    compiled: CompiledSql,
    columns: BTreeMap<NodeId, Vec<CatalogColumn>>,
    published: BTreeMap<NodeId, Published>,
}

/// Writes the page, `manifest.json` and `catalog.json`.
pub async fn generate(app: &Application, options: &GenerateOptions) -> Result<Outcome, Outcome> {
    use ResourceType::{Exposure, Metric, Model, SavedQuery, Seed, SemanticModel, Snapshot, Source, Test};
    let project = app.project()?;
    let kinds = [Seed, Model, Snapshot, Test, Source, Exposure, SemanticModel, Metric, SavedQuery];
    let selection = app.select(&project, &options.selection, &kinds)?;
    let chosen: BTreeSet<NodeId> = selection.iter().cloned().collect();
    let environment = app.environment(&project)?;
    let warehouse = app.warehouse(&project)?;
    let catalog = if options.empty_catalog {
        Catalog::empty(environment.clone())
    } else {
        warehouse.catalog(&environment).await.map_err(|error| app.store(&error))?
    };
    let mut rows = catalog_rows(&project.manifest, &catalog);
    rows.retain(|row| chosen.contains(&row.id));
    let mut found = Found { published: published(&catalog), ..Found::default() };
    if !options.no_compile {
        look(app, &project, &chosen, (warehouse, catalog), &mut found).await?;
    }
    for row in &rows {
        // What is published is what a reader will see: it goes before what a run would make of it now.
        found.columns.insert(row.id.clone(), row.columns.clone());
    }
    // Sources over files are not published; they were looked at.
    let files = project.manifest.of_type(Source).filter(|node| rows.iter().all(|row| row.id != node.id));
    let of_files = files.filter_map(|node| {
        let columns = found.columns.get(&node.id)?.clone();
        Some(CatalogRow { id: node.id.clone(), kind: "external", columns, rows: None, bytes: None })
    });
    let of_files: Vec<CatalogRow> = of_files.collect();
    rows.extend(of_files);
    let artifact = record::catalog::artifact(&project.manifest, &rows, &app.record());
    // As under dbt, it has the compiled SQL or is not written.
    if !options.no_compile {
        app.write_manifest(&project, &found.compiled)?;
    }
    app.write_artifact(&project, record::catalog::FILE_NAME, &artifact)?;
    let results = if options.empty_catalog {
        Map::new()
    } else {
        app.last_results(&project, &record::last_results::file_name(environment.as_str()))
    };
    let document = site::document(&Material {
        manifest: &project.manifest,
        compiled: &found.compiled,
        columns: &found.columns,
        published: &found.published,
        results: &results,
        environment: environment.as_str(),
        generated_at: app.clock.timestamp(),
    });
    let html = page::html(&document);
    let html = Scrubber::new(&app.env).scrub(&html).into_owned();
    let file = app.target_path(&project).join(page::FILE_NAME);
    copy_assets(app, &project)?;
    fs::write_atomic(&file, html.as_bytes()).map_err(|error| app.file(error))?;
    let pages = document["nodes"].as_object().map_or(0, Map::len);
    let shown = file.strip_prefix(&app.working_folder).unwrap_or(&file).display().to_string();
    app.printer.status("Wrote", &format!("{shown}: {}", counted(pages as u64, "node")));
    app.printer.message("Open the file in a browser, or run `karat docs serve`.");
    Ok(Outcome::Success)
}

/// The folders of `asset-paths` that lie beside the page: those with plain names.
pub fn asset_folders(project: &Project) -> BTreeSet<&str> {
    let is_plain = |path: &&str| {
        let is_known = |c: char| c.is_ascii_alphanumeric() || "_-./ ".contains(c);
        !path.is_empty()
            && path.chars().all(is_known)
            && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
    };
    let assets = project.loaded.root().map(|package| package.config.paths.assets.as_slice()).unwrap_or_default();
    assets.iter().map(|path| path.trim_end_matches('/')).filter(is_plain).collect()
}

/// Puts `asset-paths` beside the page, each as a whole.
fn copy_assets(app: &Application, project: &Project) -> Result<(), Outcome> {
    let (from, target) = (&project.loaded.dir, app.target_path(project));
    for folder in asset_folders(project) {
        let copy = target.join(folder);
        if fs::is_dir(&copy) {
            fs::remove_dir_all(&copy).map_err(|error| app.file(error))?;
        }
        let (files, _) = from.walk(folder).map_err(|error| app.file(error))?;
        for file in files {
            let content = from.read_bytes(&file, limits::SEED_FILE_BYTES).map_err(|error| app.file(error))?;
            fs::write_atomic(&target.join(&file), &content).map_err(|error| app.file(error))?;
        }
    }
    Ok(())
}

/// Plans what is chosen, and keeps what that tells. What goes wrong is said as a warning.
async fn look(
    app: &Application,
    project: &Project,
    chosen: &BTreeSet<NodeId>,
    (warehouse, catalog): (Arc<Warehouse>, Catalog),
    found: &mut Found,
) -> Result<(), Outcome> {
    let is_planned = |id: &&NodeId| {
        project
            .manifest
            .get(id)
            .is_some_and(|node| node.resource_type.is_built() || matches!(node.resource_type, ResourceType::Test))
    };
    let selected: Vec<NodeId> = chosen.iter().filter(is_planned).cloned().collect();
    let work = Work { selected: &selected, builds: false };
    let Deferral { nodes, names, .. } = app.deferral(project, &warehouse, &catalog, work).await?;
    let invocation = app.invocation(project, selected.clone(), nodes);
    let view = WarehouseView::new(app.surroundings(project, warehouse, catalog, names, &invocation)?);
    let schedule = project.dag.build_schedule(&project.manifest, &selected);
    let (plan, mut problems) = check(&invocation, &schedule, &view).await;
    let target = app.target_path(project);
    for (id, step) in &plan.steps {
        if let Some(compiled) = &step.compiled {
            found.compiled.insert(id.clone(), compiled.sql.clone());
            found.compiled.extend(compiled.ephemeral.iter().cloned());
            if app.options.write_artifacts {
                record::compiled::write_compiled(&target, &step.node, &compiled.sql)
                    .map_err(|error| app.file(error))?;
            }
        }
        if let Some(schema) = step.schema.as_ref().filter(|_| step.node.resource_type != ResourceType::Test) {
            found.columns.insert(id.clone(), columns_of(schema));
        }
    }
    for node in project.manifest.of_type(ResourceType::Source).filter(|node| chosen.contains(&node.id)) {
        let Some(relation) = &node.relation else { continue };
        // A source that is not there is the check's to tell, if anything reads it.
        if let Ok(Some(columns)) = check::columns_of(&view, &relation.key()) {
            let column = |column: ColumnValue| CatalogColumn { name: column.name, data_type: column.data_type };
            found.columns.insert(node.id.clone(), columns.into_iter().map(column).collect());
        }
    }
    problems.0.extend(plan.faults().cloned());
    for problem in &mut problems.0 {
        if problem.severity == Severity::Error {
            problem.severity = Severity::Warning;
        }
    }
    if problems.0.iter().any(|problem| problem.severity == Severity::Warning) {
        let message = "not everything could be planned: columns or SQL of these nodes are missing in the documentation";
        problems.push(Diagnostic::note("incomplete-docs", message));
    }
    app.report(&Diagnostics(problems.0))
}

/// What is published, by node.
fn published(catalog: &Catalog) -> BTreeMap<NodeId, Published> {
    let of = |relation: &PublishedRelation| {
        let (common, table) = (relation.common(), relation.as_table());
        let published = Published {
            rows: table.map(|table| table.rows),
            bytes: table.map(|table| table.bytes),
            version: table.map(|table| table.version),
            at: common.published_at,
        };
        (common.node_id.clone(), published)
    };
    catalog.relations().map(of).collect()
}

/// Prints or writes the lineage.
pub fn lineage(app: &Application, options: &LineageOptions) -> Result<Outcome, Outcome> {
    use ResourceType::{Exposure, Metric, Model, SavedQuery, Seed, SemanticModel, Snapshot, Source};
    let project = app.project()?;
    let kinds = [Seed, Model, Snapshot, Source, Exposure, SemanticModel, Metric, SavedQuery];
    let selection = app.select(&project, &options.selection, &kinds)?;
    let chosen: BTreeSet<NodeId> = selection.iter().cloned().collect();
    let lineage = Lineage::new(&project.manifest, &chosen);
    let name = &project.manifest.project_name;
    let text = match options.output {
        LineageFormat::Mermaid => lineage_text::mermaid(&lineage),
        LineageFormat::Dot => lineage_text::dot(&lineage, name),
        LineageFormat::Json => format!("{:#}\n", lineage_text::json(&lineage, name)),
        LineageFormat::Markdown => lineage_text::markdown(&lineage, name),
    };
    let Some(file) = &options.file else {
        app.printer.result(text.trim_end());
        return Ok(Outcome::Success);
    };
    let text = Scrubber::new(&app.env).scrub(&text).into_owned();
    let path = app.working_folder.join(file);
    fs::write_atomic(&path, text.as_bytes()).map_err(|error| app.file(error))?;
    app.printer.status("Wrote", &format!("{}: {}", file.display(), counted(lineage.nodes.len() as u64, "node")));
    Ok(Outcome::Success)
}
