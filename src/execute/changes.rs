//! What statements of hooks, operations and templates have changed: relations that no node of the run need own.
//!
//! A statement stages a relation's new content whole, or leaves it as it was; what it made is published with the run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::manifest::node::NodeId;
use crate::manifest::relation::{Relation, RelationKey};
use crate::store::Operation;

/// A relation that statements have changed.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The relation.
    pub relation: Relation,
    /// The node whose hook or template changed it last.
    pub by: NodeId,
    /// What was done, for the table's history.
    pub operation: Operation,
    /// Hash of the statements.
    pub fingerprint: String,
    /// The relations of this run that were read for it: if one of them is held back, so is this one.
    pub reads: BTreeSet<RelationKey>,
    /// Whether it goes when the run ends.
    pub temporary: bool,
}

/// All relations that statements of a run have changed.
#[derive(Debug, Default)]
pub struct Changes {
    changed: Mutex<BTreeMap<RelationKey, Changed>>,
    locks: Mutex<BTreeMap<RelationKey, Arc<tokio::sync::Mutex<()>>>>,
}

impl Changes {
    /// Waits until nobody else changes a relation. Who needs two asks for them in the order of their keys.
    pub async fn lock(&self, key: &RelationKey) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(key.clone()).or_default())
        };
        lock.lock_owned().await
    }

    /// Notes a change. Several of one relation add up.
    pub fn note(&self, change: Changed) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let key = change.relation.key();
        match changed.get_mut(&key) {
            Some(known) => {
                let text = format!("{}{}", known.fingerprint, change.fingerprint);
                known.fingerprint = blake3::hash(text.as_bytes()).to_hex().to_string();
                known.reads.extend(change.reads);
                known.by = change.by;
                known.operation = if known.operation == change.operation { change.operation } else { Operation::Merge };
                known.temporary &= change.temporary;
            }
            None => {
                changed.insert(key, change);
            }
        }
    }

    /// Notes a relation that was made anew, whatever was done to it before.
    pub fn replace(&self, change: Changed) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.insert(change.relation.key(), change);
    }

    /// Notes relations without which a change is not seen.
    pub fn add_reads(&self, key: &RelationKey, reads: BTreeSet<RelationKey>) {
        if let Some(known) = self.changed.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key) {
            known.reads.extend(reads);
        }
    }

    /// What was done to a relation so far.
    pub fn get(&self, key: &RelationKey) -> Option<Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Forgets the temporary relations that a node's statements have made; gives their names.
    pub fn take_temporary(&self, by: &NodeId) -> Vec<RelationKey> {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = changed.iter().filter(|(_, change)| change.temporary && change.by == *by);
        let gone: Vec<RelationKey> = gone.map(|(key, _)| key.clone()).collect();
        changed.retain(|key, _| !gone.contains(key));
        gone
    }

    /// Whether a relation goes when the run ends.
    pub fn is_temporary(&self, key: &RelationKey) -> bool {
        self.get(key).is_some_and(|change| change.temporary)
    }

    /// All changes so far.
    pub fn all(&self) -> BTreeMap<RelationKey, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
