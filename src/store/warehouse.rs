//! The warehouse: one place (a folder or an object store's prefix) that holds tables and the logs of environments.
//!
//! Knows where things lie and how to read and create single objects; not what is in them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use url::Url;

use crate::manifest::relation::{Relation, RelationKey};
use crate::store::delta::TableState;
use crate::store::error::StoreError;
use crate::store::local;
use crate::store::table::DataFile;

/// Folder of the warehouse in which karat keeps its own state; no schema can have this name.
pub(super) const STATE_FOLDER: &str = "_karat";
/// What the folder of a database other than the target's own is called after its name.
pub(super) const DATABASE_SUFFIX: &str = ".db";

/// How many requests to a disk or an object store are under way at once.
pub(super) const CONCURRENCY: usize = 16;

/// Whether success waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Files and folders are synced before a run reports success, so that a power cut loses nothing reported.
    #[default]
    Safe,
    /// Nothing is synced: for throw-away warehouses. A killed process is still safe, a power cut is not.
    Fast,
}

/// How to open a warehouse.
#[derive(Debug, Clone, Default)]
pub struct WarehouseOptions {
    /// Settings of the object store (`aws_region`, `aws_access_key_id`, ...); unused by a local folder.
    pub storage: BTreeMap<String, String>,
    /// Whether success waits for the disk.
    pub durability: Durability,
    /// Where to fail on purpose. For crash tests only.
    pub failpoint: Option<Failpoint>,
}

/// A step of a publication at which a test wants to stop the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailPoint {
    /// All files are staged, nothing is synced.
    AfterStage,
    /// All files are synced, nothing is committed.
    AfterSync,
    /// The first table is committed, others are not.
    BetweenCommits,
    /// All tables are committed, the entry does not exist.
    AfterCommits,
    /// The entry exists.
    AfterEntry,
}

/// What happens at a failpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailAction {
    /// The process ends at once, as if killed.
    Abort,
    /// The operation returns an error.
    Error,
}

/// A wish of a crash test, such as `after-sync:abort`. Has no use outside tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failpoint {
    /// Where.
    pub point: FailPoint,
    /// What.
    pub action: FailAction,
}

impl FailPoint {
    const ALL: [Self; 5] =
        [Self::AfterStage, Self::AfterSync, Self::BetweenCommits, Self::AfterCommits, Self::AfterEntry];

    /// The name in kebab case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AfterStage => "after-stage",
            Self::AfterSync => "after-sync",
            Self::BetweenCommits => "between-commits",
            Self::AfterCommits => "after-commits",
            Self::AfterEntry => "after-entry",
        }
    }
}

impl Failpoint {
    /// Reads `<point>:<action>`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (point, action) = text.split_once(':').unwrap_or((text, "abort"));
        let point = FailPoint::ALL.into_iter().find(|known| known.as_str() == point);
        let action = match action {
            "abort" => Some(FailAction::Abort),
            "error" => Some(FailAction::Error),
            _ => None,
        };
        match (point, action) {
            (Some(point), Some(action)) => Ok(Self { point, action }),
            _ => Err(format!("`{text}` is not a failpoint; expected a form such as `after-sync:abort`")),
        }
    }
}

/// A table version as the cache knows it: schema and identifier, Delta version, Delta table id.
type CacheKey = (RelationKey, u64);

/// An open warehouse. Opening touches nothing; a warehouse that does not exist yet is an empty one.
#[derive(Debug)]
pub struct Warehouse {
    location: String,
    url: Url,
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    local_root: Option<PathBuf>,
    pub(super) options: WarehouseOptions,
    states: Mutex<HashMap<CacheKey, Arc<TableState>>>,
    /// Files that this process has staged and nobody has committed: only these may be discarded.
    staged: Mutex<BTreeSet<String>>,
}

impl Warehouse {
    /// Opens the warehouse at an absolute folder or a URL (`s3://bucket/prefix`, `gs://`, `az://`, `file://`).
    pub fn open(location: &str, options: WarehouseOptions) -> Result<Self, StoreError> {
        let wrong = |problem: String| StoreError::Location { location: location.to_owned(), problem };
        let mut url = if Path::new(location).is_absolute() {
            Url::from_directory_path(location).map_err(|()| wrong("the path has no form as a URL".to_owned()))?
        } else {
            Url::parse(location).map_err(|_| wrong("it is neither an absolute folder nor a URL".to_owned()))?
        };
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let (store, prefix) = object_store::parse_url_opts(&url, &options.storage).map_err(|e| wrong(e.to_string()))?;
        let local_root = match url.scheme() {
            "file" => Some(url.to_file_path().map_err(|()| wrong("the URL names no folder".to_owned()))?),
            _ => None,
        };
        Ok(Self {
            location: location.to_owned(),
            url,
            store: Arc::from(store),
            prefix,
            local_root,
            options,
            states: Mutex::default(),
            staged: Mutex::default(),
        })
    }

    /// The place as the user wrote it.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The place as a URL that ends with `/`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The folder, if the warehouse is one.
    pub fn local_root(&self) -> Option<&Path> {
        self.local_root.as_deref()
    }

    /// The object store beneath; its root is [`object_store_url`](Self::object_store_url), not the warehouse.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// The URL under which the engine registers the object store: `file:///` or `s3://bucket/`.
    pub fn object_store_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path("/");
        url
    }

    /// The folder of a table as a URL that ends with `/`.
    ///
    /// Folders are named in lower case, because names that differ only in case are one relation.
    pub fn table_url(&self, relation: &Relation) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{}/", self.url.path(), table_folder(&relation.key())));
        url
    }

    /// A data file of a table as a URL.
    pub fn file_url(&self, relation: &Relation, file: &DataFile) -> Url {
        let mut url = self.table_url(relation);
        url.set_path(&format!("{}{}", url.path(), file.path));
        url
    }

    /// A data file of a table as a path within [`object_store`](Self::object_store).
    pub fn file_path(&self, relation: &Relation, file: &DataFile) -> ObjectPath {
        self.path(&format!("{}/{}", table_folder(&relation.key()), file.path))
    }

    /// A path within the object store from one relative to the warehouse. The relative path is made of names that
    /// need no encoding, so the two can be joined as they are.
    pub(super) fn path(&self, relative: &str) -> ObjectPath {
        let joined = match self.prefix.as_ref() {
            "" => relative.to_owned(),
            prefix => format!("{prefix}/{relative}"),
        };
        ObjectPath::parse(&joined).unwrap_or_else(|_| ObjectPath::from(joined))
    }

    /// A path on the disk from one relative to the warehouse.
    pub(super) fn disk(&self, relative: &str) -> Option<PathBuf> {
        self.local_root.as_ref().map(|root| root.join(relative))
    }

    /// Whether an object exists.
    pub(super) async fn exists(&self, relative: &str) -> Result<bool, StoreError> {
        if let Some(path) = self.disk(relative) {
            return Ok(path.is_file());
        }
        match self.store.head(&self.path(relative)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(StoreError::io("look for", relative)(error)),
        }
    }

    /// Reads an object whole; `None` if it is not there.
    pub(super) async fn read(&self, relative: &str) -> Result<Option<Bytes>, StoreError> {
        if let Some(path) = self.disk(relative) {
            return blocking(move || local::read(&path)).await;
        }
        let result = match self.store.get(&self.path(relative)).await {
            Ok(result) => result,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(StoreError::io("read", relative)(error)),
        };
        Ok(Some(result.bytes().await.map_err(StoreError::io("read", relative))?))
    }

    /// Reads several objects; `None` if one of them is not there.
    pub(super) async fn read_all(&self, relative: &[String]) -> Result<Option<Vec<Bytes>>, StoreError> {
        if let Some(root) = self.local_root.clone() {
            let paths: Vec<PathBuf> = relative.iter().map(|path| root.join(path)).collect();
            return blocking(move || paths.iter().map(|path| local::read(path)).collect()).await;
        }
        let reads: Vec<_> = relative.iter().map(|path| self.read(path)).collect();
        let contents: Vec<Option<Bytes>> = futures::stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
        Ok(contents.into_iter().collect())
    }

    /// Creates an object that must not exist yet. `false`: it exists with other content.
    ///
    /// If the reply to a successful creation is lost and the client tries again, the object is there with exactly our
    /// content, which carries a unique id: that counts as created by us.
    pub(super) async fn create(&self, relative: &str, content: Bytes) -> Result<bool, StoreError> {
        let created = if let (Some(root), Some(path)) = (self.local_root.clone(), self.disk(relative)) {
            let (content, sync) = (content.clone(), self.options.durability == Durability::Safe);
            blocking(move || local::create_exclusive(&root, &path, &content, sync)).await?
        } else {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match self.store.put_opts(&self.path(relative), content.clone().into(), options).await {
                Ok(_) => true,
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => false,
                Err(error) => return Err(StoreError::io("write", relative)(error)),
            }
        };
        Ok(created || self.read(relative).await?.is_some_and(|found| found == content))
    }

    /// The names in a folder and whether each is a folder, sorted.
    pub(super) async fn names(&self, relative: &str) -> Result<Vec<(String, bool)>, StoreError> {
        if let Some(path) = self.disk(relative) {
            return blocking(move || local::names(&path)).await;
        }
        let prefix = self.path(relative);
        let listed = self.store.list_with_delimiter(Some(&prefix)).await.map_err(StoreError::io("list", relative))?;
        let folders = listed.common_prefixes.iter().map(|path| (path, true));
        let files = listed.objects.iter().map(|object| (&object.location, false));
        let mut names: Vec<_> =
            folders.chain(files).filter_map(|(path, kind)| Some((path.filename()?.to_owned(), kind))).collect();
        names.sort();
        Ok(names)
    }

    /// All files below a folder with their sizes and times.
    pub(super) async fn walk(&self, relative: &str) -> Result<Vec<local::Found>, StoreError> {
        if let Some(path) = self.disk(relative) {
            return blocking(move || local::walk(&path)).await;
        }
        let prefix = self.path(relative);
        let base = prefix.as_ref().len() + 1;
        let listed = self.store.list(Some(&prefix)).map(|object| {
            object.map(|object| local::Found {
                path: object.location.as_ref().get(base..).unwrap_or_default().to_owned(),
                size: object.size,
                modified: object.last_modified.into(),
            })
        });
        listed.try_collect().await.map_err(StoreError::io("list", relative))
    }

    /// Stops here if a test asked for it.
    pub(super) fn failpoint(&self, point: FailPoint) -> Result<(), StoreError> {
        match self.options.failpoint {
            Some(wish) if wish.point == point => match wish.action {
                FailAction::Abort => std::process::abort(),
                FailAction::Error => Err(StoreError::Failpoint(point.as_str().to_owned())),
            },
            _ => Ok(()),
        }
    }

    /// Remembers files that were staged.
    pub(super) fn note_staged(&self, relation: &Relation, files: &[Arc<DataFile>]) {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        staged.extend(files.iter().map(|file| self.file_path(relation, file).to_string()));
    }

    /// Forgets files that were staged; returns those that were.
    pub(super) fn take_staged(&self, relation: &Relation, files: &[Arc<DataFile>]) -> Vec<Arc<DataFile>> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().filter(|file| staged.remove(self.file_path(relation, file).as_ref())).map(Arc::clone).collect()
    }

    /// Forgets all files that were staged; returns their paths within the object store.
    pub(super) fn take_all_staged(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.staged.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A version of a table that was read before: versions never change.
    pub(super) fn cached_state(&self, key: &RelationKey, version: u64) -> Option<Arc<TableState>> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&(key.clone(), version)).map(Arc::clone)
    }

    /// Remembers a version of a table.
    pub(super) fn remember_state(&self, key: &RelationKey, state: &Arc<TableState>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert((key.clone(), state.version), Arc::clone(state));
    }

    /// Forgets all versions of a table, because it was created anew.
    pub(super) fn forget_states(&self, key: &RelationKey) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(|(known, _), _| known != key);
    }
}

/// The folder of a table, relative to the warehouse.
pub(super) fn table_folder(key: &RelationKey) -> String {
    // No name of a schema has a point, so the folder of a database can be none of a schema.
    match &key.database {
        None => format!("{}/{}", key.schema, key.identifier),
        Some(database) => format!("{database}{DATABASE_SUFFIX}/{}/{}", key.schema, key.identifier),
    }
}

/// Runs blocking work on the runtime's threads for it.
pub(super) async fn blocking<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The only ways to get here are a panic in the work and a runtime that is shutting down.
        Err(error) => Err(StoreError::io("finish work on", "the warehouse")(error)),
    }
}
