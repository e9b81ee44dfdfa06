//! Copies of tables: on one disk, from a disk to an object store, within an object store.

use super::*;

/// Publishes a copy of a table of one warehouse as a table of another.
async fn publish_copy(from: &Warehouse, table: &str, to: &Warehouse, copy: &str) -> TableVersion {
    let catalog = from.catalog(&name("dev")).await.unwrap();
    let published = catalog.get(&relation(table).key()).unwrap().as_table().unwrap();
    let content = from.table_at(published).await.unwrap();
    let staged = to.stage_copy(from, &content, &relation(copy)).await.unwrap();
    let base = to.catalog(&name("dev")).await.unwrap();
    to.publish(&base, &run_info(), vec![change(staged.clone(), Operation::Overwrite)]).await.unwrap();
    assert_eq!((staged.rows(), staged.content_hash()), (content.rows(), content.content_hash()));
    assert!(staged.files.iter().all(|file| content.files.iter().all(|old| old.path != file.path)));
    staged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_a_table_of_its_own() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (from, to) = (open(&here), open(&there));
    let content = stage(&from, "orders", &["day"], vec![orders(0..5)]).await;
    let base = from.catalog(&name("dev")).await.unwrap();
    from.publish(&base, &run_info(), vec![change(content, Operation::Overwrite)]).await.unwrap();
    publish_copy(&from, "orders", &to, "copied").await;
    assert_eq!(outside(&to, "copied").await, texts(&[orders(0..5)]));
    // The original goes, the copy stays; and a copy of a copy in the same warehouse.
    std::fs::remove_dir_all(here.path().join("warehouse")).unwrap();
    publish_copy(&to, "copied", &to, "again").await;
    assert_eq!(inside(&to, "copied").await, texts(&[orders(0..5)]));
    assert_eq!(outside(&to, "again").await, texts(&[orders(0..5)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_nobody_publishes_go_with_the_run() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let published = publish(&warehouse, &[("orders", 0..5)]).await.unwrap();
    let table = published.catalog.get(&relation("orders").key()).unwrap().as_table().unwrap();
    let content = warehouse.table_at(table).await.unwrap();
    warehouse.stage_copy(&warehouse, &content, &relation("copied")).await.unwrap();
    assert_eq!(parquet_files(&folder, "copied"), content.files.len());
    warehouse.discard_staged().await;
    assert_eq!(parquet_files(&folder, "copied"), 0);
    assert_eq!(inside(&warehouse, "orders").await, texts(&[orders(0..5)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_copied_where_links_cannot_be() {
    let folder = TempDir::new().unwrap();
    let from = open(&folder);
    publish(&from, &[("orders", 0..5)]).await.unwrap();
    let to = Warehouse::open("memory:///lake/shop", WarehouseOptions::default()).unwrap();
    let staged = publish_copy(&from, "orders", &to, "copied").await;
    assert!(to.verify(&staged).await.unwrap().is_empty());
    let again = publish_copy(&to, "copied", &to, "again").await;
    assert!(to.verify(&again).await.unwrap().is_empty());
}
