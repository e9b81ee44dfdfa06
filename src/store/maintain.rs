//! Upkeep on request: finding and removing what crashes left behind, and checking files against their hashes.
//!
//! Never runs by itself during a run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deltalake_core::kernel::Action;
use futures::StreamExt as _;
use object_store::ObjectStoreExt as _;

use crate::base::ident::Identifier;
use crate::manifest::relation::{Relation, RelationKey};
use crate::store::delta::{Author, LOG_FOLDER, commit_number, commit_path, parse_commit};
use crate::store::error::StoreError;
use crate::store::local;
use crate::store::table::{DataFile, TableVersion};
use crate::store::warehouse::{DATABASE_SUFFIX, STATE_FOLDER, Warehouse, blocking, table_folder};

/// Bytes that are read at once when a file is hashed.
const HASH_BUFFER: usize = 1 << 20;

/// How many files are hashed at once.
const HASHES_AT_ONCE: usize = 4;

/// Why a file is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrphanKind {
    /// A data file that no version of its table has.
    Data,
    /// The rest of a write that did not end.
    Temporary,
    /// A file of a table that no environment has any more.
    DroppedTable,
}

/// A file that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// Path relative to the warehouse, with `/`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Why it is not needed.
    pub kind: OrphanKind,
}

/// A data file that is not what it was when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Path relative to the warehouse, with `/`.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Warehouse {
    /// Finds what nothing needs and is older than the retention: the files of unfinished writes, staged files that
    /// were never committed, and tables that no entry younger than the retention pins.
    ///
    /// The retention protects runs that are under way; it must be longer than any run.
    pub async fn orphans(&self, retention: Duration, now: DateTime<Utc>) -> Result<Vec<Orphan>, StoreError> {
        let horizon = now - chrono::Duration::from_std(retention).unwrap_or(chrono::Duration::MAX);
        let mut pinned: BTreeSet<RelationKey> = BTreeSet::new();
        for environment in self.environments().await? {
            pinned.extend(self.pinned_since(&environment, horizon).await?);
        }
        let is_old = |found: &local::Found| DateTime::<Utc>::from(found.modified) < horizon;
        let mut orphans = Vec::new();
        for found in self.walk(STATE_FOLDER).await? {
            if is_old(&found) && is_temporary(&found.path) {
                let path = format!("{STATE_FOLDER}/{}", found.path);
                orphans.push(Orphan { path, size: found.size, kind: OrphanKind::Temporary });
            }
        }
        for key in self.table_folders().await? {
            let folder = table_folder(&key);
            let files = self.walk(&folder).await?;
            let has_log = files.iter().any(|found| found.path.starts_with(LOG_FOLDER));
            if !has_log && !files.iter().all(|found| is_staged(&found.path) || is_temporary(&found.path)) {
                // Not a table of ours, and not the beginning of one: none of our business.
                continue;
            }
            let is_ours = !has_log || self.is_ours(&key).await?;
            let is_dropped = is_ours && has_log && !pinned.contains(&key) && files.iter().all(is_old);
            let referenced = if has_log { self.referenced(&key, &files).await? } else { BTreeSet::new() };
            for found in files {
                let in_log = found.path.starts_with(LOG_FOLDER);
                let kind = if is_dropped {
                    OrphanKind::DroppedTable
                } else if is_temporary(&found.path) {
                    OrphanKind::Temporary
                } else if is_ours && !in_log && is_staged(&found.path) && !referenced.contains(&found.path) {
                    OrphanKind::Data
                } else {
                    continue;
                };
                if is_old(&found) {
                    orphans.push(Orphan { path: format!("{folder}/{}", found.path), size: found.size, kind });
                }
            }
        }
        orphans.sort();
        Ok(orphans)
    }

    /// Removes what [`orphans`](Self::orphans) found; returns how many bytes that freed.
    pub async fn remove_orphans(&self, orphans: &[Orphan]) -> Result<u64, StoreError> {
        let mut freed = 0;
        // A log goes after the data: if this is stopped half-way, the rest is still known as what it is.
        let is_log = |orphan: &&Orphan| orphan.path.contains(LOG_FOLDER);
        for orphan in orphans.iter().filter(|o| !is_log(o)).chain(orphans.iter().filter(is_log)) {
            if let Some(path) = self.disk(&orphan.path) {
                local::remove(&path).map_err(StoreError::io("remove", &orphan.path))?;
                for folder in path.ancestors().skip(1).take_while(|folder| Some(*folder) != self.local_root()) {
                    local::remove_empty_folder(folder);
                }
            } else {
                let removed = self.object_store().delete(&self.path(&orphan.path)).await;
                removed.map_err(StoreError::io("remove", &orphan.path))?;
            }
            freed += orphan.size;
        }
        Ok(freed)
    }

    /// Compares the files of a table with the hashes that were recorded when they were written.
    pub async fn verify(&self, table: &TableVersion) -> Result<Vec<Damage>, StoreError> {
        let checks = table.files.iter().map(|file| self.verify_file(&table.relation, file));
        let results: Vec<_> = futures::stream::iter(checks).buffered(HASHES_AT_ONCE).collect().await;
        let mut damages = Vec::new();
        for result in results {
            damages.extend(result?);
        }
        Ok(damages)
    }

    async fn verify_file(&self, relation: &Relation, file: &Arc<DataFile>) -> Result<Option<Damage>, StoreError> {
        let path = format!("{}/{}", table_folder(&relation.key()), file.path);
        let damage = |problem: String| Some(Damage { path: path.clone(), problem });
        let mut hasher = blake3::Hasher::new();
        let hashed = if let Some(disk) = self.disk(&path) {
            let shown = path.clone();
            blocking(move || {
                let opened = local::open(&disk);
                if opened.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
                    return Ok(None);
                }
                let mut reader =
                    std::io::BufReader::with_capacity(HASH_BUFFER, opened.map_err(StoreError::io("read", &shown))?);
                std::io::copy(&mut reader, &mut hasher).map_err(StoreError::io("read", &shown))?;
                Ok(Some(hasher.finalize()))
            })
            .await?
        } else {
            match self.object_store().get(&self.file_path(relation, file)).await {
                Err(object_store::Error::NotFound { .. }) => None,
                Err(error) => return Err(StoreError::io("read", &path)(error)),
                Ok(result) => {
                    let mut stream = result.into_stream();
                    while let Some(chunk) = stream.next().await {
                        hasher.update(&chunk.map_err(StoreError::io("read", &path))?);
                    }
                    Some(hasher.finalize())
                }
            }
        };
        Ok(match hashed {
            None => damage("it is missing".to_owned()),
            Some(_) if file.hash.is_empty() => damage("its hash was not recorded".to_owned()),
            Some(hash) if hash.to_hex().as_str() != file.hash => damage("its bytes have changed".to_owned()),
            Some(_) => None,
        })
    }

    /// The relations that the newest entry of an environment pins, or any entry younger than the horizon.
    async fn pinned_since(
        &self,
        environment: &Identifier,
        horizon: DateTime<Utc>,
    ) -> Result<BTreeSet<RelationKey>, StoreError> {
        let mut pinned = BTreeSet::new();
        for number in self.entries(environment).await?.into_iter().rev() {
            let catalog = self.catalog_at(environment, number).await?;
            pinned.extend(catalog.tables().map(|table| table.common.relation.key()));
            if catalog.entry().is_some_and(|entry| entry.created_at < horizon) {
                break;
            }
        }
        Ok(pinned)
    }

    /// All folders that could be tables: two levels below the warehouse, and two below the folder of each database.
    async fn table_folders(&self) -> Result<Vec<RelationKey>, StoreError> {
        let mut keys = Vec::new();
        let mut databases = vec![None];
        for (name, is_folder) in self.names("").await? {
            let database = name.strip_suffix(DATABASE_SUFFIX).filter(|name| Identifier::new(*name).is_ok());
            databases.extend(database.filter(|_| is_folder).map(|name| Some(name.to_owned())));
        }
        for database in databases {
            let folder = database.as_ref().map(|name| format!("{name}{DATABASE_SUFFIX}")).unwrap_or_default();
            for (schema, is_folder) in self.names(&folder).await? {
                if !is_folder || schema == STATE_FOLDER || Identifier::new(schema.as_str()).is_err() {
                    continue;
                }
                let inside = if folder.is_empty() { schema.clone() } else { format!("{folder}/{schema}") };
                for (table, is_folder) in self.names(&inside).await? {
                    if is_folder && Identifier::new(table.as_str()).is_ok() {
                        keys.push(RelationKey {
                            database: database.clone(),
                            schema: schema.clone(),
                            identifier: table,
                        });
                    }
                }
            }
        }
        Ok(keys)
    }

    async fn is_ours(&self, key: &RelationKey) -> Result<bool, StoreError> {
        Ok(match self.latest_version(key).await? {
            None => true,
            Some(latest) => matches!(self.commit_author(key, latest).await?, Author::Karat(_)),
        })
    }

    /// The files that any version still in the log has or had.
    async fn referenced(&self, key: &RelationKey, files: &[local::Found]) -> Result<BTreeSet<String>, StoreError> {
        let mut versions: Vec<u64> = files
            .iter()
            .filter_map(|found| found.path.strip_prefix(LOG_FOLDER)?.strip_prefix('/'))
            .filter_map(commit_number)
            .collect();
        versions.sort_unstable();
        if versions.first() != Some(&0) {
            // Another program has cleaned the log: what older versions had cannot be told, so nothing is an orphan.
            return Ok(files.iter().map(|found| found.path.clone()).collect());
        }
        let mut referenced = BTreeSet::new();
        for version in versions {
            let path = commit_path(key, version);
            let Some(content) = self.read(&path).await? else { continue };
            for action in parse_commit(&path, version, &content)? {
                match action {
                    Action::Add(add) => drop(referenced.insert(add.path)),
                    Action::Remove(remove) => drop(referenced.insert(remove.path)),
                    _ => {}
                }
            }
        }
        Ok(referenced)
    }
}

/// Whether a name is that of a data file of ours.
fn is_staged(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("part-") && name.ends_with(".parquet")
}

/// Whether a name is one that unfinished writes leave: ours, or those of the object store's local backend.
fn is_temporary(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_numbered = name.rsplit_once('#').is_some_and(|(_, digits)| digits.bytes().all(|byte| byte.is_ascii_digit()));
    is_numbered || (name.starts_with("_commit_") && name.ends_with(".json.tmp"))
}
