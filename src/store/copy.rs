//! Copies of tables without copying their rows: a table of one environment becomes a table of another.
//!
//! Files of a table are never changed, so on one disk the copy links to the same files under names of its own: neither
//! table notices what becomes of the other, and the bytes are there until both have let go of them. Where a link is not
//! possible the bytes are copied. To everybody else the copy is a Delta table like any other.

use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt as _;
use object_store::{ObjectStoreExt as _, WriteMultipart};

use crate::base::clock::unique_id;
use crate::manifest::relation::Relation;
use crate::store::error::StoreError;
use crate::store::local;
use crate::store::table::{DataFile, TableVersion};
use crate::store::warehouse::{CONCURRENCY, Warehouse, blocking, table_folder};

impl Warehouse {
    /// Stages the content of a table, of this warehouse or another, as new content of a relation of this warehouse.
    pub async fn stage_copy(
        &self,
        from: &Self,
        content: &TableVersion,
        relation: &Relation,
    ) -> Result<TableVersion, StoreError> {
        let mut files = Vec::with_capacity(content.files.len());
        for (index, file) in content.files.iter().enumerate() {
            let folder = file.path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
            let path = format!("{folder}part-{index:05}-00000-{}.parquet", unique_id());
            let copy = Arc::new(DataFile { path, ..file.as_ref().clone() });
            // Noted first: what a failure leaves half done is removed with the rest.
            self.note_staged(relation, std::slice::from_ref(&copy));
            self.copy_file(from, &content.relation, file, relation, &copy).await?;
            files.push(copy);
        }
        Ok(TableVersion {
            relation: relation.clone(),
            schema: Arc::clone(&content.schema),
            partition_by: content.partition_by.clone(),
            files,
            version: None,
            docs: content.docs.clone(),
        })
    }

    async fn copy_file(
        &self,
        from: &Self,
        source: &Relation,
        file: &DataFile,
        target: &Relation,
        copy: &DataFile,
    ) -> Result<(), StoreError> {
        let place = |warehouse: &Self, relation: &Relation, file: &DataFile| {
            warehouse.disk(&format!("{}/{}", table_folder(&relation.key()), file.path))
        };
        if let (Some(old), Some(new)) = (place(from, source, file), place(self, target, copy)) {
            return link(old, new).await;
        }
        let (old, new) = (from.file_path(source, file), self.file_path(target, copy));
        if from.object_store_url() == self.object_store_url() {
            return self.object_store().copy(&old, &new).await.map_err(StoreError::io("copy", &old));
        }
        let found = from.object_store().get(&old).await.map_err(StoreError::io("read", &old))?;
        let mut bytes = found.into_stream();
        let upload = self.object_store().put_multipart(&new).await.map_err(StoreError::io("write", &new))?;
        let mut writer = WriteMultipart::new(upload);
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(StoreError::io("read", &old))?;
            writer.wait_for_capacity(CONCURRENCY).await.map_err(StoreError::io("write", &new))?;
            writer.put(chunk);
        }
        writer.finish().await.map(|_| ()).map_err(StoreError::io("write", &new))
    }
}

async fn link(old: PathBuf, new: PathBuf) -> Result<(), StoreError> {
    blocking(move || local::link(&old, &new).map_err(StoreError::io("copy", old.display()))).await
}
