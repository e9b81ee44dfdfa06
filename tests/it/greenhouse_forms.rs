//! Forms of the generated files, what goes wrong on the way, and how later batches fit earlier ones.

#![expect(clippy::disallowed_methods, reason = "reads and writes the folders of tests")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::greenhouse::{Landing, TABLES, parse};
use crate::support::{NOW, Project};

/// A project whose sources are the generated files.
fn reader(landing: &Landing, format: &str, location: &str) -> Project {
    let project = Project::empty();
    project.write("project.yml", "name: reader\nversion: '1.0'\n");
    let tables = TABLES.map(|table| format!("      - name: {table}\n")).concat();
    let sources = format!(
        "sources:\n  - name: shop\n    external:\n      location: \"{}\"\n      format: {format}\n    tables:\n{tables}",
        landing.path(location).display()
    );
    project.write("models/sources.yml", &sources);
    project
}

/// What the manifests of some batches tell of orders, items and events together.
fn told(landing: &Landing, batches: std::ops::RangeInclusive<u64>) -> String {
    let (mut rows, mut total, mut quantity) = ([0; 3], 0, 0);
    for batch in batches {
        let tables = &landing.manifest(batch)["tables"];
        for (sum, table) in rows.iter_mut().zip(["orders", "order_items", "events"]) {
            *sum += tables[table]["rows"].as_u64().unwrap_or(0);
        }
        let cents = tables["orders"]["sum_order_total"].as_str().unwrap_or("0").replace('.', "");
        total += cents.parse::<i64>().unwrap();
        quantity += tables["order_items"]["sum_quantity"].as_i64().unwrap_or(0);
    }
    format!("{}|{}|{}|{}.{:02}|{quantity}", rows[0], rows[1], rows[2], total / 100, total % 100)
}

/// The same, asked of the data.
const ASKED: &str = "select (select count(*) from {{ source('shop', 'orders') }}) as orders, \
    (select count(*) from {{ source('shop', 'order_items') }}) as items, \
    (select count(*) from {{ source('shop', 'events') }}) as events, \
    (select sum(order_total) from {{ source('shop', 'orders') }}) as total, \
    (select sum(quantity) from {{ source('shop', 'order_items') }}) as quantity";

#[test]
fn greenhouse_delta_tables_are_read_by_karat() {
    let landing = Landing::init(&["--scale", "2000", "--format", "delta", "--names", "lower", "--partition-by-date"]);
    let project = reader(&landing, "delta", "{name}");
    assert_eq!(project.rows(ASKED), [told(&landing, 1..=1)]);
    landing.journey(&["--count", "5", "--now", "2025-02-01"]);
    assert_eq!(project.rows(ASKED), [told(&landing, 1..=2)]);
    let days = "select count(*) from {{ source('shop', 'events') }} where cast(created_at as date) <> event_date";
    assert_eq!(project.rows(days), ["0"]);
    let types = "select arrow_typeof(created_at), arrow_typeof(_fivetran_synced), arrow_typeof(_fivetran_deleted) \
                 from {{ source('shop', 'events') }} limit 1";
    assert_eq!(project.rows(types), ["Timestamp(µs)|Timestamp(µs, \"UTC\")|Boolean"]);

    // A commit is never written over.
    fs::write(landing.path("orders/_delta_log/00000000000000000002.json"), "someone else's").unwrap();
    fs::remove_file(landing.path("orders/_delta_log/00000000000000000001.json")).unwrap();
    landing.journey(&["--count", "1", "--now", "2025-02-02"]);
    let theirs = fs::read_to_string(landing.path("orders/_delta_log/00000000000000000002.json")).unwrap();
    assert_eq!(theirs, "someone else's");
}

#[test]
fn greenhouse_parquet_files_have_types_or_texts() {
    let landing = Landing::init(&["--scale", "2000", "--format", "parquet", "--names", "lower", "--ids", "int64"]);
    landing.journey(&["--count", "5", "--now", "2025-02-01"]);
    let project = reader(&landing, "parquet", "{name}/*.parquet");
    assert_eq!(project.rows(ASKED), [told(&landing, 1..=2)]);
    let types = "select arrow_typeof(order_id), arrow_typeof(order_total), arrow_typeof(created_at) \
                 from {{ source('shop', 'orders') }} limit 1";
    assert_eq!(project.rows(types), ["Int64|Decimal128(8, 2)|Timestamp(µs, \"UTC\")"]);

    // The same shop as texts has the same values as the CSV files.
    let raw = Landing::init(&["--scale", "2000", "--format", "parquet", "--names", "lower", "--raw"]);
    let csv = Landing::init(&["--scale", "2000"]);
    let project = reader(&raw, "parquet", "{name}/*.parquet");
    let data = csv.data();
    for table in ["orders", "events", "budget"] {
        let batch = &data.batches[table][0];
        let columns: Vec<String> = batch.header.iter().map(|name| format!("coalesce({name}, '')")).collect();
        let sql = format!("select {} from {{{{ source('shop', '{table}') }}}}", columns.join(", "));
        let mut rows = project.rows(&sql);
        rows.sort();
        let mut expected: Vec<String> = batch.rows.iter().map(|row| row.join("|")).collect();
        expected.sort();
        assert!(rows == expected, "{table}");
    }
}

/// Many small files instead of one large.
#[test]
fn greenhouse_closes_parquet_files_at_their_size() {
    let landing = Landing::init(&["--scale", "45000", "--format", "parquet", "--file-size", "1"]);
    let files = landing.manifest(1)["tables"]["events"]["files"].as_array().unwrap().clone();
    assert!(files.len() > 1, "{files:?}");
    let rows: u64 = files.iter().map(|file| file["rows"].as_u64().unwrap()).sum();
    assert_eq!(Some(rows), landing.manifest(1)["tables"]["events"]["rows"].as_u64());
}

#[test]
fn greenhouse_json_lines_have_the_values_of_csv() {
    let csv = Landing::init(&["--scale", "1000"]);
    let raw = Landing::init(&["--scale", "1000", "--format", "ndjson", "--raw"]);
    let data = csv.data();
    for table in TABLES {
        let text = fs::read_to_string(raw.path(&format!("{table}/batch-000001.ndjson"))).unwrap();
        let rows: Vec<Vec<String>> = text
            .lines()
            .map(|line| {
                let row: Json = serde_json::from_str(line).unwrap();
                row.as_object().unwrap().values().map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
            })
            .collect();
        assert!(rows == data.batches[table][0].rows, "{table}");
    }
    let typed = Landing::init(&["--scale", "1000", "--format", "ndjson"]);
    let text = fs::read_to_string(typed.path("orders/batch-000001.ndjson")).unwrap();
    let order: Json = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(order["ORDER_TOTAL"].is_number() && order["CREATED_AT"].as_str().unwrap().ends_with('Z'), "{order}");
}

#[test]
fn greenhouse_drifts_from_a_batch_on() {
    let landing = Landing::init(&["--scale", "500", "--drift", "3"]);
    for day in ["2025-02-01", "2025-02-02", "2025-02-03"] {
        landing.journey(&["--count", "2", "--now", day]);
    }
    let data = landing.data();
    let headers: Vec<String> = data.batches["order_items"].iter().map(|batch| batch.header.join(" ")).collect();
    let plain = "order_id product_id quantity _fivetran_deleted _fivetran_synced";
    let drifted = "channel _fivetran_synced quantity product_id order_id";
    assert_eq!(headers, [plain, plain, drifted, drifted]);
    let quantity = &data.batches["order_items"][3].rows[0][2];
    assert!(quantity.ends_with(".0"), "{quantity}");
    assert_eq!(data.batches["orders"][0].header, data.batches["orders"][3].header);
    let told: Vec<String> = landing.dirt().iter().map(|defect| defect["kind"].to_string()).collect();
    assert_eq!(told, ["\"drift\"", "\"drift\""]);
}

#[test]
fn greenhouse_says_what_is_wrong() {
    let cases: [(&[&str], &str); 20] = [
        (&["init", "--scale", "many"], "`many` is not a scale; expected a number of events such as 3553"),
        (&["init", "--scale", "0"], "`0` is not from 1 to 10G"),
        (&["init", "--format", "xml"], "possible values: csv, ndjson, parquet, delta"),
        (&["init", "--tz", "Mars/Base"], "unknown time zone `Mars/Base`; expected a name such as"),
        (&["init", "--start", "soon"], "`soon` is not an instant; expected a form such as 2024-01-31T06:00:00Z"),
        (&["init", "--start", "2024-12-30"], "expected an end at least 7 days after the start"),
        (&["init", "--end", "2024-01-01", "--now", "2024-01-02"], "expected at least 2024-01-11T00:00:00Z, 10 days"),
        (&["init", "--partition-by-date"], "--partition-by-date needs --format parquet or delta"),
        (&["init", "--format", "delta", "--drift", "2"], "--drift cannot be had with --format delta"),
        (
            &["init", "--format", "parquet", "--torn", "users"],
            "--torn and --empty need CSV or NDJSON; the files are parquet",
        ),
        (&["init", "--products", "10001"], "10001 is not in 1..=10000"),
        (&["init", "--profile", "tidy"], "there is no profile `tidy`; expected `clean`, `messy` or a YAML file"),
        (&["init", "--set", "orders.promo"], "`--set orders.promo` has no `=`"),
        (&["init", "--set", "order.promo=1"], "--set: unknown key `order`; did you mean `orders`?"),
        (&["init", "--set", "orders.promo=2"], "--set: `orders.promo` is 2; expected a share from 0 to 1"),
        (&["init", "--set", "sessions.hours=[1]"], "`sessions.hours` is [1]; expected 24 weights"),
        (&["init", "--set", "sessions.with_cart=0.1"], "expected at least `sessions.with_checkout`, which is 0.625"),
        (&["init", "--set", "orders.quantity=[1,900000]"], "expected less than 1000000"),
        (&["init", "--skew", "-1"], "--skew: `products.skew` is -1; expected a number from 0 to 10"),
        (&["journey", "--returning", "1.5"], "`1.5` is not a share; expected a number from 0 to 1"),
    ];
    for (arguments, message) in cases {
        let landing = Landing::new();
        landing.run(arguments).expect_code(2).expect_message(&[message]);
        assert!(landing.files().is_empty(), "{arguments:?} wrote {:?}", landing.files());
    }
}

#[test]
fn greenhouse_refuses_bad_profiles_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("mine.yml");
    let cases = [
        ("orders:\n  promo: 0.2\n  itmes: [1]\n", "mine.yml:3:3: unknown key `orders.itmes`; did you mean `items`?"),
        ("zzz: 1\n", "mine.yml:1:1: unknown key `zzz`; expected one of `users`, `addresses`"),
        ("orders:\n  promo: often\n", "mine.yml:2:10: `orders.promo` is the text `often`; expected a number"),
        ("orders:\n  promo: 1.5\n", "mine.yml:2:10: `orders.promo` is 1.5; expected a share from 0 to 1"),
        ("orders:\n  items: [0, 0]\n", "`orders.items` is [0,0]; expected 1 to 12 weights, none below 0 and not all 0"),
        ("orders:\n  quantity: [4]\n", "`orders.quantity` is a list of 1; expected a list of two numbers"),
        ("orders: [\n", "mine.yml:1:9: not YAML: "),
        ("dirt:\n  clock_changes: 1\n", "mine.yml:2:18: `dirt.clock_changes` is 1; expected true or false"),
        ("users: 3\n", "mine.yml:1:8: `users` is 3; expected a mapping of keys"),
    ];
    for (text, message) in cases {
        fs::write(&profile, text).unwrap();
        let landing = Landing::new();
        landing.run(&["init", "--profile", profile.to_str().unwrap()]).expect_code(2).expect_message(&[message]);
    }

    // A good one changes the keys that it names, and the printed profile is itself a profile.
    fs::write(&profile, "orders:\n  promo: 1\nusers:\n").unwrap();
    let path = profile.to_str().unwrap().to_owned();
    let printed = Landing::new().run(&["init", "--profile", &path, "--print-profile"]).expect_code(0).stdout;
    assert!(printed.contains("promo: 1") && printed.contains("per_1000_events: 36"), "{printed}");
    fs::write(&profile, &printed).unwrap();
    let again = Landing::new().run(&["init", "--profile", &path, "--print-profile"]).expect_code(0).stdout;
    assert_eq!(again, printed);
    let landing = Landing::init(&["--profile", &path, "--scale", "1000"]);
    let data = landing.data();
    assert!(data.table("orders").columns(["promo_id"]).iter().all(|[promo]| !promo.is_empty()));
}

#[test]
fn greenhouse_begins_and_goes_on_only_where_it_should() {
    // A first load goes into an empty folder.
    let landing = Landing::init(&["--scale", "300"]);
    let before = landing.files();
    landing.run(&["init"]).expect_code(2).expect_message(&["is not empty: found `addresses/batch-000001.csv`"]);
    assert_eq!(landing.files(), before);

    // Journeys go on after the last load only.
    landing.run(&["journey", "--now", "2025-01-01"]).expect_code(2).expect_message(&[
        "--now is 2025-01-01T00:00:00Z; expected a time after 2025-01-11T00:00:00Z, the load time of batch 1",
    ]);
    assert_eq!(landing.files(), before);

    // A folder of someone else's is left alone.
    let foreign = Landing::new();
    foreign
        .run(&["journey"])
        .expect_code(2)
        .expect_message(&["has no first load of greenhouse", "found nothing there"]);
    fs::create_dir_all(foreign.path("orders")).unwrap();
    fs::write(foreign.path("orders/batch-000001.csv"), "ORDER_ID\n1\n").unwrap();
    foreign
        .run(&["journey"])
        .expect_code(2)
        .expect_message(&["has no first load of greenhouse", "found `orders` there"]);
    foreign.run(&["init"]).expect_code(2).expect_message(&["found `orders/batch-000001.csv`"]);
    fs::create_dir_all(foreign.path("_greenhouse/batch-000001")).unwrap();
    let manifest = foreign.path("_greenhouse/batch-000001/manifest.json");
    for (text, message) in [
        ("no json", "is not a manifest of greenhouse"),
        ("{\"greenhouse\": 99}", "has the form 99; expected 1 or an earlier one"),
        ("{}", "has the form none"),
    ] {
        fs::write(&manifest, text).unwrap();
        foreign.run(&["journey"]).expect_code(2).expect_message(&[message]);
    }

    // A batch that someone put in between keeps its number.
    fs::write(landing.path("orders/batch-000002.csv"), "ORDER_ID\nmine\n").unwrap();
    landing.journey(&["--now", "2025-02-01"]);
    assert_eq!(fs::read_to_string(landing.path("orders/batch-000002.csv")).unwrap(), "ORDER_ID\nmine\n");
    assert!(landing.path("orders/batch-000003.csv").is_file());
}

/// A manifest that knows less than today's is read with the defaults for the rest.
#[test]
fn greenhouse_goes_on_from_manifests_of_earlier_versions() {
    let landing = Landing::init(&["--scale", "300"]);
    let path = landing.path("_greenhouse/batch-000001/manifest.json");
    let mut manifest = landing.manifest(1);
    for key in ["drift", "defects"] {
        manifest.as_object_mut().unwrap().remove(key).unwrap();
    }
    manifest["settings"]["profile"].as_object_mut().unwrap().remove("dirt").unwrap();
    manifest["settings"]["profile"]["orders"].as_object_mut().unwrap().remove("promo").unwrap();
    fs::write(path, manifest.to_string()).unwrap();
    landing.journey(&["--now", "2025-02-01"]);
}

/// The program may end while a finished batch is moved to its place: the next run moves the rest.
#[test]
fn greenhouse_finishes_a_batch_that_was_interrupted() {
    let landing = Landing::init(&["--scale", "300"]);
    landing.journey(&["--count", "2", "--now", "2025-02-01"]);
    let whole = landing.files();
    for file in ["orders/batch-000002.csv", "events/batch-000002.csv", "_greenhouse/batch-000002/manifest.json"] {
        let staged = landing.path("_greenhouse/staging").join(file);
        fs::create_dir_all(staged.parent().unwrap()).unwrap();
        fs::rename(landing.path(file), staged).unwrap();
    }
    landing.run(&["journey", "--now", "2025-01-31"]).expect_code(2).expect_message(&["the load time of batch 2"]);
    assert_eq!(landing.files(), whole);

    // One that was not finished is gone.
    let staged = landing.path("_greenhouse/staging/orders");
    fs::create_dir_all(&staged).unwrap();
    fs::write(staged.join("batch-000003.csv"), "half").unwrap();
    landing.journey(&["--now", "2025-02-02"]);
    let rows = parse("", &fs::read_to_string(landing.path("orders/batch-000003.csv")).unwrap()).rows;
    assert_eq!(rows.len(), 1);
    assert!(!landing.path("_greenhouse/staging").exists());
}

#[cfg(unix)]
#[test]
fn greenhouse_tells_the_disks_failures_apart() {
    let landing = Landing::new();
    fs::create_dir_all(landing.path("")).unwrap();
    // A file where a folder has to be, which not even an administrator can write into.
    fs::write(landing.path("_greenhouse"), "").unwrap();
    landing.run(&["init"]).expect_code(3).expect_message(&["error: cannot ", "_greenhouse"]);
}

/// Data for machines goes to standard output, and only when it was asked for.
#[test]
fn greenhouse_prints_the_manifest_when_asked() {
    let landing = Landing::new();
    let run = landing.run(&["init", "--scale", "300"]).expect_code(0).expect_message(&["order_items", "quantity"]);
    assert_eq!(run.stdout, "");
    let run = landing.run(&["journey", "--json", "--now", NOW.replace("2024", "2025").as_str()]).expect_code(0);
    let printed: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(printed, landing.manifest(2));
    assert_eq!(printed["settings"]["seed"], 1);
    assert!(Path::new(&landing.path(printed["tables"]["orders"]["files"][0]["path"].as_str().unwrap())).is_file());
}
