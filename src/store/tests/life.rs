//! The life of a table: created, appended to, overwritten, reshaped, rolled back, dropped.

use std::collections::BTreeMap;

use arrow::array::{
    BinaryArray, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, Int8Array, Int32Array, ListBuilder,
    MapBuilder, StringBuilder, StructArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{Fields, Int32Type, IntervalUnit, TimeUnit};
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _};

use super::super::schema::{schema_from_json, schema_to_json};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_created_appended_overwritten_and_reshaped() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let empty = warehouse.catalog(&name("dev")).await.unwrap();
    assert!(empty.entry().is_none());

    let first = publish(&warehouse, &[("orders", 0..5)]).await.unwrap();
    assert_eq!((first.entry, first.relations), (1, 1));
    assert_eq!(outside(&warehouse, "orders").await, texts(&[orders(0..5)]));
    assert_eq!(inside(&warehouse, "orders").await, texts(&[orders(0..5)]));
    // Three streams with few rows are one file.
    assert_eq!(parquet_files(&folder, "orders"), 1);

    // An append keeps the files that are there.
    let published = first.catalog.get(&relation("orders").key()).unwrap().as_table().unwrap();
    let mut content = TableVersion::clone(&*warehouse.table_at(published).await.unwrap());
    let more = stage(&warehouse, "orders", &[], vec![orders(5..7), orders(7..9)]).await;
    content.files.extend(more.files);
    let second =
        warehouse.publish(&first.catalog, &run_info(), vec![change(content, Operation::Append)]).await.unwrap();
    assert_eq!(outside(&warehouse, "orders").await, texts(&[orders(0..9)]));

    // Columns may change with the rows; an empty table keeps its columns.
    let other = RecordBatch::try_from_iter([("other", Arc::new(StringArray::from(vec!["x"])) as ArrayRef)]).unwrap();
    let content = stage(&warehouse, "orders", &[], vec![other.clone()]).await;
    let third =
        warehouse.publish(&second.catalog, &run_info(), vec![change(content, Operation::Overwrite)]).await.unwrap();
    assert_eq!(outside(&warehouse, "orders").await, texts(std::slice::from_ref(&other)));
    let content = stage(&warehouse, "orders", &[], vec![other.slice(0, 0)]).await;
    assert!(content.files.is_empty());
    let fourth =
        warehouse.publish(&third.catalog, &run_info(), vec![change(content, Operation::Overwrite)]).await.unwrap();
    assert_eq!(outside(&warehouse, "orders").await, Vec::<String>::new());

    // Nothing to change is no new version, and facts alone need no files.
    let content = stage(&warehouse, "orders", &[], vec![other.slice(0, 0)]).await;
    let keep = KeepChange { key: relation("orders").key(), fingerprint: "f2".to_owned(), tests: Vec::new() };
    let fifth =
        warehouse.publish(&fourth.catalog, &run_info(), vec![change(content, Operation::Overwrite)]).await.unwrap();
    let sixth = warehouse.publish(&fifth.catalog, &run_info(), vec![Change::Keep(keep)]).await.unwrap();
    let published = sixth.catalog.get(&relation("orders").key()).unwrap().as_table().unwrap();
    assert_eq!((published.version, published.common.published_in), (3, 5));
    assert_eq!(published.common.fingerprint, "f2");

    // A fresh process reads the very same, at each entry.
    let fresh = open(&folder);
    assert_eq!(fresh.entries(&name("dev")).await.unwrap(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(fresh.environments().await.unwrap(), [name("dev")]);
    for (number, known) in [(1, &first), (2, &second), (3, &third), (4, &fourth), (6, &sixth)] {
        let catalog = fresh.catalog_at(&name("dev"), number).await.unwrap();
        assert_eq!(catalog.entry(), known.catalog.entry());
        let table = catalog.get(&relation("orders").key()).unwrap().as_table().unwrap();
        let (here, there) = (fresh.table_at(table).await.unwrap(), warehouse.table_at(table).await.unwrap());
        assert_eq!((&here.schema, &here.files, here.version), (&there.schema, &there.files, there.version));
        assert_eq!(here.content_hash(), table.content_hash);
        assert!(fresh.verify(&here).await.unwrap().is_empty());
        // Our own way of reading a short log and the library's agree.
        let by_library = fresh.load_with_library(&relation("orders"), table.version).await.unwrap();
        let by_replay = fresh.replay(&relation("orders"), table.version).await.unwrap().unwrap();
        assert_eq!(format!("{by_library:?}"), format!("{by_replay:?}"));
    }

    // Rollback makes a new entry with the old content, for all readers.
    let target = fresh.catalog_at(&name("dev"), 2).await.unwrap();
    let changes = fresh.rollback_changes(&sixth.catalog, &target).await.unwrap();
    let back = fresh.publish(&sixth.catalog, &run_info(), changes).await.unwrap();
    assert_eq!(back.entry, 7);
    assert_eq!(outside(&fresh, "orders").await, texts(&[orders(0..9)]));
    assert_eq!(inside(&fresh, "orders").await, texts(&[orders(0..9)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_carries_the_same_life() {
    let warehouse = Warehouse::open("memory:///lake/shop", WarehouseOptions::default()).unwrap();
    publish(&warehouse, &[("a", 0..3), ("b", 0..3)]).await.unwrap();
    let second = publish(&warehouse, &[("a", 0..9)]).await.unwrap();
    assert_eq!(warehouse.entries(&name("dev")).await.unwrap(), [1, 2]);
    let table = second.catalog.get(&relation("a").key()).unwrap().as_table().unwrap();
    let content = warehouse.table_at(table).await.unwrap();
    assert_eq!((content.rows(), content.version), (9, Some(1)));
    let by_library = warehouse.load_with_library(&relation("a"), 1).await.unwrap();
    assert_eq!(by_library.content.files, content.files);
    assert!(warehouse.verify(&content).await.unwrap().is_empty());
    assert!(warehouse.recover(&second.catalog, &run_info()).await.unwrap().restored.is_empty());

    // An old base is refused; staged files that nobody wants can be taken away.
    let first = warehouse.catalog_at(&name("dev"), 1).await.unwrap();
    let staged = stage(&warehouse, "a", &[], vec![orders(0..1)]).await;
    let error = warehouse.publish(&first, &run_info(), vec![change(staged, Operation::Overwrite)]).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    let later = Utc::now() + chrono::Duration::seconds(5);
    assert!(warehouse.orphans(std::time::Duration::ZERO, later).await.unwrap().is_empty());
    stage(&warehouse, "a", &[], vec![orders(0..1)]).await;
    let orphans = warehouse.orphans(std::time::Duration::ZERO, later).await.unwrap();
    assert_eq!(orphans.len(), 1);
    warehouse.remove_orphans(&orphans).await.unwrap();
    assert!(warehouse.orphans(std::time::Duration::ZERO, later).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn views_come_and_go_and_names_may_change_kind() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let first = publish(&warehouse, &[("orders", 0..5), ("gone", 0..2)]).await.unwrap();
    // A view keeps types that no table can have.
    let types = vec![
        Field::new("span", DataType::Interval(IntervalUnit::MonthDayNano), true),
        Field::new("at", DataType::Time64(TimeUnit::Nanosecond), false),
    ];
    let view = |table: &str| {
        Change::View(ViewChange {
            relation: relation(table),
            schema: Arc::new(Schema::new(types.clone())),
            sql: "select 1 -- \"quoted\" 'text'\n".to_owned(),
            depends_on: vec![RelationKey::new("gold", "orders")],
            deferred: BTreeMap::from([(RelationKey::new("gold", "orders"), "prod".to_owned())]),
            node_id: NodeId::new("model.shop.v"),
            fingerprint: "v1".to_owned(),
            tests: Vec::new(),
        })
    };
    let changes = vec![view("v"), view("Orders"), Change::Drop(relation("gone").key())];
    let second = warehouse.publish(&first.catalog, &run_info(), changes).await.unwrap();
    let fresh = open(&folder).catalog(&name("dev")).await.unwrap();
    assert_eq!(fresh.entry(), second.catalog.entry());
    assert_eq!(fresh.relations().count(), 2);
    assert!(fresh.get(&relation("orders").key()).unwrap().as_table().is_none());
    assert_eq!(fresh.get(&relation("v").key()).unwrap().schema().fields(), &Fields::from(types));
    // Back to tables: the logs that stayed behind are ours and go on.
    let third = publish(&warehouse, &[("orders", 10..12), ("gone", 3..4)]).await.unwrap();
    assert_eq!(third.catalog.tables().map(|table| table.version).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(outside(&warehouse, "orders").await, texts(&[orders(10..12)]));
    assert_eq!(outside(&warehouse, "gone").await, texts(&[orders(3..4)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_separate_files_and_any_value_comes_back() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let base = warehouse.catalog(&name("dev")).await.unwrap();
    let content = stage(&warehouse, "parts", &["region", "day"], vec![orders(0..20), orders(20..40)]).await;
    assert_eq!(content.files.len(), 4);
    let folders: Vec<_> = content.files.iter().map(|file| file.path.rsplit_once('/').unwrap().0).collect();
    assert!(folders.contains(&"region=__HIVE_DEFAULT_PARTITION__/day=2024-10-04"), "{folders:?}");
    assert!(folders.contains(&"region=north-west--/day=2024-10-04"), "{folders:?}");
    let published = warehouse.publish(&base, &run_info(), vec![change(content, Operation::Overwrite)]).await.unwrap();
    let expected = texts(&[orders(0..40)]);
    assert_eq!(outside(&warehouse, "parts").await, expected);
    assert_eq!(inside(&open(&folder), "parts").await, expected);

    // Replacing one partition: the others' files stay.
    let table = published.catalog.get(&relation("parts").key()).unwrap().as_table().unwrap();
    let by_library = warehouse.load_with_library(&relation("parts"), 0).await.unwrap();
    let mut content = TableVersion::clone(&*open(&folder).table_at(table).await.unwrap());
    assert_eq!(by_library.content.files, content.files);
    content.files.retain(|file| file.partition_values["region"].as_deref() != Some("süd"));
    let changes = vec![change(content, Operation::Merge)];
    let published = warehouse.publish(&published.catalog, &run_info(), changes).await.unwrap();
    let expected: Vec<_> = expected.into_iter().filter(|row| !row.contains("süd")).collect();
    assert_eq!(outside(&warehouse, "parts").await, expected);

    // An empty text cannot be a partition's value; other partition columns need all rows anew.
    let batch = RecordBatch::try_from_iter([
        ("a", Arc::new(StringArray::from(vec!["", "x"])) as ArrayRef),
        ("b", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
    ]);
    let batch = batch.unwrap();
    let request = WriteRequest {
        relation: relation("texts"),
        schema: batch.schema(),
        partition_by: vec!["a".to_owned()],
        codec: Codec::None,
        memory: usize::MAX,
    };
    let error = warehouse.write_files(request, streams(vec![batch])).await.unwrap_err();
    assert!(error.to_string().contains("an empty text cannot be told from null"), "{error}");
    let table = published.catalog.get(&relation("parts").key()).unwrap().as_table().unwrap();
    let mut content = TableVersion::clone(&*warehouse.table_at(table).await.unwrap());
    content.partition_by = vec!["day".to_owned()];
    let error =
        warehouse.publish(&published.catalog, &run_info(), vec![change(content, Operation::Append)]).await.unwrap_err();
    assert!(error.to_string().contains("other partition columns"), "{error}");
}

/// One column of each kind of type that can be stored, with a null in each.
fn all_types() -> RecordBatch {
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("a"), None]);
    list.append_null();
    let mut map = MapBuilder::new(None, StringBuilder::new(), arrow::array::Int64Builder::new());
    map.keys().append_value("k");
    map.values().append_value(7);
    map.append(true).unwrap();
    map.append(false).unwrap();
    let inner: ArrayRef =
        Arc::new(Decimal128Array::from(vec![Some(12_345), None]).with_precision_and_scale(38, 4).unwrap());
    let record = StructArray::try_from(vec![("amount", inner)]).unwrap();
    let zoned =
        |zone: &str| TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None]).with_timezone(zone);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("tiny", Arc::new(Int8Array::from(vec![Some(-128), None]))),
        ("number", Arc::new(Int32Array::from(vec![Some(i32::MIN), None]))),
        ("unsigned", Arc::new(UInt64Array::from(vec![Some(7), None]))),
        ("real", Arc::new(Float64Array::from(vec![Some(f64::NAN), None]))),
        ("text", Arc::new(StringArray::from(vec![Some("z".repeat(300).as_str()), None]))),
        ("word", Arc::new(vec![Some("x"), None].into_iter().collect::<DictionaryArray<Int32Type>>())),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(b"\x00\xff".as_slice()), None]))),
        ("price", Arc::new(Decimal128Array::from(vec![Some(-1_999), None]).with_precision_and_scale(15, 2).unwrap())),
        (
            "huge",
            Arc::new(Decimal128Array::from(vec![Some(i128::MAX / 10), None]).with_precision_and_scale(38, 0).unwrap()),
        ),
        ("day", Arc::new(Date32Array::from(vec![Some(-1), None]))),
        ("at", Arc::new(zoned("UTC"))),
        ("elsewhere", Arc::new(zoned("+02:00"))),
        ("local", Arc::new(TimestampNanosecondArray::from(vec![Some(1_700_000_000_123_456_789), None]))),
        ("list", Arc::new(list.finish())),
        ("map", Arc::new(map.finish())),
        ("record", Arc::new(record)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_types_and_their_statistics_come_back() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let base = warehouse.catalog(&name("dev")).await.unwrap();
    let content = stage(&warehouse, "types", &[], vec![all_types()]).await;
    let schema = Arc::clone(&content.schema);
    let staged = rows_of(&warehouse, &content);
    assert_eq!(staged.len(), 2);
    assert!(staged[0].contains("local=2023-11-14T22:13:20.123456 "), "{staged:?}");
    assert!(staged[0].contains("elsewhere=2023-11-14T22:13:20.123456Z "), "{staged:?}");
    let columns = &content.files[0].statistics.columns;
    let bounds = columns.iter().map(|(name, column)| {
        assert_eq!(column.null_count, Some(1), "{name}");
        let text = |bound: &Option<serde_json::Value>| bound.as_ref().map_or("?".to_owned(), ToString::to_string);
        format!("{name}: {} to {}", text(&column.min), text(&column.max))
    });
    insta::assert_snapshot!(bounds.collect::<Vec<_>>().join("\n"), @r#"
    flag: ? to ?
    tiny: -128 to -128
    number: -2147483648 to -2147483648
    unsigned: 7 to 7
    real: ? to ?
    text: "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz" to "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz{"
    word: "x" to "x"
    bytes: ? to ?
    price: -19.99 to -19.99
    huge: ? to ?
    day: "1969-12-31" to "1969-12-31"
    at: "2023-11-14T22:13:20.123Z" to "2023-11-14T22:13:20.124Z"
    elsewhere: "2023-11-14T22:13:20.123Z" to "2023-11-14T22:13:20.124Z"
    local: "2023-11-14T22:13:20.123" to "2023-11-14T22:13:20.124"
    "#);
    warehouse.publish(&base, &run_info(), vec![change(content.clone(), Operation::Overwrite)]).await.unwrap();
    assert_eq!(outside(&warehouse, "types").await, staged);
    let fresh = open(&folder);
    assert_eq!(inside(&fresh, "types").await, staged);
    let catalog = fresh.catalog(&name("dev")).await.unwrap();
    let table = catalog.get(&relation("types").key()).unwrap().as_table().unwrap();
    assert_eq!(table.common.schema, schema);
    let read = fresh.table_at(table).await.unwrap();
    assert_eq!(read.schema, schema);
    assert_eq!(read.files, content.files);
    let by_library = fresh.load_with_library(&relation("types"), 0).await.unwrap();
    assert_eq!((&by_library.content.files, &by_library.content.schema), (&read.files, &read.schema));
}

#[test]
fn storable_schemas_are_fixed_points_of_storage() {
    let stored = storable_schema(&all_types().schema()).unwrap();
    assert_eq!(storable_schema(&stored).unwrap(), stored);
    let kernel: StructType = stored.as_ref().try_into_kernel().unwrap();
    let back: Schema = (&kernel).try_into_arrow().unwrap();
    assert_eq!(&back, stored.as_ref());
}

#[test]
fn all_problems_of_a_schema_are_reported() {
    let fields = vec![
        Field::new("", DataType::Int64, true),
        Field::new("id", DataType::Int64, true),
        Field::new("ID", DataType::Int64, true),
        Field::new("at", DataType::Time32(TimeUnit::Second), true),
        Field::new("big", DataType::Decimal256(50, 2), true),
        Field::new(
            "inner",
            DataType::Struct(vec![Field::new("span", DataType::Duration(TimeUnit::Second), true)].into()),
            true,
        ),
    ];
    let problems = storable_schema(&Schema::new(fields)).unwrap_err();
    let lines: Vec<_> = problems.iter().map(|found| format!("{}: {}", found.column, found.problem)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    : a column must have a name
    ID: the name differs from `id` only in case
    at: the type Time32(s) cannot be stored; cast it, to text perhaps
    big: the type Decimal256(50, 2) has more than 38 digits
    inner: `span`: the type Duration(s) cannot be stored; cast it, to text perhaps
    ");
}

#[test]
fn every_type_of_a_query_survives_json() {
    let element = Arc::new(Field::new("item", DataType::Utf8View, false));
    let entries = Fields::from(vec![Field::new("k", DataType::Int64, false), Field::new("v", DataType::Null, true)]);
    let mut types = vec![
        DataType::Boolean,
        DataType::UInt8,
        DataType::Float16,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::BinaryView,
        DataType::FixedSizeBinary(16),
        DataType::Date64,
        DataType::Time32(TimeUnit::Millisecond),
        DataType::Duration(TimeUnit::Nanosecond),
        DataType::Interval(IntervalUnit::YearMonth),
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        DataType::Timestamp(TimeUnit::Second, Some("Europe/Berlin".into())),
        DataType::Decimal32(9, -2),
        DataType::Decimal64(18, 3),
        DataType::Decimal128(38, 38),
        DataType::Decimal256(76, 10),
        DataType::ListView(Arc::clone(&element)),
        DataType::LargeList(Arc::clone(&element)),
        DataType::FixedSizeList(Arc::clone(&element), 3),
        DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries.clone()), false)), true),
        DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::LargeBinary)),
        DataType::RunEndEncoded(Arc::new(Field::new("run_ends", DataType::Int32, false)), element),
    ];
    types.extend(all_types().schema().fields().iter().map(|field| field.data_type().clone()));
    let mut fields: Vec<_> = types
        .into_iter()
        .enumerate()
        .map(|(index, data_type)| Field::new(format!("c{index}"), data_type, index % 2 == 0))
        .collect();
    fields[0] = fields[0].clone().with_metadata([("note".to_owned(), "ä\"".to_owned())].into());
    let schema = Schema::new(fields);
    let text = schema_to_json(&schema).to_string();
    assert_eq!(*schema_from_json(&serde_json::from_str(&text).unwrap()).unwrap(), schema);
    assert!(schema_from_json(&serde_json::json!([{"name": "a", "type": ["decimal128", 300, 0]}])).is_err());
}
