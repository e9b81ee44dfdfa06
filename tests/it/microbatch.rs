//! Microbatch models through the real binary: which batches a run makes, what they read, what is left when one fails.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::support::{Project, Random, for_seeds};

const EVENTS: &str = "id,at\n1,2024-01-01 00:00:00\n2,2024-01-02 12:00:00\n3,2024-01-03 23:59:59\n";

const MODEL: &str = "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='at', batch_size='day', begin='2024-01-01') }}\n";

/// A seed of events with an event time, and one microbatch model over it.
fn project(model: &str) -> Project {
    Project::new(&[
        ("seeds/events.csv", EVENTS),
        ("seeds/seeds.yml", "seeds:\n  - name: events\n    config: {event_time: at, column_types: {at: timestamp}}\n"),
        ("models/days.sql", &format!("{MODEL}{model}")),
    ])
}

fn run<'a>(now: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--now", now], more].concat()
}

/// The starts of the batches of a model in the last run.
fn batches(project: &Project, key: &str) -> Vec<String> {
    let results = project.run_results();
    let result = results["results"].as_array().unwrap().iter().find(|result| !result["batch_results"].is_null());
    let windows = result.unwrap()["batch_results"][key].as_array().unwrap().clone();
    windows.iter().map(|window| window[0].as_str().unwrap().replace("T00:00:00+00:00", "")).collect()
}

#[test]
fn the_first_run_begins_at_begin_and_later_ones_look_back() {
    let project = project("select id, at from {{ ref('events') }}");
    project.ok(&["seed"]);
    let first = project.ok(&run("2024-01-03T13:57:00Z", &[]));
    assert!(first.stderr.contains("days 2024-01-02"), "{}", first.stderr);
    assert!(first.stderr.contains("batch 2 of 3"), "{}", first.stderr);
    assert_eq!(batches(&project, "successful"), ["2024-01-01", "2024-01-02", "2024-01-03"]);
    assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), ["1", "2", "3"]);
    assert_eq!(project.counts("days"), "+3 ~0 -0 =3");
    assert_eq!(project.actions()["days"], "microbatch");

    // An event that comes late is taken within the lookback of one day, and not before it.
    let late = format!("{EVENTS}4,2024-01-04 05:00:00\n5,2024-01-03 05:00:00\n6,2024-01-01 05:00:00\n");
    project.write("seeds/events.csv", &late);
    project.ok(&["seed"]);
    project.ok(&run("2024-01-03T14:57:00Z", &["--select", "days"]));
    assert_eq!(batches(&project, "successful"), ["2024-01-02", "2024-01-03"]);
    assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), ["1", "2", "3", "5"]);
    project.ok(&run("2024-01-04T14:57:00Z", &[]));
    assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), ["1", "2", "3", "4", "5"]);
    // A time that is asked for stands for both ends; a part of a day is the day.
    project.ok(&run(
        "2024-01-09",
        &["--event-time-start", "2024-01-01T10:00:00", "--event-time-end", "2024-01-01 11:00:00"],
    ));
    assert_eq!(batches(&project, "successful"), ["2024-01-01"]);
    assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn the_time_asked_for_has_two_ends_in_order() {
    let project = project("select id, at from {{ ref('events') }}");
    let cases = [
        (vec!["run", "--event-time-start", "2024-01-01"], "needs `--event-time-end`"),
        (vec!["run", "--event-time-end", "2024-01-01"], "needs `--event-time-start`"),
        (vec!["build", "--event-time-start", "2024-01-02", "--event-time-end", "2024-01-02"], "must be before"),
        (vec!["run", "--event-time-start", "soon", "--event-time-end", "2024-01-02"], "`soon` is not a value of"),
    ];
    for (arguments, message) in cases {
        project.run(&arguments).expect_code(2).expect_message(&["error[invalid-argument]", message]);
    }
    let variables = [("DBT_EVENT_TIME_START", "2024-01-02"), ("KARAT_EVENT_TIME_END", "2024-01-03")];
    project.ok(&["seed"]);
    project.run_with(&["run"], &variables).expect_code(0);
    assert_eq!(project.rows("select id from {{ ref('days') }}"), ["2"]);
}

#[test]
fn a_template_knows_its_batch() {
    let model = "-- depends_on: {{ ref('early') }}
select id, at, '{{ model.batch.id }}' as batch, '{{ model.batch.event_time_start }}' as start,
  '{{ model.batch.event_time_end.strftime('%d.%m.') if model.batch }}' as stop, {{ is_incremental() }} as again,
  (select count(*) from {{ ref('events').render() }}) as all_events, (select count(*) from {{ ref('early') }}) as early
from {{ ref('events') }} as e";
    let project = project(model);
    project.write(
        "models/early.sql",
        "{{ config(materialized='ephemeral', event_time='at') }} select at from {{ ref('events') }} where id < 3",
    );
    project.ok(&["seed"]);
    project.ok(&run("2024-01-03T01:00:00Z", &[]));
    assert_eq!(
        project.rows("select * exclude (at) from {{ ref('days') }} order by id"),
        [
            "1|20240101|2024-01-01 00:00:00+00:00|02.01.|false|3|1",
            "2|20240102|2024-01-02 00:00:00+00:00|03.01.|true|3|1",
            "3|20240103|2024-01-03 00:00:00+00:00|04.01.|true|3|0",
        ]
    );
    // As under dbt, each batch has its own file.
    let compiled = project.read("target/compiled/shop/models/days/days_2024-01-02.sql");
    assert!(compiled.contains("cast(at as timestamp(6)) >= timestamp(6) '2024-01-02 00:00:00'"), "{compiled}");
    assert_eq!(project.read("target/run/shop/models/days/days_2024-01-02.sql"), compiled);
    // Without a batch a template is compiled to all rows.
    let compiled = project.ok(&["compile", "--select", "days"]).stdout;
    assert!(!compiled.contains("timestamp(6)"), "{compiled}");
}

#[test]
fn a_batch_that_fails_leaves_the_others_and_is_retried_alone() {
    let failing = "select id, at, 1 / (id - {{ var('bad', 2) }}) as x from {{ ref('events') }}";
    let project = project(failing);
    project.write("models/after.sql", "select count(*) as n from {{ ref('days') }}");
    project.ok(&["seed"]);
    let failed = project.run(&run("2024-01-03T01:00:00Z", &[])).expect_code(1);
    failed.expect_message(&["PARTLY", "in batch 2024-01-02", "PARTIAL SUCCESS (2/3)"]);
    assert_eq!(project.statuses()["days"], "partial success");
    assert_eq!(project.statuses()["after"], "skipped");
    assert_eq!(batches(&project, "successful"), ["2024-01-01", "2024-01-03"]);
    assert_eq!(batches(&project, "failed"), ["2024-01-02"]);
    assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), ["1", "3"]);

    // The batches that went well are not made again, though the seed has changed since, and the time is that of the
    // first command.
    project.write("seeds/events.csv", &format!("{EVENTS}7,2024-01-01 01:00:00\n8,2024-01-02 01:00:00\n"));
    project.ok(&["seed", "--target-path", "elsewhere"]);
    project.run(&["retry", "--now", "2024-02-01"]).expect_code(1);
    assert_eq!(project.statuses()["days"], "error");
    assert_eq!(batches(&project, "successful"), ["2024-01-01", "2024-01-03"]);
    project.ok(&["retry", "--vars", "{bad: 99}", "--now", "2024-02-01"]);
    assert_eq!(batches(&project, "successful"), ["2024-01-01", "2024-01-02", "2024-01-03"]);
    assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), ["1", "2", "3", "8"]);
    assert_eq!(project.rows("select n from {{ ref('after') }}"), ["4"]);
    project.ok(&["retry"]).expect_message(&["nothing to retry"]);
}

#[test]
fn nothing_is_made_after_a_first_batch_that_fails() {
    let project = project("select id, at, 1 / (id - {{ var('bad', 99) }}) as x from {{ ref('events') }}");
    project.ok(&["seed"]);
    project.run(&run("2024-01-03T01:00:00Z", &["--vars", "{bad: 1}"])).expect_code(1).expect_message(&["SKIP"]);
    assert_eq!(project.statuses()["days"], "error");
    assert_eq!(batches(&project, "failed"), ["2024-01-01", "2024-01-02", "2024-01-03"]);
    assert_eq!(project.entries("dev").len(), 1);
    // A retry makes all of them, at the time of the command that is done again.
    project.ok(&["retry", "--vars", "{}", "--now", "2024-02-01"]);
    assert_eq!(batches(&project, "successful").len(), 3);
    // A full refresh that fails at once leaves the table as it was.
    project.run(&run("2024-01-03T01:00:00Z", &["--vars", "{bad: 1}", "--full-refresh"])).expect_code(1);
    assert_eq!(project.rows("select count(*) as n from {{ ref('days') }}"), ["3"]);
}

#[test]
fn a_build_publishes_no_part_that_was_not_tested_and_a_retry_makes_all_of_it() {
    let project = project("select id, at, 1 / (id - {{ var('bad', 2) }}) as x from {{ ref('events') }}");
    project.write("models/models.yml", "models: [{name: days, columns: [{name: id, data_tests: [not_null]}]}]");
    let failed = project.run(&["build", "--now", "2024-01-03T01:00:00Z"]).expect_code(1);
    failed.expect_message(&["Not published: main.days"]);
    project.ok(&["retry", "--vars", "{bad: 99}"]);
    assert_eq!(batches(&project, "successful"), ["2024-01-01", "2024-01-02", "2024-01-03"]);
    assert_eq!(project.rows("select count(*) as n from {{ ref('days') }}"), ["3"]);
}

#[test]
fn a_full_refresh_begins_anew_unless_the_model_forbids_it() {
    let project = project("select id, at, '{{ var('who', 'first') }}' as who from {{ ref('events') }}");
    project.ok(&["seed"]);
    project.ok(&run("2024-01-03T01:00:00Z", &[]));
    project.ok(&run("2024-01-03T01:00:00Z", &["--full-refresh", "--vars", "{who: second}"]));
    assert_eq!(project.rows("select id, who from {{ ref('days') }} order by id"), ["1|second", "2|second", "3|second"]);
    let model = project.read("models/days.sql");
    project.write("models/days.sql", &model.replace("begin=", "full_refresh=false, begin="));
    project.ok(&run("2024-01-03T01:00:00Z", &["--full-refresh", "--vars", "{who: third}"]));
    assert_eq!(project.rows("select id, who from {{ ref('days') }} order by id"), ["1|second", "2|third", "3|third"]);
}

#[test]
fn what_a_microbatch_model_lacks_is_said_before_anything_runs() {
    let config = |keys: &str| {
        format!("{{{{ config(materialized='incremental', incremental_strategy='microbatch'{keys}) }}}} select 1 as x")
    };
    let project = Project::new(&[
        ("models/bare.sql", config("").as_str()),
        ("models/bad_begin.sql", config(", event_time='x', batch_size='day', begin='soon'").as_str()),
        (
            "models/bad_size.sql",
            config(", event_time='x', batch_size='week', begin='2024-01-01', lookback='x'").as_str(),
        ),
    ]);
    let parsed = project.run(&["parse"]).expect_code(2);
    insta::assert_snapshot!(project.complaints(&parsed), @r"
    error[wrong-type]: `begin` of model `bad_begin` must be a date or a point in time such as `2024-01-31` or `2024-01-31 06:00:00`, but is `soon`
     --> models/bad_begin.sql:1:108
      |
    1 | {{ config(materialized='incremental', incremental_strategy='microbatch', event_time='x', batch_size='day', begin='soon') }} select 1 ...
      |                                                                                                            ^^^^^
    error[bad-value]: `batch_size` can't be `week`
     --> models/bad_size.sql:1:90
      |
    1 | {{ config(materialized='incremental', incremental_strategy='microbatch', event_time='x', batch_size='week', begin='2024-01-01', lookb...
      |                                                                                          ^^^^^^^^^^
      |
      = note: it can be `hour`, `day`, `month`, `year`
    error[wrong-type]: `lookback` of model `bad_size` must be a number of at least 0, but is `x`
     --> models/bad_size.sql:1:129
      |
    1 | ...tch', event_time='x', batch_size='week', begin='2024-01-01', lookback='x') }} select 1 as x
      |                                                                 ^^^^^^^^
    error[missing-config]: model `bare` has no `event_time`, which the strategy `microbatch` needs
     --> models/bare.sql:1:39
      |
    1 | {{ config(materialized='incremental', incremental_strategy='microbatch') }} select 1 as x
      |                                       ^^^^^^^^^^^^^^^^^^^^
    error[missing-config]: model `bare` has no `begin`, which the strategy `microbatch` needs
     --> models/bare.sql:1:39
      |
    1 | {{ config(materialized='incremental', incremental_strategy='microbatch') }} select 1 as x
      |                                       ^^^^^^^^^^^^^^^^^^^^
    error[missing-config]: model `bare` has no `batch_size`, which the strategy `microbatch` needs
     --> models/bare.sql:1:39
      |
    1 | {{ config(materialized='incremental', incremental_strategy='microbatch') }} select 1 as x
      |                                       ^^^^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn a_time_that_the_result_lacks_is_found_before_the_run() {
    let project = project("select id, at as happened from {{ ref('events') }}");
    project.ok(&["seed"]);
    let failed = project.run(&run("2024-01-03T01:00:00Z", &[])).expect_code(2);
    failed.expect_message(&["error[unknown-column]", "`event_time` of a microbatch model"]);
    let begins = project.read("models/days.sql").replace("2024-01-01", "1824-01-01").replace("'day'", "'hour'");
    project.write("models/days.sql", &begins);
    project.run(&["run"]).expect_code(2).expect_message(&["error[too-many-batches]"]);
}

#[test]
fn a_parent_without_a_time_is_read_whole_and_only_the_rows_of_the_batch_are_kept() {
    let project = project("select id, at from {{ ref('events') }}");
    project.remove("seeds/seeds.yml");
    project.write("seeds/events.csv", &format!("{EVENTS}9,\n8,2023-12-31 23:59:59\n7,2024-01-04 00:00:00\n"));
    let built = project.ok(&["build", "--now", "2024-01-03T01:00:00Z"]);
    built.expect_message(&["warning[microbatch-reads-all]"]);
    assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), ["1", "2", "3"]);
}

#[test]
fn a_batch_sees_what_the_batches_before_it_have_made() {
    let model = "select id, at, {% if is_incremental() %} (select count(*) from {{ this }}) {% else %} 0 {% endif %} as before from {{ ref('events') }}";
    let project = project(model);
    project.ok(&["seed"]);
    project.ok(&run("2024-01-03T01:00:00Z", &[]));
    assert_eq!(project.rows("select id, before from {{ ref('days') }} order by id"), ["1|0", "2|1", "3|2"]);
    // While a batch runs, its own old rows are still there.
    project.ok(&run("2024-01-03T01:00:00Z", &[]));
    assert_eq!(project.rows("select id, before from {{ ref('days') }} order by id"), ["1|0", "2|3", "3|3"]);
}

#[test]
fn only_files_with_rows_of_the_windows_are_rewritten() {
    let project = project("select id, at from {{ ref('events') }}");
    project.ok(&["seed"]);
    project.ok(&run("2024-01-03T01:00:00Z", &[]));
    let before: Vec<String> = project.files_below("warehouse/main/days").into_keys().collect();
    project.ok(&run("2024-01-03T01:00:00Z", &[]));
    assert_eq!(project.counts("days"), "+2 ~0 -2 =3");
    let data = |files: &[String]| files.iter().filter(|file| file.ends_with(".parquet")).count();
    let after: Vec<String> = project.files_below("warehouse/main/days").into_keys().collect();
    // One file per batch; two of them are replaced, and nothing of the others is copied.
    assert_eq!((data(&before), data(&after)), (3, 5));

    // A table in one file, as another strategy leaves it: it is rewritten once, whatever the number of batches.
    let model = project.read("models/days.sql");
    project.write("models/days.sql", "{{ config(materialized='table') }} select id, at from {{ ref('events') }}");
    project.ok(&["run"]);
    project.write("models/days.sql", &model);
    let before = data(&project.files_below("warehouse/main/days").into_keys().collect::<Vec<_>>());
    project.ok(&run("2024-01-03T01:00:00Z", &[]));
    assert_eq!(project.counts("days"), "+2 ~0 -2 =3");
    let after = data(&project.files_below("warehouse/main/days").into_keys().collect::<Vec<_>>());
    assert_eq!(after - before, 3);
}

#[test]
fn columns_change_as_on_schema_change_says() {
    let project = project("select id, at {{ var('more', '') }} from {{ ref('events') }}");
    project.ok(&["seed"]);
    project.ok(&run("2024-01-03T01:00:00Z", &[]));
    let model = project.read("models/days.sql");
    let with = |policy: &str| model.replace("begin=", &format!("on_schema_change='{policy}', begin="));
    project.write("models/days.sql", &with("fail"));
    project.run(&run("2024-01-03T01:00:00Z", &["--vars", "{more: ', 1 as n'}"])).expect_code(2);
    project.write("models/days.sql", &with("append_new_columns"));
    project.ok(&run("2024-01-03T01:00:00Z", &["--vars", "{more: ', 1 as n'}"]));
    assert_eq!(project.rows("select id, n from {{ ref('days') }} order by id"), ["1|null", "2|1", "3|1"]);
    project.write("models/days.sql", &with("sync_all_columns"));
    project.ok(&run("2024-01-03T01:00:00Z", &["--vars", "{more: ', 2.5 as m'}"]));
    assert_eq!(project.rows("select * exclude (at) from {{ ref('days') }} order by id"), ["1|null", "2|2.5", "3|2.5"]);
}

#[test]
fn batches_are_hours_months_and_years_too() {
    let events = "id,at\n1,2022-12-31 23:59:59\n2,2023-01-01 00:00:00\n3,2024-02-29 10:30:00\n4,2024-02-29 11:00:00\n";
    for (size, begin, now, count) in [
        ("hour", "2024-02-29 10:00:00", "2024-02-29T11:00:01Z", 2),
        ("month", "2022-12-24", "2024-02-29T11:00:00Z", 15),
        ("year", "2022-01-01", "2024-02-29T11:00:00Z", 3),
    ] {
        let project = project("select id, at from {{ ref('events') }}");
        project.write("seeds/events.csv", events);
        let model = project.read("models/days.sql").replace("'2024-01-01'", &format!("'{begin}'"));
        project.write("models/days.sql", &model.replace("'day'", &format!("'{size}'")));
        project.ok(&["build", "--now", now]);
        assert_eq!(batches(&project, "successful").len(), count, "{size}");
        let expected: &[&str] = if size == "hour" { &["3", "4"] } else { &["1", "2", "3", "4"] };
        assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), expected, "{size}");
        project.ok(&["build", "--now", now]);
        assert_eq!(batches(&project, "successful").len(), 2, "{size}");
        assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), expected, "{size}");
    }
}

#[test]
fn dates_and_times_with_a_zone_are_times_of_events() {
    for kind in ["date", "timestamptz", "varchar"] {
        let project = project(&format!("select id, cast(at as {kind}) as at from {{{{ ref('events') }}}}"));
        project.ok(&["build", "--now", "2024-01-03T01:00:00Z"]);
        project.ok(&["build", "--now", "2024-01-03T01:00:00Z"]);
        assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), ["1", "2", "3"], "{kind}");
    }
}

/// Whatever batches are made in whatever order, and however often: once all are made from the same events, the table is
/// that of a full rebuild.
#[test]
fn batches_in_any_order_give_what_a_full_rebuild_gives() {
    for_seeds("KARAT_MICROBATCHES", 3, |seed| {
        let mut random = Random(seed);
        let reads_itself = if random.percent(50) { "-- {{ this }}\n" } else { "" };
        let project = project(&format!("{reads_itself}select id, at, id * 2 as twice from {{{{ ref('events') }}}}"));
        let mut events: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let mut stale: Vec<u64> = (1..=9).collect();
        for _ in 0..5 {
            for _ in 0..random.below(8) {
                let (id, day) = (random.below(40), 1 + random.below(9));
                // An event that is there may move to another day: both days have to be made again.
                stale.extend(events.insert(id, (day, random.below(24))).map(|(day, _)| day));
                stale.push(day);
            }
            write_events(&project, &events);
            let from = 1 + random.below(9);
            let to = from + 1 + random.below(10 - from);
            run_days(&project, from, to);
            stale.retain(|day| !(from..to).contains(day));
        }
        stale.sort_unstable();
        stale.dedup();
        while !stale.is_empty() {
            let place = usize::try_from(random.below(stale.len() as u64)).unwrap();
            let day = stale.swap_remove(place);
            run_days(&project, day, day + 1);
        }
        let made = project.rows("select * from {{ ref('days') }} order by id");
        project.ok(&run("2024-01-09T12:00:00Z", &["--full-refresh"]));
        assert_eq!(made, project.rows("select * from {{ ref('days') }} order by id"));
        assert_eq!(made.len(), events.len());
    });
}

fn run_days(project: &Project, from: u64, to: u64) {
    let (from, to) = (format!("2024-01-{from:02}"), format!("2024-01-{to:02}"));
    project.ok(&run("2024-01-09T12:00:00Z", &["--event-time-start", &from, "--event-time-end", &to]));
}

fn write_events(project: &Project, events: &BTreeMap<u64, (u64, u64)>) {
    let line = |(id, (day, hour)): (&u64, &(u64, u64))| format!("{id},2024-01-{day:02} {hour:02}:00:00\n");
    // A first line keeps the file's types, and lies before the first batch.
    let lines: String = events.iter().map(line).collect();
    project.write("seeds/events.csv", &format!("id,at\n999,2023-01-01 00:00:00\n{lines}"));
    project.ok(&["seed"]);
}

#[test]
fn messages_as_json_have_the_events_of_batches() {
    let project = project("select id, at from {{ ref('events') }}");
    project.ok(&["seed"]);
    let made = project.ok(&run("2024-01-02T01:00:00Z", &["--log-format", "json"]));
    let lines: Vec<Json> = made.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named = |name: &str| -> Vec<&Json> { lines.iter().filter(|line| line["info"]["name"] == name).collect() };
    assert_eq!(named("LogStartBatch").len(), 2);
    let ended = named("LogBatchResult");
    assert_eq!(ended[1]["data"]["description"], "batch 2024-01-02 of main.days");
    assert_eq!(
        (&ended[1]["data"]["batch_index"], &ended[1]["data"]["total_batches"]),
        (&Json::from(2), &Json::from(2))
    );
    assert_eq!(ended[1]["data"]["node_info"]["unique_id"], "model.shop.days");
}

#[test]
fn a_lookback_that_does_not_fit_is_refused() {
    let project = project("select id, at from {{ ref('events') }}");
    let model = project.read("models/days.sql");
    project.write("models/days.sql", &model.replace("begin=", "lookback=5000000000, begin="));
    let parsed = project.run(&["parse"]).expect_code(2);
    parsed.expect_message(&["error[wrong-type]: `lookback` of model `days` must be a number of at most 4294967295"]);
}

#[test]
fn times_beyond_those_of_nanoseconds_are_times() {
    for kind in ["date", "varchar", "timestamp"] {
        let project = project(&format!("select id, cast(at as {kind}) as at from {{{{ ref('days_of_all') }}}}"));
        let all = "{{ config(event_time='at') }} select id, cast(at as KIND) as at from {{ ref('events') }} union all select 9, cast('9999-12-31' as KIND) union all select 8, cast('0001-01-01' as KIND)";
        project.write("models/days_of_all.sql", &all.replace("KIND", kind));
        project.ok(&["build", "--now", "2024-01-03T01:00:00Z"]);
        project.ok(&["build", "--now", "2024-01-03T01:00:00Z"]);
        assert_eq!(project.rows("select id from {{ ref('days') }} order by id"), ["1", "2", "3"], "{kind}");
        let far = ["--event-time-start", "2500-01-01", "--event-time-end", "2500-01-02"];
        project.ok(&run("2024-01-03T01:00:00Z", &far));
    }
    let project = project("select id, at from {{ ref('events') }}");
    let model = project.read("models/days.sql");
    project.write("models/days.sql", &model.replace("2024-01-01", "2999-01-01"));
    project.ok(&["build", "--now", "2024-01-03T01:00:00Z"]);
    assert_eq!(project.rows("select count(*) as n from {{ ref('days') }}"), ["0"]);
}

#[test]
fn a_number_is_no_time_of_an_event() {
    let project = project("select id, at from {{ ref('events') }}");
    project.write("seeds/events.csv", "id,at\n1,1704067200\n");
    project.write("seeds/seeds.yml", "seeds: [{name: events, config: {event_time: at}}]");
    project.ok(&["seed"]);
    let failed = project.run(&run("2024-01-03T01:00:00Z", &[])).expect_code(2);
    failed.expect_message(&["error[type-mismatch]", "`event_time` of a microbatch model: `at` is bigint"]);
    project.write("models/days.sql", &format!("{MODEL}select id, current_date as at from {{{{ ref('events') }}}}"));
    let failed = project.run(&run("2024-01-03T01:00:00Z", &[])).expect_code(2);
    failed.expect_message(&["error[type-mismatch]: `event_time` of `seeds.events`: `at` is bigint"]);
    project.write("models/days.sql", "select id from {{ ref('events') }}");
    project.run(&["run", "--sample", "3 days"]).expect_code(2).expect_message(&["error[type-mismatch]"]);
    project.ok(&["run"]);
}

#[test]
fn hooks_know_the_first_and_the_last_batch() {
    let project = project("select id, at from {{ ref('events') }}");
    let hook = |when: &str| {
        format!("{when}_hook=\"insert into main.log select '{when} ' || '{{{{ model.batch.id if model.batch }}}}'\"")
    };
    let hooks = format!("{}, {}, begin=", hook("pre"), hook("post"));
    let model = project.read("models/days.sql").replace("begin=", &hooks);
    project.write("models/days.sql", &model);
    project.write("models/log.sql", "{{ config(materialized='table') }} select 'none' as line");
    project.ok(&["seed"]);
    project.ok(&["run", "--select", "log"]);
    project.ok(&run("2024-01-03T01:00:00Z", &["--select", "days"]));
    assert_eq!(project.rows("select line from main.log order by line"), ["none", "post 20240103", "pre 20240101"]);
}
