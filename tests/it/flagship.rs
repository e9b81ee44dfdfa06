//! The repository's own project, the plant shop: it builds, and a batch that arrives is taken in as a rebuild would.

#![expect(clippy::disallowed_methods, reason = "empties a folder of a test")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use serde_json::Value as Json;

use crate::shop::{VARS, build, content, greenhouse, project as flagship, rows, second_batch, value};
use crate::support::Project;

/// When the second build runs: after the batch was loaded.
const LATER: &str = "2024-05-02T06:00:00Z";

#[test]
fn flagship_takes_in_a_batch_as_a_rebuild_would() {
    let project = flagship();
    build(&project, "2024-05-01T06:00:00Z");
    let results = project.run_results();
    let bad = |result: &&Json| !["success", "pass"].contains(&result["status"].as_str().unwrap());
    let bad: Vec<&Json> = results["results"].as_array().unwrap().iter().filter(bad).collect();
    assert!(bad.is_empty(), "{bad:#?}");

    // The same again changes no row.
    let first = content(&project);
    build(&project, "2024-05-01T06:00:00Z");
    assert_eq!(content(&project), first);

    second_batch(&project);
    build(&project, LATER);
    let actions = project.actions();
    for model in ["stg_orders", "stg_order_items", "stg_events"] {
        assert_eq!(actions[model], "merge", "{model}");
    }
    assert_eq!(project.counts("stg_orders").split(" =").next(), Some("+1 ~2 -0"));
    assert_eq!(project.counts("stg_order_items").split(" =").next(), Some("+2 ~0 -0"));
    assert_eq!(project.counts("stg_events").split(" =").next(), Some("+1 ~0 -1"));

    // What the batch says is there.
    let (late, gone) = (value(&project, "orders", 3, "order_id"), value(&project, "users", 2, "user_id"));
    let status = value(&project, "orders", 3, "status");
    let one = |sql: &str| rows(&project, sql);
    assert_eq!(one(&format!("select status from silver.stg_orders where order_id = '{late}'")), [status]);
    assert_eq!(one(&format!("select count(*) from silver.stg_users where user_id = '{gone}'")), ["0"]);
    assert_eq!(one("select count(*) from gold.fct_orders_products where order_id = '00000000feedbeef'"), ["2"]);
    let address = value(&project, "addresses", 1, "address_id");
    assert_eq!(
        one(&format!(
            "select count(*), count(valid_to) from gold.dim_addresses_history where address_id = '{address}'"
        )),
        ["2|1"]
    );

    // Journeys of the generator come on top, late and doubled records among them.
    let batches = ["2024-05-03T06:00:00Z", "2024-05-04T06:00:00Z"];
    for now in batches {
        journey(&project, now);
        project.ok(&["run", "--now", now, "--vars", VARS]);
    }
    assert_eq!(project.actions()["stg_events"], "merge");

    // A second warehouse, built from all batches at once, has the same rows. Histories have not: they record runs.
    let anew = flagship();
    anew.take(&project.path("landing"), "landing");
    build(&anew, batches[1]);
    let (grown, rebuilt) = (content(&project), content(&anew));
    assert_eq!(grown.keys().collect::<Vec<_>>(), rebuilt.keys().collect::<Vec<_>>());
    for (relation, rows) in grown.iter().filter(|(relation, _)| !relation.ends_with("_history")) {
        assert_eq!(rows, &rebuilt[relation], "{relation}");
    }
}

/// A batch of journeys in which all kinds of changes happen.
fn journey(project: &Project, now: &str) {
    let wishes = "--count 12 --returning 0.5 --abandon 0.2 --late 0.3 --duplicates 0.2 --update-users 4 \
                  --update-addresses 4 --advance-orders 12 --delete-users 2";
    let arguments: Vec<&str> = ["journey", "--now", now].into_iter().chain(wishes.split_whitespace()).collect();
    greenhouse(project, &arguments);
}

/// The statuses of silver's tests on a messy shop, by the name of the generic test that each is.
fn messy_tests(options: &[&str], generic: &str) -> Vec<(String, String)> {
    let project = flagship();
    fs::remove_dir_all(project.path("landing")).unwrap();
    greenhouse(&project, &[&["init", "--scale", "8000", "--profile", "messy"], options].concat());
    let select = ["--select", "+silver", "--indirect-selection", "cautious"];
    project.run(&[&["build", "--vars", VARS, "--now", "2025-01-12"], &select[..]].concat());
    let mut statuses: Vec<(String, String)> = project.statuses().into_iter().collect();
    statuses.retain(|(name, _)| name.starts_with(generic));
    statuses
}

#[test]
fn flagship_has_negative_amounts_only_with_leave() {
    let is_bad = |(_, status): &&(String, String)| status != "pass";
    let kept = messy_tests(&["--set", "dirt.negative=0.02"], "no_negatives");
    assert!(kept.len() >= 8 && kept.iter().filter(is_bad).count() == 0, "{kept:#?}");
    let failed = messy_tests(&["--set", "dirt.negative=0.02", "--allow-negative"], "no_negatives");
    assert!(failed.iter().any(|(_, status)| status == "fail"), "{failed:#?}");
    let times = messy_tests(&[], "utc_times");
    assert!(times.len() >= 12 && times.iter().filter(is_bad).count() == 0, "{times:#?}");
}
