//! Delta tables that others keep: read as they are now, never written.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use deltalake_core::DeltaTableError;
use url::Url;

use crate::store::error::StoreError;

/// The current version of the Delta table at an absolute folder or URL; `None` if there is no table.
pub async fn foreign_table(location: &str) -> Result<Option<Arc<dyn TableProvider>>, StoreError> {
    let wrong = |problem: &str| StoreError::Location { location: location.to_owned(), problem: problem.to_owned() };
    let url = match Url::parse(location) {
        Ok(url) => url,
        Err(_) => {
            Url::from_directory_path(location).map_err(|()| wrong("it is neither an absolute folder nor a URL"))?
        }
    };
    match deltalake_core::open_table(url).await {
        Ok(table) => {
            let provider = table.table_provider().await;
            provider.map(Some).map_err(StoreError::io("read the Delta table", location))
        }
        Err(DeltaTableError::NotATable(_)) => Ok(None),
        Err(error) => Err(StoreError::io("read the Delta table", location)(error)),
    }
}
