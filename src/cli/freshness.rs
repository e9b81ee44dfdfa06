//! `karat source freshness`: how old the newest row of each source is.

use arrow::array::AsArray as _;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};

use crate::cli::Outcome;
use crate::cli::application::Application;
use crate::cli::options::FreshnessOptions;
use crate::cli::show::open;
use crate::engine::session::{Session, Variant};
use crate::execute::result::Timing;
use crate::manifest::node::{Freshness, Node, NodeId, ResourceType, SourceTable};
use crate::record;
use crate::record::freshness::{FreshnessFound, FreshnessResult, FreshnessStatus};

/// Runs the verb.
pub async fn execute(app: &Application, options: &FreshnessOptions) -> Result<Outcome, Outcome> {
    let project = app.project()?;
    let selection = app.select(&project, &options.selection, &[ResourceType::Source])?;
    let selected: Vec<NodeId> = selection.iter().cloned().collect();
    let view = open(app, &project, &selected).await?.view;
    let session = view.session(Variant::Normal);
    let mut results = Vec::new();
    for id in selected {
        let Some(node) = project.manifest.get(&id) else { continue };
        let Some(source) = node.source() else { continue };
        let (Some(criteria), true) =
            (source.expected_freshness(), source.loaded_at_field.is_some() || source.loaded_at_query.is_some())
        else {
            continue;
        };
        let result = FreshnessResult { id: id.clone(), outcome: look(app, &session, node, source, criteria).await };
        let (word, text) = described(node, &result);
        app.printer.status(word, &text);
        results.push(result);
    }
    let artifact = record::freshness::artifact(&results, app.clock.elapsed(), &app.record());
    match &options.output {
        Some(path) => {
            let path = app.working_folder.join(path);
            crate::base::fs::write_atomic(&path, artifact.to_string().as_bytes()).map_err(|error| app.file(error))?;
        }
        None => app.write_artifact(&project, record::freshness::FILE_NAME, &artifact)?,
    }
    let is_bad = |result: &FreshnessResult| match &result.outcome {
        Ok(found) => found.status == FreshnessStatus::Error,
        Err(_) => true,
    };
    Ok(if results.iter().any(is_bad) { Outcome::Failed } else { Outcome::Success })
}

async fn look(
    app: &Application,
    session: &Session,
    node: &Node,
    source: &SourceTable,
    criteria: &Freshness,
) -> Result<FreshnessFound, String> {
    let started = app.clock.elapsed();
    let started_at = app.clock.timestamp();
    let relation = node.relation.as_ref().map(crate::manifest::relation::Relation::to_sql).unwrap_or_default();
    let sql = match (&source.loaded_at_query, &source.loaded_at_field) {
        (Some(query), _) => format!(
            "select cast(max_loaded_at as timestamp with time zone) as loaded from ({query}) as q (max_loaded_at)"
        ),
        (None, field) => {
            let field = field.as_deref().unwrap_or_default();
            let filter = criteria.filter.as_ref().map(|filter| format!(" where {filter}")).unwrap_or_default();
            format!("select cast(max({field}) as timestamp with time zone) as loaded from {relation}{filter}")
        }
    };
    let batches = session.query(&sql).await.map_err(|problem| problem.message)?;
    let newest = batches.iter().find_map(instant).ok_or_else(|| "the source has no rows".to_owned())?;
    // The age is that at the run's time, which can be pinned.
    let now = app.clock.now();
    let status = FreshnessStatus::of(now - newest, criteria);
    Ok(FreshnessFound {
        max_loaded_at: newest,
        snapshotted_at: now,
        status,
        criteria: criteria.clone(),
        timing: vec![Timing { name: "execute", started_at, completed_at: app.clock.timestamp() }],
        worker: 1,
        execution_time: app.clock.elapsed().saturating_sub(started),
    })
}

fn instant(batch: &RecordBatch) -> Option<DateTime<Utc>> {
    let column = batch.columns().first()?;
    let micros = arrow::compute::cast(column, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))).ok()?;
    let values = micros.as_primitive_opt::<TimestampMicrosecondType>()?;
    let first = values.iter().next()??;
    DateTime::from_timestamp_micros(first)
}

fn described(node: &Node, result: &FreshnessResult) -> (&'static str, String) {
    let name = node.display_name();
    match &result.outcome {
        Ok(found) => {
            let word = match found.status {
                FreshnessStatus::Pass => "Fresh",
                FreshnessStatus::Warn => "Stale",
                FreshnessStatus::Error => "Too old",
            };
            (word, format!("{name}  newest row of {}", record::instant(found.max_loaded_at)))
        }
        Err(problem) => ("Error", format!("{name}  {problem}")),
    }
}
