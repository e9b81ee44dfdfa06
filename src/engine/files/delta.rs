//! A foreign Delta table as a source: opened by whoever knows Delta, adapted here to what the source declares.

use std::sync::Arc;

use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, ident, lit};

use super::drift::{FileShape, Unified};
use super::error::{Cause, ExternalError};
use super::scan::FILE_COLUMN;
use crate::engine::types::plain_type;

/// Opens Delta tables for sources: the store implements it, because only the store knows Delta.
#[async_trait]
pub trait DeltaOpener: Send + Sync {
    /// The current version of the table at an absolute path or URL; `None` when there is no table.
    async fn open(&self, location: &str) -> Result<Option<Arc<dyn TableProvider>>, Cause>;
}

/// Columns of a Delta table.
pub(super) fn shape<'a>(provider: &Arc<dyn TableProvider>, shown: &'a str) -> FileShape<'a> {
    let schema = provider.schema();
    let columns = schema.fields().iter().map(|field| (field.name().clone(), Some(plain_type(field.data_type()))));
    FileShape { shown, columns: columns.collect(), complete: true }
}

/// The table with the columns of the source, then `_karat_file`, which holds the table's location.
pub(super) fn adapt(
    provider: Arc<dyn TableProvider>,
    unified: &Unified,
    shown: &str,
) -> Result<Arc<dyn TableProvider>, ExternalError> {
    let schema = provider.schema();
    let mut outputs: Vec<Expr> = Vec::new();
    for (index, (name, data_type)) in unified.columns.iter().enumerate() {
        let data_type = data_type.clone().unwrap_or(DataType::Utf8);
        let found = unified.maps.first().and_then(|map| map.get(index).copied().flatten());
        let output = match found.and_then(|at| schema.fields().get(at)) {
            Some(field) if *field.data_type() == data_type => ident(field.name()),
            Some(field) => cast(ident(field.name()), data_type),
            None => cast(lit(ScalarValue::Null), data_type),
        };
        outputs.push(output.alias(name));
    }
    if !unified.columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(FILE_COLUMN)) {
        outputs.push(lit(shown).alias(FILE_COLUMN));
    }
    let plan = LogicalPlanBuilder::scan("delta_source", provider_as_source(provider), None)
        .and_then(|builder| builder.project(outputs))
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| ExternalError::Access {
            action: "adapt the columns of",
            path: shown.to_owned(),
            source: Box::new(error),
        })?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
