//! `karat clone`: for a relation of a state a relation of this environment that has the same rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::execute::node::blank;
use crate::execute::result::{NodeResult, Status};
use crate::manifest::node::Node;
use crate::manifest::relation::Relation;
use crate::store::{Change, Operation, PublishedRelation, StoreError, TableChange, ViewChange, Warehouse};

/// What dbt says where there was nothing to do.
const NOTHING_DONE: &str = "No-op";

/// A relation of a state and where it lies.
#[derive(Debug, Clone)]
pub struct Original {
    /// Its environment.
    pub environment: String,
    /// The warehouse of that environment.
    pub warehouse: Arc<Warehouse>,
    /// What is published there.
    pub published: PublishedRelation,
    /// Its name in SQL of the environment that gets the copy.
    pub name: Relation,
}

/// The result of a node that is left as it is.
pub fn left(node: &Arc<Node>) -> NodeResult {
    let mut result = blank(node, "no-op", 1);
    result.message = Some(NOTHING_DONE.to_owned());
    result
}

/// Makes the copy of one node's relation: of a table its files, of a view a view on it. Nothing is visible yet.
pub async fn copy(
    node: &Arc<Node>,
    relation: &Relation,
    original: &Original,
    warehouse: &Warehouse,
    environment: &str,
) -> Result<Change, StoreError> {
    let common = original.published.common();
    match &original.published {
        PublishedRelation::Table(table) => {
            let content = original.warehouse.table_at(table).await?;
            let copy = warehouse.stage_copy(&original.warehouse, &content, relation).await?;
            Ok(Change::Table(TableChange {
                content: Arc::new(copy),
                node_id: node.id.clone(),
                // The content is the same, and so is what was found out about it.
                fingerprint: common.fingerprint.clone(),
                tests: common.tests.clone(),
                operation: Operation::Overwrite,
            }))
        }
        PublishedRelation::View(_) => {
            let name = original.name.clone();
            let key = name.key();
            let deferred = if original.environment == environment {
                BTreeMap::new()
            } else {
                BTreeMap::from([(key.clone(), original.environment.clone())])
            };
            Ok(Change::View(ViewChange {
                relation: relation.clone(),
                schema: Arc::clone(&common.schema),
                sql: format!("select * from {}", name.to_sql()),
                depends_on: vec![key],
                deferred,
                node_id: node.id.clone(),
                fingerprint: common.fingerprint.clone(),
                tests: common.tests.clone(),
            }))
        }
    }
}

/// The result of a copy.
pub fn copied(node: &Arc<Node>, change: &Change, worker: usize) -> NodeResult {
    let action = if matches!(change, Change::Table(_)) { "clone" } else { "view" };
    let mut result = blank(node, action, worker);
    result.status = Status::Success;
    result.message = Some("OK".to_owned());
    result
}
