//! `--sample` through the real binary: which parents are read for a window of time, and by whom.

use crate::support::Project;

fn project() -> Project {
    let project = Project::new(&[
        ("project.yml", "name: shop\nversion: '1.0'\n"),
        (
            "seeds/events.csv",
            "id,at\n1,2024-04-01 10:00:00\n2,2024-04-28 06:00:00\n3,2024-04-30 10:00:00\n4,2024-05-01 05:59:59\n5,2024-05-01 06:00:00\n",
        ),
        ("seeds/names.csv", "id,name\n1,a\n4,d\n"),
        ("models/direct.sql", "{{ config(materialized='table') }} select id from {{ ref('events') }} as e"),
        (
            "models/passed.sql",
            "{{ config(materialized='ephemeral', event_time='at') }} select id, at from {{ ref('names') }} join {{ ref('all_events') }} using (id)",
        ),
        ("models/all_events.sql", "select id, at from \"shop\".\"seeds\".\"events\""),
        ("models/through.sql", "{{ config(materialized='table') }} select id from {{ ref('passed') }}"),
        ("models/beside.sql", "{{ config(materialized='table') }} select id from {{ ref('names') }}"),
        ("models/from_source.sql", "{{ config(materialized='table') }} select id from {{ source('raw', 'events') }}"),
        (
            "models/models.yml",
            "seeds: [{name: events, config: {event_time: at}}]\nsources:\n  - name: raw\n    schema: seeds\n    tables: [{name: events, config: {event_time: at}}]\n",
        ),
    ]);
    project.ok(&["seed"]);
    project
}

fn ids(project: &Project, model: &str) -> String {
    project.rows(&format!("select id from {{{{ ref('{model}') }}}} order by id")).join(" ")
}

#[test]
fn parents_that_say_when_are_read_for_the_window() {
    let project = project();
    // The run's time is 2024-05-01T06:00:00Z; the end is not part of the window.
    project.ok(&["run", "--sample", "3 days"]);
    for (model, found) in [("direct", "2 3 4"), ("through", "4"), ("beside", "1 4"), ("from_source", "2 3 4")] {
        assert_eq!(ids(&project, model), found, "{model}");
    }
    let sampled = |sample: &str| {
        project.ok(&["run", "--select", "direct", "--sample", sample]);
        ids(&project, "direct")
    };
    assert_eq!(sampled("1 hour"), "4");
    assert_eq!(sampled("2 Months"), "1 2 3 4");
    assert_eq!(sampled("1 year"), "1 2 3 4");
    assert_eq!(sampled("{start: 2024-04-28 06:00:00, end: '2024-05-01'}"), "2 3");
    assert_eq!(sampled("{start: '2024-04-01', end: '2024-04-29T00:00:00Z'}"), "1 2");
    project.run_with(&["build", "--select", "direct"], &[("DBT_SAMPLE", "1 day")]).expect_code(0);
    assert_eq!(ids(&project, "direct"), "3 4");
    project.ok(&["run", "--select", "direct"]);
    assert_eq!(ids(&project, "direct"), "1 2 3 4 5");
}

#[test]
fn a_sample_that_is_none_is_refused() {
    let project = project();
    for sample in [
        "3 weeks",
        "days",
        "x days",
        "{start: 2024-01-01}",
        "{start: 2024-02-01, end: 2024-01-01}",
        "{start: x, end: y}",
    ] {
        let run = project.run(&["run", "--sample", sample]).expect_code(2);
        assert!(run.stderr.contains("error[invalid-argument]") && run.stderr.contains("`--sample`"), "{}", run.stderr);
    }
}

#[test]
fn the_batches_of_a_microbatch_model_are_those_of_the_sample() {
    let model = "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='at', batch_size='day', begin='2024-04-01') }} select id, at from {{ ref('events') }}";
    let project = project();
    project.write("models/days.sql", model);
    let run = |more: &[&str]| project.ok(&[&["run", "--select", "days"], more].concat());
    let batches = || {
        let results = project.run_results();
        let windows = results["results"][0]["batch_results"]["successful"].as_array().cloned().unwrap_or_default();
        let days = windows.iter().filter_map(|window| window[0].as_str()?.get(8..10).map(str::to_owned));
        days.collect::<Vec<_>>().join(" ")
    };
    run(&[]);
    assert_eq!(ids(&project, "days"), "1 2 3 4 5");
    // Only the sample is made again: nothing of the days around it is touched, and of them not the newest ones.
    let sample = "{start: '2024-04-28', end: '2024-04-29'}";
    run(&["--sample", sample]);
    assert_eq!((batches(), ids(&project, "days")), ("28".to_owned(), "1 2 3 4 5".to_owned()));
    // A span of three days touches four, and stands over the time that is asked for.
    run(&["--sample", "3 days", "--event-time-start", "2024-04-01", "--event-time-end", "2024-04-02"]);
    assert_eq!(batches(), "28 29 30 01");
    // A first run does not begin at `begin`.
    run(&["--sample", "1 day", "--full-refresh"]);
    assert_eq!((batches(), ids(&project, "days")), ("30 01".to_owned(), "3 4".to_owned()));
}
