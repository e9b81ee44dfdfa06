//! Files of every kind, good and bad, through the engine; and the record reader against another reader.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;
use indexmap::IndexMap;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use proptest::prelude::*;

use super::records::{Dialect, Record, RecordReader};
use super::*;
use crate::manifest::source::{ExternalColumn, ExternalSource, FileFormat, MissingFiles, Policy};

struct NoDelta;

#[async_trait]
impl DeltaOpener for NoDelta {
    async fn open(&self, _: &str) -> Result<Option<Arc<dyn TableProvider>>, Cause> {
        Ok(None)
    }
}

/// A project folder with files in it.
struct Landing {
    folder: tempfile::TempDir,
    bucket: Arc<InMemory>,
}

impl Landing {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), bucket: Arc::new(InMemory::new()) }
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        crate::base::fs::write_atomic(&self.folder.path().join(path), content.as_ref()).unwrap();
        self
    }

    async fn open(&self, spec: &ExternalSource) -> Result<ExternalTable, ExternalError> {
        let bucket = Arc::clone(&self.bucket);
        let stores = move |url: &url::Url| -> Result<Arc<dyn ObjectStore>, Cause> {
            if url.scheme() == "s3" { Ok(Arc::clone(&bucket) as _) } else { Err("no such store".into()) }
        };
        let access = Access { project_root: self.folder.path(), stores: &stores, delta: &NoDelta };
        open_external(spec, access).await
    }

    /// The result of a query over `t`, one line per row, or the error as the user sees it.
    async fn query(&self, spec: &ExternalSource, sql: &str) -> String {
        let table = match self.open(spec).await {
            Ok(table) => table,
            Err(error) => return format!("error: {error}"),
        };
        let context = SessionContext::new();
        context.register_table("t", table.provider).unwrap();
        match context.sql(sql).await.unwrap().collect().await {
            Ok(batches) => lines(&batches).join("\n"),
            Err(error) => match ExternalError::find(&error) {
                Some(found) => format!("error: {found}"),
                None => format!("engine: {error}"),
            },
        }
    }
}

/// Rows as text, values separated by `|`, null as `-`.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
            lines.push(values.join("|"));
        }
    }
    lines
}

fn spec(location: &str, format: FileFormat) -> ExternalSource {
    ExternalSource {
        location: location.to_owned(),
        format,
        options: IndexMap::new(),
        columns: Vec::new(),
        on_new_column: Policy::Warn,
        on_missing_column: Policy::Warn,
        on_type_change: Policy::Warn,
        missing_files: MissingFiles::Fail,
    }
}

fn csv(location: &str) -> ExternalSource {
    spec(location, FileFormat::Csv)
}

fn with(mut spec: ExternalSource, options: &[(&str, &str)], columns: &[(&str, &str)]) -> ExternalSource {
    spec.options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    spec.columns = columns
        .iter()
        .map(|(name, data_type)| ExternalColumn {
            name: (*name).to_owned(),
            data_type: (!data_type.is_empty()).then(|| (*data_type).to_owned()),
        })
        .collect();
    spec
}

/// Every file is either read to exactly these rows or refused with exactly this message.
#[tokio::test]
async fn nasty_csv_files_are_read_rightly_or_refused_with_their_line() {
    let wide: String = (0..3000).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    let long_field = "x".repeat(3 << 20);
    let cases: Vec<(&str, Vec<u8>, String)> = vec![
        ("plain", b"a,b\n1,x\n2,y\n".to_vec(), "1|x|2\n2|y|3".into()),
        ("no final line end", b"a,b\n1,x".to_vec(), "1|x|2".into()),
        ("carriage returns", b"a,b\r\n1,x\r\n2,y\r\n".to_vec(), "1|x|2\n2|y|3".into()),
        ("old line ends", b"a,b\r1,x\r2,y\r".to_vec(), "1|x|2\n2|y|3".into()),
        ("byte order mark", b"\xEF\xBB\xBFa,b\n1,x\n".to_vec(), "1|x|2".into()),
        ("blank lines", b"\n\na,b\n\n1,x\n\n\n2,y\n".to_vec(), "1|x|5\n2|y|8".into()),
        ("line break in quotes", b"a,b\n1,\"x\r\ny\"\n2,z\n".to_vec(), "1|x\r\ny|2\n2|z|4".into()),
        ("doubled quote", b"a,b\n1,\"say \"\"hi\"\"\"\n".to_vec(), "1|say \"hi\"|2".into()),
        ("delimiter in quotes", b"a,b\n1,\"x,y\"\n".to_vec(), "1|x,y|2".into()),
        ("quote within text", b"a,b\n1,5\" pipe\n".to_vec(), "1|5\" pipe|2".into()),
        ("empty is null", b"a,b\n,\n1,\"\"\n".to_vec(), "-|-|2\n1|-|3".into()),
        ("NUL is a character", b"a,b\n1,x\0y\n".to_vec(), "1|x\0y|2".into()),
        ("blanks around header", b" a , b \n1,x\n".to_vec(), "1|x|2".into()),
        ("header only", b"a,b\n".to_vec(), String::new()),
        ("long field", format!("a,b\n1,{long_field}\n").into_bytes(), format!("1|{long_field}|2")),
        ("empty file", b"".to_vec(), "error: `f.csv` is empty: expected at least a header line".into()),
        ("only a mark", b"\xEF\xBB\xBF".to_vec(), "error: `f.csv` is empty: expected at least a header line".into()),
        ("latin-1", b"a,b\n1,caf\xE9\n".to_vec(), "error: f.csv:2: not UTF-8 text: byte 0xe9 in column `b`".into()),
        (
            "utf-16",
            b"\xFF\xFEa\0,\0".to_vec(),
            "error: f.csv:1: not UTF-8 text: the byte order mark says UTF-16".into(),
        ),
        ("ragged, fewer", b"a,b\n1,x\n2\n".to_vec(), "error: f.csv:3: found 1 field, expected 2".into()),
        ("ragged, more", b"a,b\n1,x\n2,y,z\n".to_vec(), "error: f.csv:3: found 3 fields, expected 2".into()),
        (
            "open quote",
            b"a,b\n1,x\n2,\"y\n3,z\n".to_vec(),
            "error: f.csv:3: a quote that begins here is never closed".into(),
        ),
        (
            "text after quote",
            b"a,b\n1,\"x\"y\n".to_vec(),
            "error: f.csv:2: field 2 has text after its closing quote; a quote within a quoted field is written twice"
                .into(),
        ),
        ("twin names", b"a,B,b\n1,2,3\n".to_vec(), "error: f.csv:1: the header has `b` in columns 2 and 3".into()),
        (
            "empty name and twin",
            b"a,,a\n1,2,3\n".to_vec(),
            "error: f.csv:1: column 2 of the header has no name\nf.csv:1: the header has `a` in columns 1 and 3".into(),
        ),
        ("wide and ragged", format!("{wide}\n1\n").into_bytes(), "error: f.csv:2: found 1 field, expected 3000".into()),
    ];
    for (name, content, expected) in cases {
        let landing = Landing::new();
        landing.put("f.csv", content);
        let found = landing.query(&csv("f.csv"), "select a, b, _karat_line from t order by _karat_line").await;
        assert!(found == expected, "{name}: found {found:.300}, expected {expected:.300}");
    }
}

#[tokio::test]
async fn values_are_exact_or_refused_with_their_place() {
    let landing = Landing::new();
    landing.put(
        "f.csv",
        "id,price,day,at,seen,ok,tags,note\n 7 ,12.50,2024-02-29,2024-02-29T10:00:00.123456,2024-02-29 10:00:00+02:00,true,\"[1,2]\",a\n,,,,,,,\n",
    );
    let columns = [
        ("ID", "bigint"),
        ("price", "decimal(18,2)"),
        ("day", "date"),
        ("at", "timestamp"),
        ("seen", "timestamptz"),
        ("ok", "boolean"),
        ("tags", "integer[]"),
        ("note", "varchar"),
    ];
    assert_eq!(
        landing.query(&with(csv("f.csv"), &[], &columns), "select * from t").await,
        "7|12.50|2024-02-29|2024-02-29T10:00:00.123456|2024-02-29T08:00:00Z|true|[1, 2]|a|f.csv|2\n-|-|-|-|-|-|-|-|f.csv|3"
    );
    let bad = [
        ("bigint", "12x"),
        ("bigint", "1.0"),
        ("bigint", "9223372036854775808"),
        ("integer", "3000000000"),
        ("decimal(5,2)", "1.234"),
        ("decimal(5,2)", "1234.5"),
        ("decimal(5,2)", "1,5"),
        ("double", "1.2.3"),
        ("date", "2023-02-29"),
        ("date", "29.02.2024"),
        ("timestamp", "2024-01-01 25:00:00"),
        ("boolean", "maybe"),
        ("integer[]", "[1,"),
        ("integer[]", "[1.5]"),
    ];
    for (data_type, value) in bad {
        landing.put("bad.csv", format!("v\n\n\"{value}\"\n"));
        assert_eq!(
            landing.query(&with(csv("bad.csv"), &[], &[("v", data_type)]), "select v from t").await,
            format!("error: bad.csv:3: column `v`: `{value}` is not a valid {}", data_type.replace(", ", ",")),
        );
    }
    // A column that is not read is not converted.
    landing.put("bad.csv", "v,w\nx,1\n");
    let source = with(csv("bad.csv"), &[], &[("v", "bigint"), ("w", "bigint")]);
    assert_eq!(landing.query(&source, "select w from t").await, "1");
    assert_eq!(landing.query(&source, "select count(*) from t").await, "1");
}

#[tokio::test]
async fn types_are_guessed_from_the_first_rows() {
    let landing = Landing::new();
    landing.put(
        "f.csv",
        "i,n,b,d,t,z,code,long,mixed,none\n1,1.5,true,2024-01-01,2024-01-01 10:00:00,2024-01-01T10:00:00Z,007,12345678901234567890,1,\n\
         -2,3,FALSE,2024-01-02,2024-01-02,2024-01-01T10:00:00+01:00,8,1,x,\n",
    );
    let table = landing.open(&csv("f.csv")).await.unwrap();
    let types: Vec<String> = table
        .provider
        .schema()
        .fields()
        .iter()
        .map(|field| crate::engine::types::sql_type_of(field.data_type()))
        .collect();
    assert_eq!(
        types.join(" "),
        "bigint double boolean date timestamp timestamptz varchar varchar varchar varchar varchar bigint"
    );
    // A guess that a later row refutes is an error that says so; text is always possible.
    landing.put("late.csv", "v\n1\n2\nx\n");
    let late = with(csv("late.csv"), &[("sample_rows", "2")], &[]);
    let message = landing.query(&late, "select v from t").await;
    assert!(
        message.starts_with("error: late.csv:4: column `v`: `x` is not a valid bigint; the type was inferred"),
        "{message}"
    );
    let text = with(csv("late.csv"), &[("sample_rows", "2"), ("all_text", "true")], &[]);
    assert_eq!(landing.query(&text, "select v from t").await, "1\n2\nx");
}

#[tokio::test]
async fn files_differ_as_the_policies_allow() {
    let landing = Landing::new();
    landing.put("in/1.csv", "id,name\n1,a\n").put("in/2.csv", "NAME,ID\nb,2\n").put("in/3.csv", "id,extra\n3,e\n");
    let source = csv("in/*.csv");
    let all = "select * from t order by id";
    // Without declared columns the table has those of all files.
    assert_eq!(landing.query(&source, all).await, "1|a|-|in/1.csv|2\n2|b|-|in/2.csv|2\n3|-|e|in/3.csv|2");
    let warnings = landing.open(&source).await.unwrap().warnings;
    let told: Vec<String> = warnings.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "warning[source-new-column]: `in/3.csv`: column `extra` is new: it is not in `in/1.csv`",
            "warning[source-missing-column]: `in/3.csv`: column `name` is missing: it is in `in/1.csv`",
        ]
    );
    // Names are such that SQL finds them.
    landing.put("names.csv", "ORDER_ID,orderTotal,Ship To,1st\n1,2,3,4\n");
    assert_eq!(
        landing.query(&csv("names.csv"), "select ORDER_ID, orderTotal, \"Ship To\", \"1st\" from t").await,
        "1|2|3|4"
    );
    // With declared columns the table has exactly these.
    let declared = with(csv("in/*.csv"), &[], &[("name", "varchar"), ("id", "integer"), ("later", "date")]);
    assert_eq!(landing.query(&declared, all).await, "a|1|-|in/1.csv|2\nb|2|-|in/2.csv|2\n-|3|-|in/3.csv|2");
    let strict = ExternalSource { on_new_column: Policy::Fail, on_missing_column: Policy::Fail, ..declared };
    assert_eq!(
        landing.query(&strict, all).await,
        "error: `in/1.csv`: column `later` is missing: it is declared\n\
         `in/3.csv`: column `extra` is new: it is not declared\n\
         `in/3.csv`: column `name` is missing: it is declared"
    );
}

#[tokio::test]
async fn locations_are_found_sorted_and_shown() {
    let landing = Landing::new();
    for path in ["d/b.csv", "d/a.csv", "d/x/c.csv", "d/x/.hidden.csv", "d/e.txt", "other/a [1].csv"] {
        landing.put(path, "v\n1\n");
    }
    let outside = Landing::new();
    outside.put("o.csv", "v\n1\n");
    let root = outside.folder.path().display().to_string();
    let cases = [
        ("d/*.csv", "d/a.csv d/b.csv".to_owned()),
        ("./d/../d/{b,a}.csv", "d/a.csv d/b.csv".to_owned()),
        ("d/**/*.csv", "d/a.csv d/b.csv d/x/c.csv".to_owned()),
        ("**/[bc].csv", "d/b.csv d/x/c.csv".to_owned()),
        ("d/?.csv", "d/a.csv d/b.csv".to_owned()),
        ("other/a [[]1].csv", "other/a [1].csv".to_owned()),
        ("d/x/.*.csv", "d/x/.hidden.csv".to_owned()),
        (&format!("{root}/*.csv"), format!("{root}/o.csv")),
        (&format!("file://{root}/o.csv"), format!("{root}/o.csv")),
        ("s3://bucket/in/**/*.csv", "s3://bucket/in/1.csv s3://bucket/in/y/2.csv".to_owned()),
        ("none/*.csv", "error: no file matches `none/*.csv`".to_owned()),
        ("d", "error: `d` is a folder; name its files with a pattern such as `d/**/*`".to_owned()),
        ("", "error: the location `` cannot be used: it is empty".to_owned()),
        (
            "s3://bucket/../x.csv",
            "error: the location `s3://bucket/../x.csv` cannot be used: a URL cannot contain `..`".to_owned(),
        ),
        ("ftp://host/x.csv", "error: cannot open the object store of `ftp://host/x.csv`: no such store".to_owned()),
    ];
    for path in ["in/1.csv", "in/y/2.csv"] {
        landing.bucket.put(&path.into(), "v\n1\n".into()).await.unwrap();
    }
    for (location, expected) in cases {
        let found = match landing.open(&csv(location)).await {
            Ok(table) => table.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>().join(" "),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(found, expected, "{location}");
    }
    assert_eq!(
        landing.query(&csv("s3://bucket/in/**/*.csv"), "select * from t order by 2").await,
        "1|s3://bucket/in/1.csv|2\n1|s3://bucket/in/y/2.csv|2"
    );
    // A location without files is empty where allowed, if its columns are known.
    let mut missing = with(csv("none/*.csv"), &[], &[("v", "bigint")]);
    missing.missing_files = MissingFiles::Warn;
    assert_eq!(landing.query(&missing, "select count(*), sum(v) from t").await, "0|-");
    assert_eq!(landing.open(&missing).await.unwrap().warnings.0.len(), 1);
    missing.columns.clear();
    assert!(landing.query(&missing, "select 1").await.contains("has no columns"));
}

#[tokio::test]
async fn options_of_text_files() {
    let landing = Landing::new();
    landing.put("o.csv", "# made by hand\n1;'a;b';NA\n2;'it\\'s';''\n");
    let mut source = with(
        csv("o.csv"),
        &[
            ("delimiter", ";"),
            ("quote", "'"),
            ("escape", "\\"),
            ("comment", "#"),
            ("header", "false"),
            ("null_values", "NA,none"),
            ("quoted_nulls", "false"),
        ],
        &[],
    );
    assert_eq!(
        landing.query(&source, "select column0, column1, column2 is null from t").await,
        "1|a;b|true\n2|it's|false"
    );
    source.options.insert("delimeter".to_owned(), ",".to_owned());
    source.options.insert("header".to_owned(), "maybe".to_owned());
    assert_eq!(
        landing.query(&source, "select 1").await,
        "error: option `header`: found `maybe`, expected true or false\n\
         option `delimeter`: found `,`, expected no such option: did you mean `delimiter`?"
    );
    landing.put("e/0.csv", "").put("e/1.csv", "v\n1\n");
    let skipping = with(csv("e/*.csv"), &[("allow_empty", "true")], &[]);
    assert_eq!(landing.query(&skipping, "select v from t").await, "1");
}

#[tokio::test]
async fn compressed_files() {
    use datafusion::datasource::file_format::file_compression_type::FileCompressionType as Kind;
    use futures::StreamExt as _;
    let landing = Landing::new();
    let content = format!("v\n{}", "1\n".repeat(50_000));
    for (kind, extension) in [(Kind::GZIP, "gz"), (Kind::ZSTD, "zst"), (Kind::BZIP2, "bz2"), (Kind::XZ, "xz")] {
        let whole = bytes::Bytes::from(content.clone());
        let stream = futures::stream::once(async move { Ok(whole) }).boxed();
        let packed: Vec<u8> =
            kind.convert_to_compress_stream(stream).unwrap().map(|chunk| chunk.unwrap().to_vec()).concat().await;
        landing.put(&format!("f.csv.{extension}"), &packed);
        let name = format!("f.csv.{extension}");
        assert_eq!(landing.query(&csv(&name), "select sum(v) from t").await, "50000", "{extension}");
        // A file that was cut off is refused.
        landing.put(&name, &packed[..packed.len() / 2]);
        let cut = landing.query(&csv(&name), "select sum(v) from t").await;
        assert!(cut.starts_with(&format!("error: `{name}` is damaged")), "{extension}: {cut}");
    }
}

#[tokio::test]
async fn json_files() {
    let landing = Landing::new();
    landing.put(
        "f/1.ndjson",
        "{\"id\": 1, \"amount\": 12345678901234567.89, \"who\": {\"name\": \"a\\u00e9\", \"tags\": [\"x\", null]}}\n\n\
         { \"who\": null,\n  \"id\": 2, \"ok\": true }\n{\"id\":3,\"raw\":[1,{\"k\":2}],\"raw2\":\"t\"}\n",
    );
    landing.put("f/2.json", "[\n {\"ID\": 4, \"raw2\": {\"deep\": 1.50}},\n {\"id\": 5}\n]\n");
    let source = spec("f/*", FileFormat::Json);
    assert_eq!(
        landing.query(&source, "select id, who, ok, raw, raw2, _karat_file, _karat_line from t order by id").await,
        "1|{name: aé, tags: [x, -]}|-|-|-|f/1.ndjson|1\n\
         2|-|true|-|-|f/1.ndjson|3\n\
         3|-|-|[1, {\"k\":2}]|t|f/1.ndjson|5\n\
         4|-|-|-|{\"deep\": 1.50}|f/2.json|2\n\
         5|-|-|-|-|f/2.json|3"
    );
    let declared = with(
        spec("f/*", FileFormat::Json),
        &[],
        &[("amount", "decimal(38,2)"), ("who", "struct(name varchar, tags varchar[])"), ("id", "")],
    );
    assert_eq!(
        landing.query(&declared, "select amount, who['name'], id from t where id = 1").await,
        "12345678901234567.89|aé|1"
    );
    let bad: [(&str, &str); 10] = [
        ("{\"a\": 1}\n{\"a\": x}\n", "bad.json:2: not valid JSON at column 7: expected value"),
        ("{\"a\": 1}\n{\"a\": 2\n", "bad.json:2: the object that begins here is not complete"),
        ("{\"a\": 1}\n[1]\n", "bad.json:2: found `[`, expected an object in `{` and `}`"),
        ("[{\"a\": 1}\n {\"a\": 2}]", "bad.json:2: found `{`, expected `,` or `]`"),
        ("[{\"a\": 1},\n", "bad.json:2: found the end of the file, expected `]`"),
        ("[{\"a\": 1}]\n7", "bad.json:2: found `7`, expected the end of the file"),
        ("a,b\n1,2\n", "bad.json:1: found `a`, expected an object in `{` and `}`"),
        ("{\"a\": \"\\ud800\"}\n", "bad.json:1: a string has an escape that is not a character"),
        ("{\"a\": 1,\n \"a\": 2}\n", "bad.json:1: key `a` occurs twice in an object"),
        ("{\"a\": 1, \"A\": 2}\n", "bad.json:1: key `A` occurs twice in an object"),
    ];
    for (content, expected) in bad {
        landing.put("bad.json", content);
        assert_eq!(
            landing.query(&spec("bad.json", FileFormat::Json), "select a from t").await,
            format!("error: {expected}")
        );
    }
    // A key that appears behind the sampled rows is not lost silently.
    landing.put("late.json", "{\"a\": 1}\n{\"a\": 2}\n{\"b\": 3}\n");
    let late = with(spec("late.json", FileFormat::Json), &[("sample_rows", "2")], &[]);
    assert!(landing.query(&late, "select a from t").await.starts_with("error: late.json:3: key `b` is not a column"));
    landing.put("late.json", "{\"a\": 1}\n{\"a\": 2}\n{\"a\": 1.5}\n");
    assert!(
        landing.query(&late, "select a from t").await.contains("late.json:3: column `a`: `1.5` is not a valid bigint")
    );
}

fn parquet_bytes(batch: &RecordBatch, group_rows: usize) -> Vec<u8> {
    let properties =
        parquet::file::properties::WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn arrow_bytes(batch: &RecordBatch, stream: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if stream {
        let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
    } else {
        let mut writer = arrow::ipc::writer::FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
    }
    bytes
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

#[tokio::test]
async fn columnar_files() {
    let first = batch(vec![
        ("id", Arc::new(Int32Array::from(vec![Some(1), None]))),
        ("name", Arc::new(StringArray::from(vec!["a", "b"]))),
    ]);
    let second = batch(vec![
        ("NAME", Arc::new(StringArray::from(vec!["c"]))),
        ("Id", Arc::new(Int64Array::from(vec![5_000_000_000]))),
        ("score", Arc::new(Float64Array::from(vec![1.5]))),
    ]);
    for format in [FileFormat::Parquet, FileFormat::Arrow] {
        let landing = Landing::new();
        let bytes = |batch: &RecordBatch, stream: bool| match format {
            FileFormat::Parquet => parquet_bytes(batch, 1),
            _ => arrow_bytes(batch, stream),
        };
        landing.put("p/1", bytes(&first, false)).put("p/2", bytes(&second, true));
        for path in ["p/1", "p/2"] {
            let data = if path == "p/1" { bytes(&first, true) } else { bytes(&second, false) };
            landing.bucket.put(&path.into(), data.into()).await.unwrap();
        }
        for location in ["p/*", "s3://bucket/p/*"] {
            let source = spec(location, format);
            assert_eq!(
                landing.query(&source, "select name, id, score from t order by name").await,
                "a|1|-\nb|-|-\nc|5000000000|1.5"
            );
            assert_eq!(landing.query(&source, "select count(*) from t").await, "3");
            let declared = with(spec(location, format), &[], &[("score", "integer"), ("name", "")]);
            let shown = if location.starts_with("s3") { "s3://bucket/p/2" } else { "p/2" };
            assert_eq!(landing.query(&declared, "select name from t order by name").await, "a\nb\nc");
            assert_eq!(
                landing.query(&declared, "select score from t").await,
                format!("error: `{shown}`: column `score`: `1.5` (double) does not fit integer")
            );
            let strict = ExternalSource { on_type_change: Policy::Fail, ..spec(location, format) };
            assert_eq!(
                landing.query(&strict, "select 1").await,
                format!("error: `{shown}`: column `Id` is bigint, expected integer")
            );
        }
        // Damage is told with the file's name, wherever it is, and never brings the process down.
        let whole = bytes(&first, false);
        for end in [0, 3, whole.len() / 2, whole.len() - 1] {
            landing.put("bad/1", &whole[..end]);
            let message = landing.query(&spec("bad/*", format), "select * from t").await;
            assert!(message.starts_with("error: `bad/1` is damaged or not"), "{format:?} cut at {end}: {message}");
        }
        for at in (0..whole.len()).step_by(7) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x55;
            landing.put("bad/1", &flipped);
            let message = landing.query(&spec("bad/*", format), "select * from t").await;
            assert!(!message.contains("error: ") || message.contains("bad/1"), "{format:?} flipped at {at}: {message}");
        }
    }
}

#[tokio::test]
async fn filters_leave_out_row_groups_and_files() {
    let landing = Landing::new();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
    landing.put("p/1.parquet", parquet_bytes(&batch(vec![("id", Arc::clone(&ids))]), 100));
    landing.put("p/2.parquet", parquet_bytes(&batch(vec![("ID", Arc::clone(&ids))]), 1000));
    let table = landing.open(&spec("p/*", FileFormat::Parquet)).await.unwrap();
    let context = SessionContext::new_with_config(datafusion::prelude::SessionConfig::new().with_target_partitions(4));
    context.register_table("t", table.provider).unwrap();
    for (sql, rows, plan) in [
        ("select id from t where id = 250", 2, "files=2 of 2"),
        ("select id from t where id = 250 and _karat_file = 'p/1.parquet'", 1, "files=1 of 2, partitions=1"),
        ("select id from t where id > 1000", 0, "files=0 of 2"),
        ("select id from t where id >= 0", 2000, "files=2 of 2, partitions=3"),
        ("select id from t limit 10", 10, "limit=10"),
    ] {
        let frame = context.sql(sql).await.unwrap();
        let shown =
            datafusion::physical_plan::displayable(frame.clone().create_physical_plan().await.unwrap().as_ref())
                .indent(false)
                .to_string();
        assert!(shown.contains(plan), "{sql}: {shown}");
        let found: usize = frame.collect().await.unwrap().iter().map(RecordBatch::num_rows).sum();
        assert_eq!(found, rows, "{sql}");
    }
}

struct OneTable(Arc<dyn TableProvider>);

#[async_trait]
impl DeltaOpener for OneTable {
    async fn open(&self, location: &str) -> Result<Option<Arc<dyn TableProvider>>, Cause> {
        Ok(location.ends_with("/there").then(|| Arc::clone(&self.0)))
    }
}

#[tokio::test]
async fn delta_tables_are_adapted() {
    let rows = batch(vec![
        ("Id", Arc::new(Int32Array::from(vec![1, 2]))),
        ("more", Arc::new(StringArray::from(vec!["a", "b"]))),
    ]);
    let table = datafusion::datasource::MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap();
    let opener = OneTable(Arc::new(table));
    let stores = |_: &url::Url| -> Result<Arc<dyn ObjectStore>, Cause> { Ok(Arc::new(InMemory::new())) };
    let access = Access { project_root: Path::new("/project"), stores: &stores, delta: &opener };
    let declared = with(spec("lake/there", FileFormat::Delta), &[], &[("id", "bigint"), ("gone", "date")]);
    let opened = open_external(&declared, access).await.unwrap();
    assert_eq!(opened.warnings.0.len(), 3);
    let context = SessionContext::new();
    context.register_table("t", opened.provider).unwrap();
    let found = context.sql("select * from t order by id").await.unwrap().collect().await.unwrap();
    assert_eq!(lines(&found), ["1|-|lake/there", "2|-|lake/there"]);
    let missing = open_external(&spec("lake/gone", FileFormat::Delta), access).await;
    assert_eq!(missing.unwrap_err().to_string(), "no file matches `lake/gone`");
}

#[test]
fn seeds() {
    let types: IndexMap<String, String> =
        [("Zip".to_owned(), "varchar".to_owned()), ("price".to_owned(), "decimal(10,2)".to_owned())].into();
    let text = "\u{feff}Id;Zip;price;when;flag;note\n1;01234;9.90;2024-01-31;TRUE;NULL\n2;;;;false;\n";
    let (schema, batches) = read_seed(text.as_bytes(), "seeds/s.csv", ';', false, &types).unwrap();
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), crate::engine::types::sql_type_of(field.data_type())))
        .collect();
    assert_eq!(
        columns.join(", "),
        "id bigint, zip varchar, price decimal(10,2), when date, flag boolean, note varchar"
    );
    assert_eq!(lines(&batches), ["1|01234|9.90|2024-01-31|true|-", "2|-|-|-|false|-"]);
    let (schema, _) = read_seed(text.as_bytes(), "seeds/s.csv", ';', true, &types).unwrap();
    assert_eq!(schema.field(0).name(), "Id");
    let (schema, batches) = read_seed(b"a,b\n", "s.csv", ',', false, &IndexMap::new()).unwrap();
    assert_eq!((schema.fields().len(), batches.len()), (2, 0));

    let wrong: IndexMap<String, String> =
        [("zipp".to_owned(), "varchar".to_owned()), ("id".to_owned(), "intt".to_owned())].into();
    assert_eq!(
        read_seed(text.as_bytes(), "s.csv", ';', false, &wrong).unwrap_err().to_string(),
        "column `id`: `intt` is not a known type: the engine has no such type"
    );
    for (text, expected) in [
        ("", "`s.csv` is empty: expected at least a header line"),
        ("a,b\n1\n", "s.csv:2: found 1 field, expected 2"),
        ("a\n\"x\n", "s.csv:2: a quote that begins here is never closed"),
    ] {
        assert_eq!(
            read_seed(text.as_bytes(), "s.csv", ',', false, &IndexMap::new()).unwrap_err().to_string(),
            expected
        );
    }
    // As under dbt, `1.0` is a whole number, and a name that comes again has a number.
    let (numbered, rows) =
        read_seed(b"a,c,a,b\n1.0,x,2.50,1\n-3.00,y,1e3,2.0\n", "s.csv", ',', true, &IndexMap::new()).unwrap();
    let columns: Vec<String> = numbered
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), crate::engine::types::sql_type_of(field.data_type())))
        .collect();
    assert_eq!(columns.join(", "), "a bigint, c varchar, a_2 double, b bigint");
    assert_eq!(lines(&rows), ["1|x|2.5|1", "-3|y|1000.0|2"]);
    let days: IndexMap<String, String> = [("a".to_owned(), "date".to_owned())].into();
    assert_eq!(
        read_seed(b"a\n2024-01-01\n2024-13-01\n", "s.csv", ',', false, &days).unwrap_err().to_string(),
        "s.csv:3: column `a`: `2024-13-01` is not a valid date"
    );
    assert_eq!(schema.field(0).data_type(), &DataType::Utf8);
}

fn split(text: &[u8], chunk: usize) -> Result<Vec<Vec<String>>, String> {
    let dialect = Dialect { delimiter: b',', quote: Some(b'"'), escape: None, comment: None };
    let mut reader = RecordReader::new(std::io::BufReader::with_capacity(chunk, text), dialect);
    let (mut record, mut records) = (Record::default(), Vec::new());
    while reader.read(&mut record).map_err(|error| format!("{error:?}"))? {
        let fields = (0..record.len()).map(|at| String::from_utf8_lossy(record.field(at).unwrap().0).into_owned());
        records.push(fields.collect());
    }
    Ok(records)
}

proptest! {
    /// Whatever a writer writes is read back, however the bytes arrive.
    #[test]
    fn written_records_are_read_back(
        rows in prop::collection::vec(prop::collection::vec("[a,\"\r\n é]{0,6}", 2..4), 0..6),
        chunk in 1_usize..9,
    ) {
        let mut writer = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        prop_assert_eq!(split(&writer.into_inner().unwrap(), chunk).unwrap(), rows);
    }

    /// Where this reader accepts a text, another reader finds the same records; nothing makes it panic.
    #[test]
    fn accepted_texts_mean_the_same_elsewhere(text in "[ab,\"\r\n]{0,24}", chunk in 1_usize..9) {
        if let Ok(found) = split(text.as_bytes(), chunk) {
            let mut reader =
                ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> =
                reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
