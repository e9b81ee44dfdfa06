//! The floor: what DataFusion alone takes to read and write the same rows with the same settings.

use std::path::Path;

use datafusion::config::TableParquetOptions;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{ParquetReadOptions, SessionContext};

use crate::Result;

/// Rows of a row group, as karat writes them.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// A table of orders: a key, a group, a text, an amount, a time. The version column is what a merge changes.
const ROWS: &str = "select value as id, value % 1000 as customer, 'order-' || cast(value % 100003 as varchar) as name, \
    cast(value * 7919 % 1000003 as double) / 100 as amount, \
    arrow_cast(1700000000000000 + value * 1000000, 'Timestamp(Microsecond, Some(\"UTC\"))') as ordered_at, \
    case when value % 2 = 0 then 'open' else 'closed' end as status, 0 as version from generate_series(1, {rows})";

fn options() -> TableParquetOptions {
    let mut options = TableParquetOptions::default();
    options.global.compression = Some("zstd(1)".to_owned());
    options.global.max_row_group_size = ROW_GROUP_ROWS;
    options
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Makes the file that is copied.
pub fn make(file: &Path, rows: u64) -> Result<()> {
    let file = file.to_str().ok_or("the file's name is no text")?;
    runtime()?.block_on(async {
        let session = SessionContext::new();
        let frame = session.sql(&ROWS.replace("{rows}", &rows.to_string())).await?;
        let how = DataFrameWriteOptions::new().with_single_file_output(true);
        frame.write_parquet(file, how, Some(options())).await?;
        Ok(())
    })
}

/// Reads a file and writes its rows.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let from = from.to_str().ok_or("the file's name is no text")?;
    let to = to.to_str().ok_or("the folder's name is no text")?;
    runtime()?.block_on(async {
        let session = SessionContext::new();
        let frame = session.read_parquet(from, ParquetReadOptions::default()).await?;
        frame.write_parquet(to, DataFrameWriteOptions::new(), Some(options())).await?;
        Ok(())
    })
}
