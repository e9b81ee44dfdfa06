//! What readers see and when: a run is published as one, and what fails a test is not. Crashes are in `proof_kill`, runs
//! at once in `proof_together`.

#![expect(clippy::disallowed_methods, reason = "writes a lock")]

use std::fs;
use std::time::Duration;

use insta::assert_snapshot;

use crate::support::{Project, Run};

const SOURCES: &str = "
sources:
  - name: landing
    external: {location: 'landing/{name}/*.csv', format: csv}
    tables:
      - name: items
        columns: [{name: id, data_type: bigint}, {name: price, data_type: 'decimal(10,2)'}]
      - name: people
        columns: [{name: id, data_type: bigint}, {name: name, data_type: varchar}]
";

const TESTS: &str = "
models:
  - name: items
    columns:
      - name: price
        data_tests:
          - no_negatives:
              config: {severity: SEVERITY}
";

/// Two branches: items with a test and totals made from them, and people. `arrivals` only ever appends.
fn shop(severity: &str) -> Project {
    Project::new(&[
        ("models/bronze/_sources.yml", SOURCES),
        ("models/silver/items.sql", "select id, price from {{ source('landing', 'items') }}"),
        ("models/silver/items.yml", &TESTS.replace("SEVERITY", severity)),
        ("models/silver/people.sql", "select id, name from {{ source('landing', 'people') }}"),
        (
            "models/silver/arrivals.sql",
            "{{ config(materialized='incremental', incremental_strategy='append') }}\n\
             select id, _karat_file as file from {{ source('landing', 'items') }}\n\
             {% if is_incremental() %}where _karat_file > (select max(file) from {{ this }}){% endif %}",
        ),
        ("models/gold/totals.sql", "select count(*) as items, sum(price) as price from {{ ref('items') }}"),
        ("models/gold/headcount.sql", "select count(*) as people from {{ ref('people') }}"),
        ("landing/items/1.csv", "id,price\n1,2.50\n2,3.00\n"),
        ("landing/people/1.csv", "id,name\n1,Ada\n"),
    ])
}

/// A second batch of everything.
fn second_batch(project: &Project, price: &str) {
    project.write("landing/items/2.csv", &format!("id,price\n3,{price}\n"));
    project.write("landing/people/2.csv", "id,name\n2,Bo\n");
}

/// Everything that is published, as text.
fn state(project: &Project) -> String {
    project.text(
        "select 'items ' || id || ' ' || price as row from silver.items
         union all select 'people ' || id || ' ' || name from silver.people
         union all select 'arrivals ' || id from silver.arrivals
         union all select 'totals ' || items || ' ' || price from gold.totals
         union all select 'headcount ' || people from gold.headcount
         order by 1",
    )
}

const TABLES: [&str; 5] = ["silver/items", "silver/people", "silver/arrivals", "gold/totals", "gold/headcount"];

#[test]
fn publication_of_a_build_is_a_commit_per_table_and_one_entry() {
    let project = shop("error");
    let first = project.ok(&["build"]);
    assert!(first.stdout.ends_with("Done. PASS=6 WARN=0 ERROR=0 SKIP=0 TOTAL=6\n"), "{}", first.stdout);
    assert_eq!(project.entries("dev"), [1]);
    assert!(project.path("warehouse/_karat/env/dev/00000000000000000001.json").is_file());
    for table in TABLES {
        assert_eq!(project.commits(table), [0], "{table}");
    }
    let published = project.files();

    second_batch(&project, "4.25");
    project.ok(&["build"]);
    assert_eq!(project.entries("dev"), [1, 2]);
    for table in TABLES {
        assert_eq!(project.commits(table), [0, 1], "{table}");
    }
    let now = project.files();
    assert!(published.iter().all(|(path, hash)| now.get(path) == Some(hash)), "a published file was changed");
    assert_snapshot!(state(&project), @"
    arrivals 1
    arrivals 2
    arrivals 3
    headcount 2
    items 1 2.50
    items 2 3.00
    items 3 4.25
    people 1 Ada
    people 2 Bo
    totals 3 9.75
    ");
}

#[test]
fn publication_is_refused_to_what_fails_a_test() {
    let project = shop("error");
    project.ok(&["build"]);
    let published = project.files();
    let before = state(&project);
    second_batch(&project, "-4.25");

    // Only the failing branch: nothing is published at all.
    let failed = project.run(&["build", "--select", "items+"]).expect_code(1);
    assert!(failed.stdout.ends_with("Done. PASS=1 WARN=0 ERROR=1 SKIP=1 TOTAL=3\n"), "{}", failed.stdout);
    assert_eq!(project.statuses()["totals"], "skipped");
    assert_eq!(project.files(), published, "a file was changed, or a staged one is left");
    assert_eq!(state(&project), before);

    // Everything: the other branch is published, the failing one stays as it was.
    project.run(&["build"]).expect_code(1);
    assert_eq!(project.entries("dev"), [1, 2]);
    assert_eq!(project.commits("silver/items"), [0]);
    assert_eq!(project.commits("gold/totals"), [0]);
    assert_eq!(project.commits("silver/people"), [0, 1]);
    let results = project.run_results();
    let items = results["results"].as_array().unwrap().iter().find(|result| result["unique_id"] == "model.shop.items");
    assert_eq!(items.unwrap()["adapter_response"]["withheld"], true);
    assert_snapshot!(state(&project), @"
    arrivals 1
    arrivals 2
    arrivals 3
    headcount 2
    items 1 2.50
    items 2 3.00
    people 1 Ada
    people 2 Bo
    totals 2 5.50
    ");

    // The mended batch goes through.
    second_batch(&project, "4.25");
    project.ok(&["build"]);
    assert_eq!(project.rows("select * from gold.totals"), ["3|9.75"]);
}

#[test]
fn publication_is_not_held_back_by_a_warning() {
    let project = shop("warn");
    second_batch(&project, "-4.25");
    let warned = project.ok(&["build"]);
    assert!(warned.stdout.ends_with("Done. PASS=5 WARN=1 ERROR=0 SKIP=0 TOTAL=6\n"), "{}", warned.stdout);
    assert_eq!(project.rows("select * from gold.totals"), ["3|1.25"]);
}

#[test]
fn publication_goes_on_beside_a_model_that_fails() {
    let project = shop("error");
    project.ok(&["build"]);
    project
        .write("models/silver/items.sql", "select id, price, 10 / (id - 3) as x from {{ source('landing', 'items') }}");
    second_batch(&project, "4.25");
    let failed =
        project.run(&["build"]).expect_code(1).expect_message(&["division by zero", "models/silver/items.sql"]);
    assert!(failed.stdout.ends_with("Done. PASS=3 WARN=0 ERROR=1 SKIP=2 TOTAL=6\n"), "{}", failed.stdout);
    let statuses = project.statuses();
    assert_eq!((statuses["items"].as_str(), statuses["totals"].as_str()), ("error", "skipped"));
    assert_eq!(project.commits("silver/items"), [0]);
    assert_eq!(project.rows("select * from gold.totals"), ["2|5.5"]);
    assert_eq!(project.rows("select * from gold.headcount"), ["2"]);
}

#[test]
fn publication_by_run_needs_no_tests_and_test_publishes_nothing() {
    let project = shop("error");
    second_batch(&project, "-4.25");
    project.ok(&["run"]);
    assert_eq!(project.entries("dev"), [1]);
    assert_eq!(project.rows("select * from gold.totals"), ["3|1.25"]);
    let published = project.files();
    project.run(&["test"]).expect_code(1);
    assert_eq!(project.files(), published);
}

#[test]
fn publication_waits_politely_for_the_holder_of_the_lock() {
    let project = shop("error");
    project.ok(&["build"]);
    let path = project.path("warehouse/_karat/env/dev.lock");
    let holder = r#"{"pid":4711,"host":"elsewhere","command":"karat build","started":"2024-05-01T05:00:00Z"}"#;
    fs::write(&path, holder).unwrap();
    let lock = fs::File::options().read(true).write(true).open(&path).unwrap();
    lock.lock().unwrap();
    let refused = project.run(&["build", "--lock-timeout", "0s"]).expect_code(3);
    assert_snapshot!(project.redacted(&refused.stderr), @r"
    error[environment-locked]: the environment `dev` is in use by `karat build` (process 4711 on elsewhere, since <time>); waited <duration>
     |
     = hint: wait for it to end, or allow a longer wait with `--lock-timeout 10m`, or use another target

    To learn more: karat explain environment-locked
    ");
    assert_eq!(project.entries("dev"), [1]);
    // Readers need no lock.
    project.ok(&["show", "--inline", "select 1 as one"]);

    let waiting = project.start(&["build", "--lock-timeout", "60s"]);
    std::thread::sleep(Duration::from_millis(800));
    drop(lock);
    Run::of(waiting.wait_with_output().unwrap())
        .expect_code(0)
        .expect_message(&["held by `karat build` (process 4711"]);
    assert_eq!(project.entries("dev"), [1, 2]);
}

#[test]
fn publication_shows_readers_one_state_of_all_tables() {
    let project = shop("error");
    project.ok(&["build"]);
    let mut states = vec![state(&project)];
    for (batch, price) in [(2, "4.25"), (3, "0.25")] {
        let id = batch + 1;
        project.write(&format!("landing/items/{batch}.csv"), &format!("id,price\n{id},{price}\n"));
        project.write(&format!("landing/people/{batch}.csv"), &format!("id,name\n{id},Bo\n"));
        let mut build = project.start(&["build"]);
        let mut seen = Vec::new();
        while build.try_wait().unwrap().is_none() {
            seen.push(state(&project));
        }
        assert!(build.wait().unwrap().success());
        states.push(state(&project));
        assert!(!seen.is_empty());
        assert!(seen.iter().all(|seen| states[states.len() - 2..].contains(seen)), "{seen:#?}\n{states:#?}");
    }
    assert_ne!(states[1], states[2]);
}

#[test]
fn publication_can_be_read_without_its_sources() {
    let project = shop("error");
    project.ok(&["build"]);
    let before = state(&project);
    project.remove("landing/items/1.csv");
    project.remove("landing/people/1.csv");
    assert_eq!(state(&project), before);
    let tables = "select table_name, table_type from information_schema.tables where table_schema = 'gold' order by 1";
    assert_eq!(project.rows(tables), ["headcount|BASE TABLE", "totals|BASE TABLE"]);
    project.run(&["build"]).expect_message(&["landing/items/*.csv"]);
    assert_eq!(state(&project), before);
}

#[test]
fn publication_waits_for_a_test_that_reads_through_ephemeral_models() {
    let project = Project::new(&[
        ("models/t.sql", "{{ config(materialized='table') }} select 1 as x"),
        ("models/beside.sql", "{{ config(materialized='table') }} select 1 as x"),
        ("models/one.sql", "{{ config(materialized='ephemeral') }} select x from {{ ref('t') }}"),
        ("models/two.sql", "{{ config(materialized='ephemeral') }} select x from {{ ref('one') }}"),
        ("models/below.sql", "select x from {{ ref('t') }}"),
        ("tests/none.sql", "select x from {{ ref('two') }}"),
    ]);
    let failed = project.run(&["build"]).expect_code(1);
    failed.expect_message(&["Not published: main.t, main.below"]);
    assert_eq!(project.rows("select count(*) as n from {{ ref('beside') }}"), ["1"]);
    project.run(&["show", "--inline", "select * from {{ ref('t') }}"]).expect_code(2);
}
