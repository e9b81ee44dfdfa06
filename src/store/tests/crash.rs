//! What others do to us: crashes at each step, two runs at once, commits of other programs.

use std::path::Path;

use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::operations::write::WriteBuilder;
use deltalake_core::protocol::SaveMode;

use super::*;

/// Another program appends rows to a table of the warehouse, or creates it.
async fn append_as_a_stranger(warehouse: &Warehouse, table: &str, batch: RecordBatch) {
    let url = warehouse.table_url(&relation(table));
    std::fs::create_dir_all(url.to_file_path().unwrap()).unwrap();
    let mut delta = DeltaTableBuilder::from_url(url).unwrap().build().unwrap();
    let state = if delta.load().await.is_ok() { Some(delta.snapshot().unwrap().snapshot().clone()) } else { None };
    WriteBuilder::new(delta.log_store(), state)
        .with_input_batches([batch])
        .with_save_mode(SaveMode::Append)
        .with_commit_properties(CommitProperties::default())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_leaves_the_old_state_or_the_new_one() {
    let points = [
        FailPoint::AfterStage,
        FailPoint::AfterSync,
        FailPoint::BetweenCommits,
        FailPoint::AfterCommits,
        FailPoint::AfterEntry,
    ];
    for point in points {
        let folder = TempDir::new().unwrap();
        let warehouse = open(&folder);
        publish(&warehouse, &[("a", 0..3), ("b", 0..4)]).await.unwrap();
        let error =
            publish(&failing_at(&folder, point), &[("a", 10..12), ("b", 10..13), ("c", 0..1)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Failpoint(_)), "{error}");

        // Whoever reads through karat sees all of the old state or all of the new one.
        let is_new = point == FailPoint::AfterEntry;
        let (a, b) = if is_new { (10..12, 10..13) } else { (0..3, 0..4) };
        let next = open(&folder);
        assert_eq!(inside(&next, "a").await, texts(&[orders(a.clone())]), "{point:?}");
        assert_eq!(inside(&next, "b").await, texts(&[orders(b.clone())]), "{point:?}");

        // The next run's recovery gives the others the same, once.
        let catalog = next.catalog(&name("dev")).await.unwrap();
        let recovered = next.recover(&catalog, &run_info()).await.unwrap();
        let expected = match point {
            FailPoint::BetweenCommits => 1,
            FailPoint::AfterCommits => 2,
            _ => 0,
        };
        assert_eq!((recovered.restored.len(), recovered.foreign.len()), (expected, 0), "{point:?}");
        assert_eq!(outside(&next, "a").await, texts(&[orders(a)]), "{point:?}");
        assert_eq!(outside(&next, "b").await, texts(&[orders(b)]), "{point:?}");
        assert!(next.recover(&catalog, &run_info()).await.unwrap().restored.is_empty());

        // The same run again ends where it would have ended without the crash, nothing doubled.
        publish(&next, &[("a", 10..12), ("b", 10..13), ("c", 0..1)]).await.unwrap();
        for (table, ids) in [("a", 10..12), ("b", 10..13), ("c", 0..1)] {
            assert_eq!(inside(&next, table).await, texts(&[orders(ids.clone())]), "{point:?}");
            assert_eq!(outside(&next, table).await, texts(&[orders(ids)]), "{point:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_recovery_the_next_publication_repairs_by_itself() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let first = publish(&warehouse, &[("a", 0..3)]).await.unwrap();
    publish(&failing_at(&folder, FailPoint::AfterCommits), &[("a", 3..9)]).await.unwrap_err();
    // An append knows the pinned content only; the crashed commit's rows must not come with it.
    let table = first.catalog.get(&relation("a").key()).unwrap().as_table().unwrap();
    let mut content = TableVersion::clone(&*warehouse.table_at(table).await.unwrap());
    content.files.extend(stage(&warehouse, "a", &[], vec![orders(3..4)]).await.files);
    warehouse.publish(&first.catalog, &run_info(), vec![change(content, Operation::Append)]).await.unwrap();
    assert_eq!(outside(&warehouse, "a").await, texts(&[orders(0..4)]));
    assert_eq!(inside(&warehouse, "a").await, texts(&[orders(0..4)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_from_one_state_the_second_is_refused() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (open(&folder), open(&folder));
    let base = publish(&one, &[("a", 0..3)]).await.unwrap().catalog;
    let append = async |warehouse: &Warehouse, ids| {
        let table = base.get(&relation("a").key()).unwrap().as_table().unwrap();
        let mut content = TableVersion::clone(&*warehouse.table_at(table).await.unwrap());
        content.files.extend(stage(warehouse, "a", &[], vec![orders(ids)]).await.files);
        change(content, Operation::Append)
    };
    // One after the other: the newer entry is seen before anything is touched.
    let (first, second) = (append(&one, 3..5).await, append(&two, 3..5).await);
    one.publish(&base, &run_info(), vec![first]).await.unwrap();
    let error = two.publish(&base, &run_info(), vec![second]).await.unwrap_err();
    assert!(matches!(error, StoreError::EntryTaken { found: 2, .. }) && error.is_conflict(), "{error}");
    assert_eq!(outside(&one, "a").await, texts(&[orders(0..5)]));

    // At the same moment, again and again: exactly one wins, and its rows are there once.
    for round in 0..10_i64 {
        let base = one.catalog(&name("dev")).await.unwrap();
        let ids = 100 * round..100 * round + 3;
        let (first, second) = (
            change(stage(&one, "a", &[], vec![orders(ids.clone())]).await, Operation::Overwrite),
            change(stage(&two, "a", &[], vec![orders(ids.clone())]).await, Operation::Overwrite),
        );
        let (run_one, run_two) = (run_info(), run_info());
        let (left, right) =
            tokio::join!(one.publish(&base, &run_one, vec![first]), two.publish(&base, &run_two, vec![second]));
        assert_eq!(usize::from(left.is_ok()) + usize::from(right.is_ok()), 1, "{left:?} {right:?}");
        let error = left.err().or(right.err()).unwrap();
        assert!(error.is_conflict(), "{error}");
        assert_eq!(inside(&one, "a").await, texts(&[orders(ids.clone())]));
        assert_eq!(outside(&one, "a").await, texts(&[orders(ids)]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_of_others_is_never_overwritten() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let base = publish(&warehouse, &[("a", 0..3), ("b", 0..3)]).await.unwrap().catalog;
    append_as_a_stranger(&warehouse, "a", orders(50..52)).await;
    append_as_a_stranger(&warehouse, "theirs", orders(0..1)).await;

    // All refusals are reported, and no table is touched.
    let error = publish(&warehouse, &[("a", 5..6), ("b", 5..6), ("theirs", 5..6)]).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`gold.a` has a commit that karat did not make: version 1 by delta-rs"), "{text}");
    assert!(text.contains("`gold.theirs` has a commit that karat did not make: version 0"), "{text}");
    assert_eq!(outside(&warehouse, "b").await, texts(&[orders(0..3)]));
    assert_eq!(outside(&warehouse, "a").await, texts(&[orders(0..3), orders(50..52)]));
    assert_eq!(inside(&warehouse, "a").await, texts(&[orders(0..3)]));
    let recovered = warehouse.recover(&base, &run_info()).await.unwrap();
    assert_eq!(recovered.foreign.iter().map(|foreign| foreign.version).collect::<Vec<_>>(), [1]);

    // Another environment with the same folder is refused as well.
    let other = warehouse.catalog(&name("prod")).await.unwrap();
    let content = stage(&warehouse, "b", &[], vec![orders(9..10)]).await;
    let error = warehouse.publish(&other, &run_info(), vec![change(content, Operation::Overwrite)]).await.unwrap_err();
    assert!(matches!(&error, StoreError::OtherEnvironment { owner, .. } if owner == "dev"), "{error}");

    // A folder that was replaced is noticed, one that was removed is made anew.
    let path = |table: &str| folder.path().join("warehouse/gold").join(table);
    std::fs::remove_dir_all(path("b")).unwrap();
    append_as_a_stranger(&warehouse, "b", orders(0..1)).await;
    let error = publish(&open(&folder), &[("b", 5..6)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Replaced { .. }), "{error}");
    std::fs::remove_dir_all(path("b")).unwrap();
    let table = base.get(&relation("b").key()).unwrap().as_table().unwrap();
    let error = open(&folder).table_at(table).await.unwrap_err();
    assert!(matches!(&error, StoreError::Missing { path, .. } if path == "gold/b"), "{error}");
    publish(&warehouse, &[("b", 5..6)]).await.unwrap();
    assert_eq!(inside(&warehouse, "b").await, texts(&[orders(5..6)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_logs_are_named() {
    let folder = TempDir::new().unwrap();
    let catalog = publish(&open(&folder), &[("a", 0..3)]).await.unwrap().catalog;
    publish(&open(&folder), &[("a", 0..4)]).await.unwrap();
    let root = folder.path().join("warehouse");
    let damage = |path: &str, content: &[u8]| std::fs::write(root.join(path), content).unwrap();
    damage("gold/a/_delta_log/00000000000000000000.json", b"{\"add\":{\"path\":");
    let table = catalog.get(&relation("a").key()).unwrap().as_table().unwrap();
    let error = open(&folder).table_at(table).await.unwrap_err();
    assert!(error.to_string().starts_with("`gold/a/_delta_log/00000000000000000000.json` is damaged: "), "{error}");

    let entry = "_karat/env/dev/00000000000000000002.json";
    for (content, expected) in [
        ("{\"format\": 1, \"entry\"", "`_karat/env/dev/00000000000000000002.json` is damaged: "),
        ("", "`_karat/env/dev/00000000000000000002.json` is damaged: "),
        ("{\"format\": 99}", "has format 99; this karat reads formats up to 1"),
    ] {
        damage(entry, content.as_bytes());
        let error = open(&folder).catalog(&name("dev")).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }

    // Half a data file is noticed before it is committed.
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let content = stage(&warehouse, "a", &[], vec![orders(0..9)]).await;
    let path = warehouse.file_url(&content.relation, &content.files[0]).to_file_path().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let base = warehouse.catalog(&name("dev")).await.unwrap();
    let error = warehouse.publish(&base, &run_info(), vec![change(content, Operation::Overwrite)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(!Path::exists(&folder.path().join("warehouse/gold/a/_delta_log")));
    // What was staged is gone again, and what is published cannot be discarded.
    assert_eq!(parquet_files(&folder, "a"), 0);
    let catalog = publish(&warehouse, &[("a", 0..3)]).await.unwrap().catalog;
    let table = catalog.get(&relation("a").key()).unwrap().as_table().unwrap();
    let content = warehouse.table_at(table).await.unwrap();
    warehouse.discard(&content.relation, &content.files).await;
    assert_eq!(outside(&warehouse, "a").await, texts(&[orders(0..3)]));
}
